"""Pastes: one text by nobody or by somebody, as it was pasted."""

from __future__ import annotations

import re

from tutela.crawl.layouts import grammar, threads
from tutela.crawl.layouts.layout import Finding, Found, Page, Posts
from tutela.crawl.tree import Node, Tree
from tutela.observation.model import Author, Layout

_HOLDERS = (
    "paste",
    "paste-content",
    "paste-body",
    "paste_content",
    "source",
    "code",
    "highlight",
    "hljs",
)
_AUTHORS = ("username", "author", "paste-author", "user", "poster")
_TIMES = ("<time", "date", "created", "paste-date", "posted")
_VIEWS = ("views", "visits", "hits", "paste-views")
_BY = re.compile(r"\b(?:by|from|posted by|author):?\s{1,3}([^\s,|·]{1,60})", re.IGNORECASE)
_NAME = re.compile(r"/([\w.-]{1,80})/?(?:[?#].*)?$")
_LEAST_CHARACTERS = 40
_AROUND_CHARACTERS = 20_000


class Paste:
    """A page that is one text."""

    kind = Layout.PASTE

    def recognise(self, page: Page) -> Finding:
        """Compare the longest block of text with all that the page says."""
        if page.plain:
            return Finding(0.7, ("plain text",))
        body = _body(page.tree)
        if body is None:
            return Finding(0.0)
        inside = _length(body)
        whole = _length(page.tree.root)
        if inside < _LEAST_CHARACTERS or inside * 2 < whole:
            return Finding(0.0)
        why = (f"{inside * 100 // max(whole, 1)} % of the text is one block",)
        return Finding(min(0.5 + 0.3 * inside / whole, 0.8), why)

    def read(self, page: Page) -> Posts:
        """Return the block as one post."""
        tree = page.tree
        body = tree.root if page.plain else _body(tree)
        if body is None:
            return Posts()
        named = _NAME.search(page.url.partition("://")[2])
        viewed = _outside(tree, _VIEWS, body)
        found = Found(
            key=named[1] if named is not None else "",
            container=body,
            body=body,
            author=None if page.plain else _author(tree, body),
            timed=_outside(tree, _TIMES, body),
            views=None if viewed is None else grammar.count_in(viewed.words(40)),
        )
        return Posts([found], threads.key_of(page.url), threads.title_of(tree, (), [found]))


def _body(tree: Tree) -> Node | None:
    """Return the block that says most: `pre` or `textarea`, or what pastes call theirs."""
    blocks = [*tree.tagged.get("textarea", [])[:20], *tree.tagged.get("pre", [])[:20]]
    for name in _HOLDERS:
        blocks += [
            n for n in tree.classed.get(name, [])[:5] if n.tag in {"div", "ol", "code", "td"}
        ]
    blocks = [block for block in blocks if not block.hidden]
    return max(blocks, key=_length, default=None)


def _length(node: Node) -> int:
    """Count the characters that an element shows."""
    total = 0
    waiting = [node]
    while waiting:
        for child in waiting.pop().children:
            if isinstance(child, str):
                total += len(child) if not child.isspace() else 0
            elif not child.hidden:
                waiting.append(child)
    return total


def _outside(tree: Tree, names: tuple[str, ...], body: Node) -> Node | None:
    for name in names:
        for node in tree.inside(tree.root, name)[:20]:
            if not body.holds(node) and not node.hidden and not node.holds(body):
                return node
    return None


def _author(tree: Tree, body: Node) -> Author | None:
    named = _outside(tree, _AUTHORS, body)
    if named is not None:
        handle = named.words(grammar.HANDLE_CHARACTERS).removeprefix("by ").strip()
        if handle:
            return Author(handle)
    for name in ("paste-info", "info", "meta", "details"):
        for node in tree.inside(tree.root, name)[:5]:
            told = None if body.holds(node) else _BY.search(node.words(_AROUND_CHARACTERS)[:1_000])
            if told is not None:
                return Author(told[1])
    return None
