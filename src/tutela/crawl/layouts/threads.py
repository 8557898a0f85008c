"""Threads: what a site calls the thread of a page, and its title."""

from __future__ import annotations

import re
from urllib.parse import unquote

from tutela.crawl.layouts.layout import Found
from tutela.crawl.tree import Node, Tree

_KEYS = (
    re.compile(r"/([\w-]{1,20})/(?:res|thread)/(\d{1,15})"),
    re.compile(r"[?&;](?:t|tid|topic|thread|threadid|topic_id|showtopic)=(\d{1,15})"),
    re.compile(r"/(?:threads?|topics?)/(?:[^/?#]{0,200}[.-])?(\d{1,15})\b"),
    re.compile(r"showthread\.php\?(\d{1,15})"),
    re.compile(r"/t/(?:[^/?#]{1,200}/)?(\d{1,15})\b"),
    re.compile(r"/(?:thread|topic|viewthread)[-_/](\d{1,15})"),
)
_PAGING = re.compile(r"[?&;](?:page|start|st|p|offset|sid|s|PHPSESSID)=[^&;#]*|/page[-/]?\d+/?$|/$")
_SEPARATORS = re.compile(r"\s+(?:[|»•·\u2013\u2014]|::|-)\s+")


def key_of(url: str) -> str:
    """Return what tells the thread of a page apart within its site.

    Software that numbers threads tells it in the address; else the path does, without pages and
    sessions.
    """
    for pattern in _KEYS:
        found = pattern.search(url)
        if found is not None:
            return "/".join(found.groups())
    path = url.partition("://")[2].partition("/")[2].partition("#")[0]
    return unquote(_PAGING.sub("", path))[:200]


def title_of(tree: Tree, names: tuple[str, ...], found: list[Found]) -> str:
    """Return the title of a thread: a heading outside all posts, else the page's own title."""
    bodies = [post.body for post in found if post.body is not None]
    for name in (*names, "<h1", "<h2", "<h3"):
        for node in tree.inside(tree.root, name)[:5]:
            if not node.hidden and not any(body.holds(node) for body in bodies):
                words = node.words(300)
                if words:
                    return words
    return _SEPARATORS.split(tree.title(), maxsplit=1)[0]


def is_within(node: Node, nodes: list[Node]) -> bool:
    """Whether an element lies in one of these."""
    return any(other.holds(node) for other in nodes)
