"""From the bytes of a page to text that the parser can be given: charset and first limits.

The parser takes time that grows with the square of the depth and of the attributes of one tag (20 s
for 100,000 nested tags): pages made that way are refused before it sees them.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from itertools import accumulate

from tutela.core.errors import InputError

# tor.md, "Refused or bounded by design": what of a page is read at most.
PAGE_BYTES = 4 << 20
MAX_DEPTH = 3_000
MAX_ATTRIBUTES = 4_000  # of one tag
# Unclosed tags that the parser opens anew in each block behind them, times those blocks.
MAX_REOPENED = 2_000_000
LONG_TAG = 8_000  # characters; shorter ones cannot hold enough attributes to hurt

_HEAD_BYTES = 2_048
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{2,40})", re.IGNORECASE
)
_PARAMETER = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{2,40})", re.IGNORECASE)
# What the Encoding Standard reads otherwise than Python names it.
_LABELS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-9": "cp1254",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-sjis": "cp932",
    "euc-kr": "cp949",
}
# Codecs that a page may name: others of Python (`idna`, `zlib`, `punycode`) are no charsets.
_CHARSETS = re.compile(
    r"utf-?8|utf-?16(-?[lb]e)?|cp\d+|windows-?\d+|iso-?8859-?\d+|koi8-?[rut]|gb18030|big5(hkscs)?"
    r"|shift_?jis|euc-?jp|euc-?kr|iso-?2022-?jp|mac-?(cyrillic|roman)|tis-?620"
)

_TAG = re.compile(r"<(/?[a-z][a-z0-9]*)")
# As the HTML standard cuts tags, with comments, in which there are none. Possessive: nothing is
# tried twice. What still deceives it (raw text of scripts) meets the time limit of the confined
# reader.
_SPACE = r"[\t\n\f\r ]"
_ATTRIBUTE = (
    rf"[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rf"""(?:{_SPACE}*+={_SPACE}*+(?:"[^"]*+"|'[^']*+'|[^\t\n\f\r >"'][^\t\n\f\r >]*+)?)?"""
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_WHOLE_TAG = re.compile(
    rf"<!--(?:[^-]++|-(?!->))*+|<[a-z][^\t\n\f\r />]*+(?:[\t\n\f\r /]++|{_ATTRIBUTE})*+"
)
_VOID = (
    "area base br col embed hr img input link meta param source track wbr p li dt dd tr td th "
    "tbody thead tfoot option optgroup colgroup html head body frame"
)
_FORMATTING = frozenset(
    [
        "a",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "nobr",
        "s",
        "small",
        "strike",
        "strong",
        "tt",
        "u",
    ]
)


class _Steps(dict[str, int]):
    """How many levels a tag goes down: one, or one up when it closes."""

    def __missing__(self, name: str) -> int:
        return -1 if name[0] == "/" else 1


_STEPS = _Steps(dict.fromkeys(_VOID.split() + [f"/{name}" for name in _VOID.split()], 0))


def media_type(content_type: str) -> str:
    """Return the type of a Content-Type header, in lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def decode(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return the text of a page and whether its end was cut off.

    The charset is that of a byte-order mark, else of the header, else of a `meta` in the first
    2 KiB, else UTF-8; what is none of it becomes U+FFFD. NUL bytes become U+FFFD too.
    """
    cut = len(body) > PAGE_BYTES
    body = body[:PAGE_BYTES]
    text = _decoded(body, content_type)
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text, cut


def _decoded(body: bytes, content_type: str) -> str:
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    stated = _PARAMETER.search(content_type[:1_000])
    if stated is not None:
        found = _charset(stated[1])
        if found:
            return body.decode(found, "replace")
    declared = _META.search(body[:_HEAD_BYTES])
    found = _charset(declared[1].decode("ascii")) if declared is not None else ""
    # A meta that could be read byte by byte does not stand in UTF-16 (Encoding Standard).
    if not found or found.startswith("utf-16"):
        found = "utf-8"
    return body.decode(found, "replace")


def _charset(label: str) -> str:
    label = label.lower()
    label = _LABELS.get(label, label)
    if not _CHARSETS.fullmatch(label):
        return ""
    try:
        return codecs.lookup(label).name
    except LookupError:
        return ""


def screen(html: str) -> None:
    """Refuse what would keep the parser busy for seconds; linear in the length of the page.

    Raises:
        InputError: code `nesting` or `attributes`.
    """
    small = html.lower()
    # So few tags can neither be too deep, nor reopen too many of each other.
    names = _TAG.findall(small) if small.count("<") ** 2 > MAX_REOPENED else []
    begun = len(names) - small.count("</")
    if begun > MAX_DEPTH and max(accumulate(map(_STEPS.__getitem__, names))) > MAX_DEPTH:
        raise InputError("a page nests its tags deeper than any page does", code="nesting")
    counted = Counter(names)
    opened = sum(counted[name] - counted[f"/{name}"] for name in _FORMATTING)
    if opened * len(names) > MAX_REOPENED:
        raise InputError("a page leaves too many tags open", code="nesting")
    if len(html) > LONG_TAG and _may_hold_long_tags(small):
        for tag in _WHOLE_TAG.finditer(small):
            if tag.end() - tag.start() <= LONG_TAG or tag[0].startswith("<!"):
                continue
            if sum(1 for _ in _ATTRIBUTES.finditer(tag[0])) > MAX_ATTRIBUTES:
                raise InputError("a tag has more attributes than any tag has", code="attributes")


def _may_hold_long_tags(small: str) -> bool:
    """Whether there is a long way without `<`, or so many in attributes that there need not be."""
    if small.count('"<') + small.count("'<") > LONG_TAG // 16:
        return True
    return len(max(small.split("<"), key=len)) > LONG_TAG // 4
