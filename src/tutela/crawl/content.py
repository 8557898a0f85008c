"""What a part of a page says and points at, with what it quotes kept apart."""

from __future__ import annotations

import re
from collections.abc import Container as Names
from typing import NamedTuple

from tutela.core.errors import InputError
from tutela.crawl import quoting, urls
from tutela.crawl.addressing import Resolver, looks_like_media
from tutela.crawl.tree import Node
from tutela.observation.model import MediaRole, MediaSeen

TEXT_CHARACTERS = 100_000  # of one post
MAX_POINTERS = 500  # links and media of one post

_BLOCKS = frozenset(
    [
        "p",
        "div",
        "li",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "tr",
        "table",
        "section",
        "article",
        "header",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "hr",
        "form",
        "blockquote",
        "fieldset",
        "figure",
        "address",
        "details",
        "summary",
        "textarea",
    ]
)
_MEDIA_TAGS = frozenset(["img", "video", "audio", "source", "embed", "iframe", "frame", "input"])
_SPACES = re.compile(r"\s+")
_BLANKS = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+\n")
_ANSWERED = re.compile(
    r"#(?:p|q|pc|post|post[-_]|msg|pid|reply[-_]|message-)?(\d{1,15})$", re.IGNORECASE
)
_REFERRED = re.compile(r"(?:^|(?:post|pid|p|message)[=:_ -]{0,2})(\d{1,15})(?!\d)", re.IGNORECASE)
_STYLE_URL = re.compile(r"url\(\s*['\"]?([^'\")\s]{1,2000})", re.IGNORECASE)
# Addresses that are no place on the web but name somebody.
_NAMING = ("mailto:", "xmpp:", "bitcoin:", "litecoin:", "ethereum:", "monero:", "tg:", "tox:")


class Pointer(NamedTuple):
    """Something that a text points at, and at which place of it."""

    place: int
    value: str
    role: MediaRole | None = None


class Content:
    """What was gathered of one part of a page.

    Attributes:
        text: In lines; quotes by elements are left out.
        quotes: What those quotes say.
        links: Addresses given.
        media: Pictures and films, with the role each has.
        answers: Keys of posts that it refers to.
        hidden: Links and media that a browser does not show: nobody is credited with them.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._parts: list[str] = []
        self._length = 0
        self._fresh = True  # the text is at the beginning of a line
        self.quotes: list[str] = []
        self.links: list[Pointer] = []
        self.media: list[Pointer] = []
        self.answers: list[str] = []
        self.hidden: list[Pointer] = []
        self.cut = False

    @property
    def text(self) -> str:
        """Return what was gathered; places of pointers count in it."""
        return "".join(self._parts)

    def gather(self, node: Node, without: Names[Node] = frozenset()) -> None:
        """Take in what an element holds; elements of `without` are passed over."""
        self._inner(node, without, pre=node.tag in {"pre", "textarea"})

    def say(self, text: str) -> None:
        """Take in words that come without elements."""
        if text:
            self._add(text)

    def attach(self, node: Node) -> None:
        """Take in media and links of an element, and none of its words."""
        inner = Content(self._resolver)
        inner._element(node, frozenset(), pre=False)
        self.media += [p._replace(place=0) for p in inner.media if p.role is not MediaRole.QUOTED]
        self.hidden += inner.hidden

    def _inner(self, node: Node, without: Names[Node], *, pre: bool) -> None:
        for child in node.children:
            if isinstance(child, str):
                self._say(child, pre=pre)
            elif child.hidden:
                self._hide(child)
            elif child not in without:
                self._element(child, without, pre=pre)

    def _element(self, node: Node, without: Names[Node], *, pre: bool) -> None:
        tag = node.tag
        if tag == "br":
            self._add("\n")
            return
        if tag == "a":
            self._anchor(node)
        elif tag in _MEDIA_TAGS:
            self._media(node, MediaRole.POSTED)
        elif quoting.is_quote(node):
            self._quote(node)
            return
        style = node.attributes.get("style")
        if style and "url(" in style:
            for found in _STYLE_URL.findall(style[:4_000]):
                self._point(self.media, self._resolver.absolute(found), MediaRole.POSTED)
        block = tag in _BLOCKS
        if block:
            self._line()
        elif tag in {"td", "th"} and not self._fresh:
            self._add(" ")
        self._inner(node, without, pre=pre or tag in {"pre", "textarea"})
        if block:
            self._line()

    def _quote(self, node: Node) -> None:
        """Keep what a quote holds apart; that it answers a post is the author's doing."""
        inner = Content(self._resolver)
        inner._inner(node, frozenset(), pre=False)
        self._line()
        said = "\n".join([tidied(inner.text), *inner.quotes]).strip()
        if said and len(self.quotes) < MAX_POINTERS:
            self.quotes.append(said[:TEXT_CHARACTERS])
        for media in inner.media:
            self._point(self.media, media.value, MediaRole.QUOTED)
        self.hidden += inner.hidden
        self.answers += inner.answers[:1]
        for name in ("data-source", "data-post", "data-postid", "data-pid", "cite"):
            told = node.get(name)
            found = _REFERRED.search(told) or _ANSWERED.search(told) if told else None
            if found is not None:
                self.answers.append(found[1])
                break

    def _anchor(self, node: Node) -> None:
        href = node.attributes.get("href")
        if not href:
            return
        if ("#" in href or "quotelink" in node.classes) and len(self.answers) < MAX_POINTERS:
            answered = _ANSWERED.search(href)
            if answered is not None and _points_at_post(node):
                self.answers.append(answered[1])
                return
        if href.lower().startswith(_NAMING):
            named = href.partition("?")[0].partition(":")
            self._add(f" {href[:4] if named[0] == 'xmpp' else ''} {named[2][:200]} ")
            return
        url = self._resolver.absolute(href)
        if looks_like_media(url):
            shown = any(isinstance(child, Node) and child.tag == "img" for child in node.children)
            self._point(self.media, url, MediaRole.POSTED if shown else MediaRole.LINKED)
        else:
            self._point(self.links, url)

    def _media(self, node: Node, role: MediaRole) -> None:
        attributes = node.attributes
        if node.tag in {"iframe", "frame"}:
            self._point(self.links, self._resolver.absolute(attributes.get("src") or ""))
            return
        for name in ("src", "data-src", "data-original", "poster"):
            pointer = attributes.get(name)
            if pointer:
                self._point(self.media, self._resolver.absolute(pointer), role)
        several = attributes.get("srcset")
        if several:
            for one in several[:8_000].split(",")[:8]:
                self._point(self.media, self._resolver.absolute(one.split(" ")[0].strip()), role)

    def _hide(self, node: Node) -> None:
        """Keep links and media of what is not shown: they are looked at, but are nobody's."""
        inner = Content(self._resolver)
        node.hidden = False
        inner._element(node, frozenset(), pre=False)
        self.hidden += inner.links + inner.media + inner.hidden

    def _point(self, to: list[Pointer], url: str, role: MediaRole | None = None) -> None:
        if not url:
            return
        if len(to) >= MAX_POINTERS:
            self.cut = True
            return
        to.append(Pointer(self._length, url, role))

    # -- text --------------------------------------------------------------------------------

    def _say(self, text: str, *, pre: bool) -> None:
        if not pre:
            if "\n" in text or "  " in text or "\t" in text or "\r" in text:
                text = _SPACES.sub(" ", text)
            if self._fresh:
                text = text.lstrip(" ")
        if text:
            self._add(text)

    def _line(self) -> None:
        if not self._fresh:
            self._add("\n")

    def _add(self, text: str) -> None:
        if self._length >= TEXT_CHARACTERS:
            self.cut = True
            return
        text = text[: TEXT_CHARACTERS - self._length]
        self._parts.append(text)
        self._length += len(text)
        self._fresh = text[-1] == "\n"


def _points_at_post(node: Node) -> bool:
    """Whether an anchor is a reference to a post (`>>12`), and no mere link to a place."""
    if "quotelink" in node.classes or "highlightlink" in node.classes:
        return True
    if any(parent.tag == "cite" or quoting.is_quote(parent) for parent in node.above()):
        return True
    return node.words(12).startswith((">>", "@", "↑"))


def media_of(pointers: list[Pointer]) -> tuple[MediaSeen, ...]:
    """Return each media once, by the one form of its address, with the first role that it has."""
    seen: dict[str, MediaSeen] = {}
    for pointer in pointers:
        url = _one_form(pointer.value)
        seen.setdefault(url, MediaSeen(url, pointer.role or MediaRole.LINKED))
    return tuple(seen.values())


def _one_form(url: str) -> str:
    """Return the form by which a media is fetched and its places are found again."""
    try:
        return urls.canonical(url).url
    except InputError:  # it is never asked for
        return url


def tidied(text: str) -> str:
    """Return a text without spaces at the ends of its lines, and at most one empty line."""
    if " \n" in text or "\t\n" in text:
        text = _TRAILING.sub("\n", text)
    if "\n\n\n" in text:
        text = _BLANKS.sub("\n\n", text)
    return text.strip()
