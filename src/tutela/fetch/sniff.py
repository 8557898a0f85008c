"""What a body is, by its first bytes before what the server says (WHATWG MIME Sniffing).

Pages lie about their types, to be shown by browsers and to be missed by others. What begins as a
picture or video is one whatever it is called, since it must be fingerprinted; what a browser would
show as a page although it begins otherwise is told by `hides_page`.
"""

from __future__ import annotations

import enum
import re

FIRST_BYTES = 4096


class Kind(enum.StrEnum):
    """What a body is."""

    HTML = "html"
    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    OTHER = "other"


_IMAGES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"\x00\x00\x01\x00",
    b"\xff\x0a",
    b"\x00\x00\x00\x0cJXL ",
    b"\x00\x00\x00\x0cjP  ",
    b"8BPS",
)
_VIDEOS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"\x00\x00\x01\xba",  # MPEG programme stream
    b"\x00\x00\x01\xb3",
    b"0&\xb2u\x8ef\xcf\x11",  # ASF
    b"OggS",
    b".RMF",
)
_PICTURE_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc")
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
_MP4_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"styp")
_RIFF = {b"WEBP": Kind.IMAGE, b"AVI ": Kind.VIDEO}
_TRANSPORT_BYTES = 188  # of a packet of an MPEG transport stream, which begins with G
_BLANK = re.compile(rb"(?:[\t\n\x0c\r ]|<!--.*?-->|<\?xml[^>]*\?>)+", re.DOTALL)
_TAGS = re.compile(
    rb"<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta"
    rb"|link|form|ul|ol|img|span|center|section|article|main|nav|header)[\s/>]",
    re.IGNORECASE,
)
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|script)[\s/>]", re.IGNORECASE)
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# Control characters that no text has (WHATWG: binary data bytes).
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def sniff(first: bytes, content_type: str = "") -> Kind:
    """Return what a body is that begins with `first` (FIRST_BYTES of it are looked at)."""
    first = first[:FIRST_BYTES]
    said = content_type.partition(";")[0].strip().lower()
    media = _media(first)
    # Two letters are a weak sign: text begins with them as well.
    if media is not None and (not first.startswith(b"BM") or _BINARY.search(first)):
        return media
    text = _unmarked(first)
    if _looks_like_page(text):
        return Kind.HTML
    if _BINARY.search(text):
        return _claimed(said)
    return Kind.HTML if _says_page(said) else Kind.TEXT


def hides_page(first: bytes, content_type: str = "") -> bool:
    """Say whether a browser would show a page although the body begins as a picture or video.

    It must be read as a page as well, then: as which of the two it is used depends on who links it.
    """
    said = content_type.partition(";")[0].strip().lower()
    first = first[:FIRST_BYTES]
    return _says_page(said) and _media(first) is not None and _PAGE.search(first) is not None


def _media(first: bytes) -> Kind | None:
    if first.startswith(_IMAGES):
        return Kind.IMAGE
    if first.startswith(_VIDEOS):
        return Kind.VIDEO
    if first.startswith(b"RIFF"):
        return _RIFF.get(first[8:12])
    if first[4:8] == b"ftyp":
        return _branded(first[8:12])
    packets = first[: 4 * _TRANSPORT_BYTES : _TRANSPORT_BYTES]
    boxed = first[:1] == b"\x00" and first[4:8] in _MP4_BOXES
    return Kind.VIDEO if boxed or packets == b"GGGG" else None


def _branded(brand: bytes) -> Kind | None:
    if brand in _SOUND_BRANDS:
        return None
    return Kind.IMAGE if brand in _PICTURE_BRANDS else Kind.VIDEO


def _unmarked(first: bytes) -> bytes:
    """Return text without its byte order mark, UTF-16 as UTF-8."""
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return first.removeprefix(mark).decode(encoding, "ignore").encode("utf-8", "ignore")
    return first


def _looks_like_page(text: bytes) -> bool:
    blank = _BLANK.match(text)
    return _TAGS.match(text, blank.end() if blank else 0) is not None


def _says_page(said: str) -> bool:
    return said in {"text/html", "application/xhtml+xml"}


def _claimed(said: str) -> Kind:
    """Believe a server about pictures and videos alone: whoever decodes them sees whether it is."""
    if said.startswith("image/") and said != "image/svg+xml":
        return Kind.IMAGE
    return Kind.VIDEO if said.startswith("video/") else Kind.OTHER
