"""Imageboards: vichan and its kin, LynxChan, jschan and the one they all look like."""

from __future__ import annotations

from tutela.crawl.layouts import forum, grammar, threads
from tutela.crawl.layouts.grammar import Grammar
from tutela.crawl.layouts.layout import MAX_POSTS, Finding, Found, Page, Posts
from tutela.crawl.tree import Node
from tutela.observation.model import Layout

GRAMMARS = (
    Grammar(
        name="vichan",
        containers=("post",),
        container_id=("op_", "reply_"),
        bodies=("body",),
        authors=("name",),
        times=("<time", "date"),
        trips=("trip", "poster_id"),
        roles=("capcode",),
        files=("files", "file", "fileinfo"),
        edits=("edited",),
        titles=("subject",),
        marks=("post_no", "op"),
        sure=0.7,
    ),
    Grammar(
        name="LynxChan",
        containers=("opcell", "postcell"),
        bodies=("divmessage",),
        authors=("linkname", "labelname"),
        times=("labelcreated",),
        trips=("labelid", "labeltrip"),
        roles=("labelrole",),
        files=("paneluploads", "uploadcell"),
        edits=("labellastedit",),
        titles=("labelsubject",),
        marks=("innerop", "innerpost", "linkself"),
        sure=0.7,
    ),
    Grammar(
        name="4chan",
        containers=("postcontainer",),
        bodies=("postmessage",),
        authors=("name",),
        times=("datetime",),
        trips=("postertrip", "posteruid"),
        roles=("capcode",),
        files=("file",),
        titles=("subject",),
        marks=("nameblock", "postinfo"),
        sure=0.7,
    ),
    Grammar(
        name="jschan",
        containers=("post-container",),
        bodies=("post-message",),
        authors=("post-name",),
        times=("post-date", "<time"),
        trips=("post-tripcode", "user-id"),
        roles=("post-capcode",),
        files=("post-files",),
        edits=("edited",),
        titles=("post-subject",),
        marks=("post-info", "post-data"),
        sure=0.7,
    ),
)


class Imageboard:
    """Pages of imageboards."""

    kind = Layout.IMAGEBOARD

    def recognise(self, page: Page) -> Finding:
        """Take the grammar that fits best."""
        return forum.best_of(GRAMMARS, page)[1]

    def read(self, page: Page) -> Posts:
        """Find the posts by that grammar; the first of them has the title of the thread."""
        best = forum.best_of(GRAMMARS, page)[0]
        if best is None:
            return Posts()
        found = list(grammar.posts(best, page))
        for post in found:
            _take_files_beside(post)
        return Posts(
            found[:MAX_POSTS],
            thread=threads.key_of(page.url),
            thread_title=_title(page, best, found[0].container if found else None),
            greentext=True,
            more=len(found) > MAX_POSTS,
        )


def _take_files_beside(post: Found) -> None:
    """Give the first post of a thread its files, which vichan puts before it and not into it."""
    node = post.container
    if node is None or node.parent is None or "op" not in node.classes:
        return
    before = [n for n in node.parent.children if isinstance(n, Node) and n.begin < node.begin]
    if before and "files" in before[-1].classes:
        post.parts = (before[-1], *post.parts)


def _title(page: Page, best: Grammar, first: object) -> str:
    """Return the subject of the first post, else what the page is called."""
    for name in best.titles:
        for node in page.tree.inside(page.tree.root, name)[:1]:
            words = node.words(300)
            if words and first is not None:
                return words
    return page.tree.title()
