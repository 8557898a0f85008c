"""The role of a layout: it knows pages of its kind, and finds the posts in them.

A layout finds where posts are and whose; what they say, quote and point at is read in one place for
all (`crawl.posts`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from tutela.crawl.tree import Node, Tree
from tutela.observation.model import Author, Layout

MAX_POSTS = 2_000


class Page(NamedTuple):
    """What layouts are given.

    Attributes:
        url: Of the page.
        tree: The page; for plain text a tree of one `pre`.
        plain: It came as plain text.
    """

    url: str
    tree: Tree
    plain: bool = False


class Finding(NamedTuple):
    """How sure a layout is that a page is of its kind, 0 to 1, and why."""

    confidence: float
    why: tuple[str, ...] = ()


@dataclass
class Found:
    """A post as a layout found it.

    Attributes:
        key: What the page calls it, empty where it does not.
        container: All of it; None where it is text only.
        body: What its author wrote.
        parts: Elements outside the body that hold what was posted with it, such as files.
        without: Elements in the body that are not its words (signatures, notes of edits).
        author: Whose it is.
        timed: The element that says when; read once it is known what time the page keeps.
        posted_at: When, where no element says so.
        text: Its words, where there is no body.
        parent: Key of the post under which it hangs.
        thanked_by: Who thanked for it.
        views: How often it was seen.
        edited: The page says that it was changed later.
    """

    key: str = ""
    container: Node | None = None
    body: Node | None = None
    parts: tuple[Node, ...] = ()
    without: frozenset[Node] = frozenset()
    author: Author | None = None
    timed: Node | None = None
    posted_at: datetime | None = None
    text: str = ""
    parent: str = ""
    thanked_by: tuple[str, ...] = ()
    views: int | None = None
    edited: bool = False


@dataclass
class Posts:
    """What a layout found in a page."""

    found: list[Found] = field(default_factory=list)
    thread: str = ""
    thread_title: str = ""
    greentext: bool = False  # a line behind `>` is a quote only where it repeats a post
    more: bool = False  # there were more posts than are read


class PageLayout(Protocol):
    """A layout: one object each, without state."""

    kind: Layout

    def recognise(self, page: Page) -> Finding:
        """Say how sure it is that the page is of its kind; cheap, and never raises."""
        ...

    def read(self, page: Page) -> Posts:
        """Find the posts of a page that it recognised."""
        ...
