"""One form for each URL, so that a page is asked for once; what is no page of the web is refused.

The form follows RFC 3986, section 6.2, and takes away what makes one page look like many: the
fragment, parameters that only track, and session numbers. Taking the form of a form changes
nothing.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tutela.core.errors import InputError
from tutela.crawl import onion
from tutela.crawl.model import Net

LONGEST_CHARACTERS: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_IN_PATH = _UNRESERVED | frozenset(b"!$&'()*+,;=:@/")
_IN_QUERY = _IN_PATH | frozenset(b"?")
_IN_PATTERN = _IN_QUERY | frozenset(b"$*")
_HEX = re.compile(rb"[0-9A-Fa-f]{2}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Parameters that say where a visitor came from: they never change the page.
_TRACKING = re.compile(
    r"utm_[a-z]+|fbclid|gclid|dclid|yclid|msclkid|mc_[ce]id|igshid|_ga|_gl|_hs(enc|mi)|ref_src",
    re.IGNORECASE,
)
# Names of session numbers count only together with a value that looks like one.
_SESSION = re.compile(
    r"(php|asp|j)?sess(ion)?_?(id)?|sid|s|zenid|cfid|cftoken|osc(sid|id)", re.IGNORECASE
)
_SESSION_VALUE = re.compile(r"[A-Za-z0-9-]{16,}")
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;]*", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


class Address(msgspec.Struct, frozen=True):
    """A URL in its one form, and its parts.

    Attributes:
        url: All of it.
        scheme: `http` or `https`.
        host: Lower case, IDNA-encoded, without port; an IPv6 address has no brackets.
        port: The one that counts, also where it is not written.
        net: Where the host lives.
        path: From the first `/` on, percent-encoded.
        query: Without `?`; empty for none.
    """

    url: str
    scheme: str
    host: str
    port: int
    net: Net
    path: str
    query: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, as robots.txt is kept by."""
        return self.url[: self.url.index("/", len(self.scheme) + 3)]


def canonical(url: str) -> Address:
    """Return the one form of an absolute URL.

    Raises:
        InputError: code `url_scheme` (neither http nor https), `url_userinfo`, `url_host`,
            `url_port`, `url_long`, `onion_v2`, `onion` (checksum) or `url` (no URL at all).
    """
    text = url.strip("\t\n\r\f ").replace("\\", "/")
    if len(text) > LONGEST_CHARACTERS * 4:
        raise _refused("url_long")
    try:
        parts = urlsplit(text)
        port = parts.port
        named = parts.hostname or ""
    except ValueError:
        raise _refused("url") from None
    if parts.scheme not in _PORTS:
        raise _refused("url_scheme")
    if "@" in parts.netloc:
        raise _refused("url_userinfo")
    if port == 0:
        raise _refused("url_port")
    if _FORBIDDEN.search(parts.netloc):
        raise _refused("url_host")
    host, net = _host(named)
    number = port or _PORTS[parts.scheme]
    path = _path(parts.path)
    query = _query(parts.query)
    shown = f"[{host}]" if ":" in host else host
    where = shown if number == _PORTS[parts.scheme] else f"{shown}:{number}"
    whole = f"{parts.scheme}://{where}{path}" + (f"?{query}" if query else "")
    if len(whole) > LONGEST_CHARACTERS:
        raise _refused("url_long")
    return Address(whole, parts.scheme, host, number, net, path, query)


def under(path: str, prefix: str) -> bool:
    """Tell whether a path lies under another: the same, or below it at a `/`."""
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def pattern(text: str) -> str:
    """Return a pattern of paths, as robots.txt has them, with its octets written in one way."""
    return _encoded(text, _IN_PATTERN)


def is_loopback(host: str) -> bool:
    """Tell whether a host, in its one form, is this machine by its name alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=4096)  # a crawl asks few hosts, each many times
def _host(named: str) -> tuple[str, Net]:
    host = named.lower().removesuffix(".")
    if ":" in host:
        return _address(host), Net.CLEAR
    if not host.isascii():
        try:
            host = host.encode("idna").decode().lower().removesuffix(".")
        except UnicodeError:
            raise _refused("url_host") from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("url_host")
    # 127.1, 0x7f000001 and the like are addresses in disguise: only the plain form is taken.
    if labels[-1].isdecimal() or labels[-1].startswith("0x"):
        return _address(host), Net.CLEAR
    if labels[-1] != "onion":
        return host, Net.CLEAR
    if len(labels) < 2 or not onion.holds(labels[-2]):
        old = len(labels) > 1 and len(labels[-2]) == onion.OLD_LABEL_CHARACTERS
        raise _refused("onion_v2" if old else "onion")
    return host, Net.ONION


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise _refused("url_host") from None


def _path(path: str) -> str:
    text = _encoded(path, _IN_PATH)
    while (shorter := _PATH_SESSION.sub("", text)) != text:
        text = shorter
    kept: list[str] = []
    segments = text.split("/")[1:] if text.startswith("/") else text.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    kept = []
    for part in _encoded(query, _IN_QUERY).split("&"):
        name, _, value = part.partition("=")
        if not part or _TRACKING.fullmatch(name):
            continue
        if _SESSION.fullmatch(name) and _SESSION_VALUE.fullmatch(value):
            continue
        kept.append(part)
    return "&".join(kept)


def _encoded(text: str, allowed: frozenset[int]) -> str:
    """Write each byte in the one way that RFC 3986 has for it."""
    raw = text.encode("utf-8", "replace")
    if allowed.issuperset(raw):  # nothing to do for nearly all
        return text
    made = bytearray()
    at = 0
    while at < len(raw):
        byte = raw[at]
        at += 1
        if byte == 0x25 and _HEX.match(raw, at):
            byte = int(raw[at : at + 2], 16)
            at += 2
            plain = byte in _UNRESERVED
        else:
            plain = byte in allowed
        if plain:
            made.append(byte)
        else:
            made += b"%%%02X" % byte
    return made.decode("ascii")


def _refused(code: str) -> InputError:
    return InputError(_SENTENCES[code], code=code)


_SENTENCES: Final = {
    "url": "this is no URL",
    "url_scheme": "only http and https are crawled",
    "url_userinfo": "a URL with a name or password in it is not asked for",
    "url_host": "the host of this URL is none",
    "url_port": "the port of this URL is none",
    "url_long": f"a URL of more than {LONGEST_CHARACTERS} characters",
    "onion_v2": "onion addresses of version 2 do not exist any more",
    "onion": "the checksum of this onion address does not hold: it is mistyped",
}
