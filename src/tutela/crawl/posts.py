"""From posts as a layout found them to posts as observed: who said, quoted and gave what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from tutela.crawl import quoting
from tutela.crawl.addressing import Resolver
from tutela.crawl.content import Content, Pointer, media_of, tidied
from tutela.crawl.entities.finding import Names
from tutela.crawl.events import Matcher, events
from tutela.crawl.layouts.layout import Found, Posts
from tutela.crawl.times import Clock
from tutela.crawl.tree import Tree
from tutela.observation.model import (
    Author,
    EntitySeen,
    EventKind,
    EventSeen,
    MediaRole,
    MediaSeen,
    PostSeen,
)

_MAX_KEYS = 100  # posts answered by one
_LEAST_REPEATED = 4  # characters: a shorter line behind `>` is nobody's


class Drafted(NamedTuple):
    """A post whose content was gathered: its own words and those of others are apart."""

    found: Found
    key: str
    content: Content
    own: quoting.Split
    media: tuple[MediaSeen, ...]


def drafts(posts: Posts, resolver: Resolver, tree: Tree, clock: Clock) -> list[Drafted]:
    """Gather what each post holds, and read its time by the clock of the page."""
    repeated = _Repeated() if posts.greentext else None
    drafted = []
    keys: set[str] = set()
    for found in posts.found:
        if found.timed is not None:
            found.posted_at = clock.of(found.timed)
        content = _gathered(found, resolver, tree)
        text = content.text  # tidied later: the places of pointers count in it
        split = quoting.split(text, None if repeated is None else repeated.holds)
        if repeated is not None:
            repeated.add(text)
        key = _unique(found.key or _digest(found, text), keys)
        drafted.append(Drafted(found, key, content, split, _media(content, split)))
    return drafted


def _gathered(found: Found, resolver: Resolver, tree: Tree) -> Content:
    content = Content(resolver)
    if found.body is None:
        content.say(found.text)
        return content
    content.gather(found.body, found.without)
    written = len(content.media)
    for part in found.parts:
        content.attach(part)
    del content.media[written + 200 :]
    if found.container is not None and found.container is not found.body:
        for node in tree.inside(found.container, "<img"):
            if not found.body.holds(node) and not any(p.holds(node) for p in found.parts):
                url = resolver.absolute(node.get("src") or node.get("data-src"))
                if url:
                    content.media.append(Pointer(0, url, MediaRole.AVATAR))
    return content


def _media(content: Content, split: quoting.Split) -> tuple[MediaSeen, ...]:
    if not content.media:
        return ()
    if not split.ranges:
        return media_of(content.media)
    return media_of(
        [
            Pointer(m.place, m.value, MediaRole.QUOTED)
            if m.role is not MediaRole.AVATAR and split.quoted(m.place)
            else m
            for m in content.media
        ]
    )


class _Repeated:
    """What the posts so far said, for lines behind `>` that repeat it."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def add(self, text: str) -> None:
        self._said.append(" ".join(text.casefold().split()))

    def holds(self, line: str) -> bool:
        wanted = " ".join(line.casefold().split())
        if len(wanted) < _LEAST_REPEATED:
            return False
        return any(wanted in said for said in self._said)


def _unique(key: str, keys: set[str]) -> str:
    """Return a key that no earlier post has: a forged double does not take its place."""
    wanted, number = key, 1
    while wanted in keys:
        number += 1
        wanted = f"{key}~{number}"
    keys.add(wanted)
    return wanted


def _digest(found: Found, text: str) -> str:
    """Return a key for a post without one: the same post on another page has the same."""
    author = found.author.handle if found.author is not None else ""
    told = f"{author}\0{found.posted_at}\0{text}"
    return "x" + hashlib.blake2b(told.encode("utf-8", "replace"), digest_size=8).hexdigest()


def seen(drafted: list[Drafted], names: Names, found: Matcher, host: str) -> Iterable[PostSeen]:
    """Yield the posts of a page, each followed by thanks that the site shows for it."""
    for draft in drafted:
        post = _seen(draft, names, found, host)
        yield post
        for number, handle in enumerate(draft.found.thanked_by, 1):
            # The site, and no member, says who thanked: an event of theirs, which has no words.
            yield PostSeen(
                key=f"{post.key}/thanks/{number}",
                author=Author(handle),
                replies_to=(post.key,),
                events=(EventSeen(EventKind.THANKS, post.key, "structure: list of thanks"),),
            )


def _seen(draft: Drafted, names: Names, found: Matcher, host: str) -> PostSeen:
    content, split = draft.content, draft.own
    text = tidied(split.own)
    quotes = (*content.quotes, *map(tidied, split.quotes))
    links = tuple(dict.fromkeys(p.value for p in content.links if not split.quoted(p.place)))
    replies = _replies(draft)
    author = draft.found.author
    return PostSeen(
        key=draft.key,
        author=author,
        posted_at=draft.found.posted_at,
        text=text,
        quotes=quotes,
        replies_to=tuple(key for key, _ in replies),
        links=links,
        media=draft.media,
        entities=_entities(text, quotes, links, names, author),
        events=events(
            text, host=host, replies=replies, links=links, media=draft.media, found=found
        ),
        views=draft.found.views,
    )


def _replies(draft: Drafted) -> tuple[tuple[str, str], ...]:
    keys = dict.fromkeys(draft.content.answers[:_MAX_KEYS], "reference to a post")
    if draft.found.parent:
        keys.setdefault(draft.found.parent, "hangs under a post")
    keys.pop(draft.key, None)
    return tuple(keys.items())


def _entities(
    text: str, quotes: tuple[str, ...], links: tuple[str, ...], names: Names, author: Author | None
) -> tuple[EntitySeen, ...]:
    handle = author.handle if author is not None else ""
    told = "\n".join([text, *(url for url in links if "t.me/" in url or "telegram." in url)])
    own = list(names.find(told, quoted=False, author=handle))
    if not quotes:
        return tuple(own)
    known = {(entity.kind, entity.value) for entity in own}
    others = names.find("\n".join(quotes), quoted=True)
    return (*own, *(entity for entity in others if (entity.kind, entity.value) not in known))
