"""Read one page: bytes in, what it shows out. Pure, the same for the same bytes, and bounded.

Whatever a page is, this returns what could be read of it, or raises `InputError`. It runs confined
(`crawl.reader`), where memory and time have hard limits too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tutela.core.errors import InputError
from tutela.crawl import decoding, tree
from tutela.crawl import posts as posting
from tutela.crawl.addressing import Resolver
from tutela.crawl.content import Content, media_of, tidied
from tutela.crawl.entities.finding import Names
from tutela.crawl.events import Terms, matcher
from tutela.crawl.layouts import views
from tutela.crawl.layouts.chat_log import ChatLog
from tutela.crawl.layouts.forum import Forum
from tutela.crawl.layouts.generic import Generic
from tutela.crawl.layouts.imageboard import Imageboard
from tutela.crawl.layouts.layout import Finding, Page, PageLayout, Posts
from tutela.crawl.layouts.paste import Paste
from tutela.crawl.times import Clock
from tutela.crawl.traps import simhash
from tutela.crawl.tree import Node, Tree
from tutela.observation.model import MediaRole, MediaSeen, PageSeen

MAX_LINKS = 5_000
MAX_MEDIA = 5_000
TITLE_CHARACTERS = 500
# Below this no layout is believed, and repeated structures are looked for.
_SURE = 0.4

LAYOUTS: tuple[PageLayout, ...] = (Imageboard(), Forum(), ChatLog(), Paste())
_GENERIC = Generic()
_PAGES = frozenset(
    ("", "text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml")
)
_REFRESH_URL = "url="


def read(
    body: bytes, url: str, content_type: str, terms: Terms, *, keys: Sequence[bytes] = ()
) -> PageSeen:
    """Read a page.

    Args:
        body: As it came, decompressed; what lies beyond 4 MiB is not read.
        url: Where it was fetched.
        content_type: The header, empty where there was none.
        terms: Words that the agency supplies.
        keys: OpenPGP certificates that signatures may be by, beside those on the page.

    Raises:
        InputError: code `not_a_page` (another type), `nesting`, `attributes` (made to keep a parser
            busy).
    """
    kind = decoding.media_type(content_type)
    if kind not in _PAGES:
        raise InputError("this type of content is no page", code="not_a_page")
    html, cut = decoding.decode(body, content_type)
    plain = kind == "text/plain"
    page = Page(url, _plain(html) if plain else _parsed(html), plain)
    try:
        return _Reading(page, cut=cut).seen(terms, keys)
    except RecursionError as error:
        raise InputError("a page nests deeper than any page does", code="nesting") from error
    finally:
        page.tree.release()


def _parsed(html: str) -> Tree:
    decoding.screen(html)
    return tree.parse(html)


def _plain(text: str) -> Tree:
    """Return a plain text as a page of one `pre`."""
    page = Tree()
    pre = Node("pre", {}, page.root, 1)
    pre.children.append(text)
    page.root.children.append(pre)
    page.tagged["pre"] = [pre]
    page.root.end = page.count = 1
    return page


class _Reading:
    """One page that is being read."""

    def __init__(self, page: Page, *, cut: bool) -> None:
        self._page = page
        self._truncated = set(page.tree.truncated)
        if cut:
            self._truncated.add("bytes")
        base = page.tree.tagged.get("base", [])
        self._resolver = Resolver(page.url, base[0].get("href") if base else "")

    def seen(self, terms: Terms, keys: Sequence[bytes]) -> PageSeen:
        page, resolver = self._page, self._resolver
        layout, finding = recognised(page)
        posts = layout.read(page)
        outside = self._outside(posts)
        outside_text = tidied(outside.text)
        drafted = posting.drafts(posts, resolver, page.tree, Clock(outside_text.lower()))
        texts = [outside_text]
        for draft in drafted:
            texts += [draft.content.text, *draft.content.quotes]
        names = Names([*texts, *self._naming_links()], keys)
        seen = tuple(posting.seen(drafted, names, matcher(terms), resolver.host))
        if posts.more:
            self._truncated.add("posts")
        if any(draft.content.cut for draft in drafted):
            self._truncated.add("text")
        return PageSeen(
            layout=layout.kind,
            confidence=round(finding.confidence, 3),
            why=finding.why,
            title=page.tree.title()[:TITLE_CHARACTERS],
            thread=posts.thread,
            thread_title=posts.thread_title[:TITLE_CHARACTERS],
            posts=seen,
            links=self._links(),
            media=self._media(outside, drafted),
            entities=tuple(names.find(outside_text, quoted=False)),
            views=views.of_thread(outside_text),
            text_hash=simhash(" ".join(texts)),
            truncated=tuple(sorted(self._truncated)),
        )

    def _outside(self, posts: Posts) -> Content:
        """Gather what stands in no post."""
        content = Content(self._resolver)
        taken = {post.container for post in posts.found if post.container is not None}
        if self._page.tree.root not in taken and any(not post.text for post in posts.found):
            content.gather(self._page.tree.root, taken)
        elif not posts.found:
            content.gather(self._page.tree.root)
        if content.cut:
            self._truncated.add("text")
        return content

    def _naming_links(self) -> Iterable[str]:
        """Return links that name an account and are no words of the page."""
        for anchor in self._page.tree.tagged.get("a", [])[: MAX_LINKS * 4]:
            href = anchor.attributes.get("href")
            if href and ("t.me/" in href or "telegram." in href):
                yield href[:200]

    def _links(self) -> tuple[str, ...]:
        """Return all addresses to follow, hidden ones too: nobody has to see them for that."""
        tagged, absolute = self._page.tree.tagged, self._resolver.absolute
        found: dict[str, None] = {}
        for tag, attribute in (
            ("a", "href"),
            ("area", "href"),
            ("iframe", "src"),
            ("frame", "src"),
        ):
            for node in tagged.get(tag, ()):
                pointer = node.attributes.get(attribute)
                if pointer and len(found) <= MAX_LINKS + 1:
                    found[absolute(pointer)] = None
        for node in tagged.get("link", ())[:200]:
            if node.get("rel").lower() in {"next", "prev", "canonical"}:
                found[absolute(node.get("href"))] = None
        for node in tagged.get("meta", ())[:200]:
            if node.get("http-equiv").lower() == "refresh":
                told = node.get("content")[:2_100]
                at = told.lower().find(_REFRESH_URL)
                if at >= 0:
                    found[absolute(told[at + len(_REFRESH_URL) :].strip("'\" "))] = None
        found.pop("", None)
        if len(found) > MAX_LINKS:
            self._truncated.add("links")
        return tuple(found)[:MAX_LINKS]

    def _media(self, outside: Content, drafted: Sequence[posting.Drafted]) -> tuple[MediaSeen, ...]:
        """Return media of no post; those that a post hides are nobody's, but are looked at."""
        hidden = [p for draft in drafted for p in draft.content.hidden if p.role is not None]
        of_posts = {media.url for draft in drafted for media in draft.media}
        unhidden = outside.media + [p for p in outside.hidden if p.role is not None]
        found = media_of(unhidden + [p._replace(role=MediaRole.LINKED) for p in hidden])
        found = tuple(media for media in found if media.url not in of_posts)
        if len(found) > MAX_MEDIA:
            self._truncated.add("media")
        return found[:MAX_MEDIA]


def recognised(page: Page) -> tuple[PageLayout, Finding]:
    """Return the layout that is surest of a page, and how sure it is."""
    best: tuple[PageLayout, Finding] = (_GENERIC, Finding(0.0))
    for layout in LAYOUTS:
        finding = layout.recognise(page)
        if finding.confidence > best[1].confidence:
            best = (layout, finding)
    if best[1].confidence >= _SURE:
        return best
    generic = _GENERIC.recognise(page)
    return (_GENERIC, generic) if generic.confidence > best[1].confidence else best


def encode(seen: PageSeen) -> bytes:
    """Return what a page shows as MessagePack."""
    return msgspec.msgpack.encode(seen)
