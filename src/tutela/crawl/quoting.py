"""What in a post is somebody else's: said by elements, by codes, or by lines.

A post is credited with nothing that it repeats. What cannot be told apart counts as quoted: to take
a word from its author does less harm than to give somebody a word that is not theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tutela.crawl.tree import Node

# As forum software and mail readers on the web call quotes and the lines above them.
_QUOTE_CLASSES = frozenset(
    [
        "quote",
        "quotebox",
        "quotetext",
        "quotetitle",
        "quotecontent",
        "quoteheader",
        "quotefooter",
        "quote_body",
        "quote-body",
        "quote-header",
        "quotation",
        "quoted",
        "blockquote",
        "bbcode_quote",
        "bbcode_quote_container",
        "bbcodequote",
        "bbc_standard_quote",
        "bbc_alternate_quote",
        "mycode_quote",
        "bbcodeblock--quote",
        "quotemain",
        "quotetop",
        "topic-quote",
        "quote-container",
        "gmail_quote",
        "moz-cite-prefix",
        "yahoo_quoted",
        "ipsquote",
        "citation",
    ]
)
_CODE = re.compile(r"\[(/?)quote\b[^\]\n]{0,200}\]", re.IGNORECASE)
_LINE = re.compile(r"^[ \t]{0,8}>(?!>>?\s?/?\w{0,10}/?\d)[^\n]*$", re.MULTILINE)
_MARKED = re.compile(r"^[ \t]{0,8}>", re.MULTILINE)
_WROTE = re.compile(
    r"^[ \t]*(?:(?:on|am|le) [^\n]{6,200}(?:wrote|schrieb|a écrit)[^\n]{0,80}:"
    r"|[^\n:]{1,80} (?:wrote|schrieb|said):)"
    r"[ \t]*$(?=\n\s{0,9}>)",
    re.MULTILINE | re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"^-{2,9} ?(?:original message|ursprüngliche nachricht|forwarded message) ?-{2,9}",
    re.MULTILINE | re.IGNORECASE,
)


class Split(NamedTuple):
    """A text without what it quotes, what it quotes, and where that stood."""

    own: str
    quotes: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]

    def quoted(self, place: int) -> bool:
        """Whether a place of the text lay in a quote."""
        return any(begin <= place < end for begin, end in self.ranges)


def is_quote(node: Node) -> bool:
    """Whether an element of a post holds what somebody else said.

    A `span` of class `quote` is what imageboards make of a line behind `>`: its words decide.
    """
    tag = node.tag
    if tag in {"blockquote", "q"}:
        return True
    if not node.classes or tag == "span":
        return False
    if not _QUOTE_CLASSES.isdisjoint(node.classes):
        return True
    # vBulletin 3 knows no class for quotes: a cell of this class in a post is one.
    return tag == "td" and "alt2" in node.classes


def split(text: str, repeats: Callable[[str], bool] | None = None) -> Split:
    """Take quotes by codes and by lines out of a text.

    Args:
        text: Of a post, in lines.
        repeats: Whether a line behind `>` repeats somebody; None where such lines always do.
    """
    ranges: list[tuple[int, int]] = []
    if "[" in text:
        ranges += _by_codes(text)
    if _MARKED.search(text):
        for line in _LINE.finditer(text):
            if repeats is None or repeats(line[0].lstrip(" \t>")):
                ranges.append(line.span())
        if ranges:
            ranges += [found.span() for found in _WROTE.finditer(text)]
    if "--" in text:
        original = _ORIGINAL.search(text)
        if original is not None:
            ranges.append((original.start(), len(text)))
    if not ranges:
        return Split(text, (), ())
    return _cut(text, ranges)


def _by_codes(text: str) -> list[tuple[int, int]]:
    """Return where `[quote]` ... `[/quote]` stand; one that is never closed goes to the end."""
    ranges: list[tuple[int, int]] = []
    depth = begin = 0
    for code in _CODE.finditer(text):
        if not code[1]:
            if depth == 0:
                begin = code.start()
            depth += 1
        elif depth > 0:
            depth -= 1
            if depth == 0:
                ranges.append((begin, code.end()))
    if depth > 0:
        ranges.append((begin, len(text)))
    return ranges


def _cut(text: str, ranges: list[tuple[int, int]]) -> Split:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        # Neighbouring lines are one quote.
        if merged and (begin <= merged[-1][1] or text[merged[-1][1] : begin].isspace()):
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    own: list[str] = []
    quotes: list[str] = []
    at = 0
    for begin, end in merged:
        own.append(text[at:begin])
        quotes.append(text[begin:end].strip())
        at = end
    own.append(text[at:])
    return Split("".join(own).strip(), tuple(quotes), tuple(merged))
