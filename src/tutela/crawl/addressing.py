"""Absolute addresses of what a page points at; only http and https, and never a way to log in.

What is the same address is decided by the frontier; here one only becomes absolute.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

MAX_URL = 2_048  # characters

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*:", re.IGNORECASE)
_PLAIN = re.compile(r"https?://([a-z0-9.-]{1,253})(?=[/?]|$)")
_WEB = re.compile(r"https?:", re.IGNORECASE)
_DIRT = re.compile(r"[\t\n\r]")
_ENDS = "".join(map(chr, range(33)))
_MEDIA = re.compile(
    r"\.(?:jpe?g|png|gif|webp|bmp|avif|heic|heif|jxl|tiff?|mp4|m4v|webm|mkv|mov|avi|wmv|flv|3gp|mpe?g)$"
    r"|\.(?:jpe?g|png|gif|webp|mp4|webm)\?",
    re.IGNORECASE,
)


def looks_like_media(url: str) -> bool:
    """Whether an address ends as pictures and films do."""
    return _MEDIA.search(url) is not None


def host_of(url: str) -> str:
    """Return the host of an absolute address, in lower case."""
    plain = _PLAIN.match(url)
    if plain is not None:
        return plain[1]
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class Resolver:
    """Makes what a page points at absolute; remembers what it was asked.

    Args:
        url: Of the page.
        base: What the page says its base is. It counts only where it is an address of the web; an
            onion page must have an onion base, and no other page may.
    """

    def __init__(self, url: str, base: str = "") -> None:
        self._known: dict[str, str] = {}
        self._based(url)
        self.host = host_of(url)
        if base:
            absolute = self.absolute(base)
            onion = host_of(absolute).endswith(".onion")
            if absolute and onion == self.host.endswith(".onion"):
                self._based(absolute)
                self._known.clear()

    def _based(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self._base = url
        self._origin = f"{scheme}://{re.split(r'[/?#]', rest, maxsplit=1)[0]}"
        path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")[2]
        self._folder = f"{self._origin}/{path.rpartition('/')[0]}"
        if not self._folder.endswith("/"):
            self._folder += "/"

    def absolute(self, pointer: str) -> str:
        """Return the absolute address without fragment; empty for what is none of the web."""
        known = self._known.get(pointer)
        if known is None:
            known = self._known[pointer] = self._absolute(pointer)
        return known

    def _absolute(self, pointer: str) -> str:
        pointer = pointer[: MAX_URL + 2].strip(_ENDS)
        if not pointer or pointer[0] == "#" or len(pointer) > MAX_URL:
            return ""
        if "\n" in pointer or "\t" in pointer or "\r" in pointer:
            pointer = _DIRT.sub("", pointer)
        if "\\" in pointer:
            pointer = pointer.replace("\\", "/")
        pointer = pointer.partition("#")[0]
        if _SCHEME.match(pointer) and not _WEB.match(pointer):
            return ""
        url = self._joined(pointer)
        authority = url.partition("://")[2].partition("/")[0]
        if not authority or "@" in authority or len(url) > MAX_URL:
            return ""
        if "[" in authority and not host_of(url):
            return ""
        return url

    def _joined(self, pointer: str) -> str:
        if not pointer or ".." in pointer or _WEB.match(pointer):
            plain = pointer.startswith(("http://", "https://")) and ".." not in pointer
            return pointer if plain else self._slowly(pointer)
        if pointer[0] == "/":
            if pointer.startswith("//"):
                return self._slowly(pointer)
            return self._origin + pointer
        if pointer[0] == "?" or pointer[0] == ".":
            if pointer.startswith("./") and "/." not in pointer[1:]:
                return self._folder + pointer[2:]
            return self._slowly(pointer)
        return self._folder + pointer

    def _slowly(self, pointer: str) -> str:
        try:
            url = urljoin(self._base, pointer)
            scheme = urlsplit(url).scheme
        except ValueError:
            return ""
        return url.partition("#")[0] if scheme in {"http", "https"} else ""
