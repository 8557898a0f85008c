"""Mirrors: how alike two sites are, by what was read of them.

A sketch of a site holds no words: only hashes of its posts, its accounts and its titles. That one
is a mirror of the other is suggested, with the reasons; a person decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from tutela.crawl.traps import distance_bits, simhash
from tutela.observation import handles
from tutela.observation.model import PageSeen

# Of each set the smallest so many hashes are kept: the same ones of the same posts on every site.
MAX_HASHES = 4_096
# Fewer posts in common say nothing.
LEAST_POSTS = 5
MIRROR = 0.8

_LEAST_WORDS = 4  # "thanks" is said everywhere
_SHINGLE = 3
_MAX_SHINGLES = 4_000
_WORD = re.compile(r"\w+")
_BITS = 64
_ALIKE_BITS = 8


class Sketch(msgspec.Struct, frozen=True):
    """What tells a site from others.

    Attributes:
        posts: Hashes of author and words of posts.
        accounts: Hashes of handles.
        titles: Hashes of titles of threads.
        simhash: Of all texts, 64 bits; of one page it tells pages that only differ a little.
    """

    posts: frozenset[int] = frozenset()
    accounts: frozenset[int] = frozenset()
    titles: frozenset[int] = frozenset()
    simhash: int = 0


class Likeness(msgspec.Struct, frozen=True):
    """How alike two sites are, 0 to 1, and by what."""

    score: float
    reasons: tuple[str, ...]

    @property
    def mirror(self) -> bool:
        """Whether it is enough to suggest that one mirrors the other."""
        return self.score >= MIRROR


def sketch(pages: Iterable[PageSeen]) -> Sketch:
    """Return the sketch of pages of one site."""
    posts: set[int] = set()
    accounts: set[int] = set()
    titles: set[int] = set()
    texts: list[str] = []
    for page in pages:
        if page.thread_title:
            titles.add(_hash(page.thread_title.casefold()))
        for post in page.posts:
            author = handles.normal(post.author.handle) if post.author is not None else ""
            if author:
                accounts.add(_hash(author))
            words = _WORD.findall(post.text.casefold())
            if len(words) >= _LEAST_WORDS:
                posts.add(_hash(f"{author}\0{' '.join(words)}"))
                texts.append(post.text)
    return Sketch(_least(posts), _least(accounts), _least(titles), simhash("\n".join(texts)) or 0)


def joined(one: Sketch, other: Sketch) -> Sketch:
    """Return the sketch of more pages of one site; the simhash is the first that there is."""
    return Sketch(
        _least(one.posts | other.posts),
        _least(one.accounts | other.accounts),
        _least(one.titles | other.titles),
        one.simhash or other.simhash,
    )


def likeness(one: Sketch, other: Sketch) -> Likeness:
    """Say how alike two sites are.

    Posts decide: the share of the smaller site's posts that the other has too, since nobody has
    read all of either. Accounts and titles in common only support it: people use one name on
    many sites.
    """
    common = len(one.posts & other.posts)
    if common < LEAST_POSTS:
        return Likeness(0.0, (f"{common} posts in common: too few to say",))
    posts = _share(one.posts, other.posts)
    accounts = _share(one.accounts, other.accounts)
    titles = _share(one.titles, other.titles)
    reasons = [
        f"{common} posts in common: {posts:.0%} of the smaller site",
        f"{accounts:.0%} of its accounts",
        f"{titles:.0%} of its titles",
    ]
    score = 0.8 * posts + 0.15 * accounts + 0.05 * titles
    if one.simhash and other.simhash:
        bits = distance_bits(one.simhash, other.simhash)
        if bits <= _ALIKE_BITS:
            reasons.append(f"texts differ in {bits} of {_BITS} bits")
    return Likeness(round(score, 3), tuple(reasons))


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _least(hashes: Iterable[int]) -> frozenset[int]:
    return frozenset(sorted(hashes)[:MAX_HASHES])


def _share(one: frozenset[int], other: frozenset[int]) -> float:
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0
