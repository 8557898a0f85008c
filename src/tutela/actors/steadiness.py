"""How far places hold when some of what is known is taken away: a list, a link, 30 % of the posts.

A place that only one list or one link holds up is a weak one, and is shown as the range that it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import msgspec

from tutela.actors.model import Observed, Ranking
from tutela.actors.rank import rank
from tutela.actors.weighing import Weights

PART_DROPPED: Final = 0.3
DRAWS: Final = 3
MOST_SOURCES: Final = 12
MOST_LINKS: Final = 12

Pair = tuple[int, int]


class Tried(NamedTuple):
    """Without what, and the place then; None where it is no lead any more."""

    without: str
    place: int | None


class Range(NamedTuple):
    """The best and the worst place of a lead, and what was tried."""

    best: int
    worst: int
    tried: tuple[Tried, ...]


def ranges(
    observed: Observed, weights: Weights, made: Ranking, undone: Collection[Pair]
) -> dict[int, Range]:
    """Return the range of each lead by its rank. The same for the same values."""
    tried: dict[int, list[Tried]] = {lead.rank: [] for lead in made.leads}
    for without, less, apart in _less(observed, made, undone):
        places = {
            account: lead.rank
            for lead in rank(less, weights, undone=apart).leads
            for account in lead.accounts
        }
        for lead in made.leads:
            found = [places[account] for account in lead.accounts if account in places]
            tried[lead.rank].append(Tried(without, min(found, default=None)))
    out = len(made.leads) + 1
    found_ranges = {}
    for place, some in tried.items():
        then = [place, *(out if one.place is None else one.place for one in some)]
        found_ranges[place] = Range(min(then), max(then), tuple(some))
    return found_ranges


def _less(
    observed: Observed, made: Ranking, undone: Collection[Pair]
) -> Iterator[tuple[str, Observed, Collection[Pair]]]:
    """Yield what is taken away, and what is left."""
    sources = sorted({one.source for some in observed.known.values() for one in some})
    for source in sources[:MOST_SOURCES] if len(sources) > 1 else ():
        known = {
            media: tuple(one for one in some if one.source != source)
            for media, some in observed.known.items()
        }
        yield f"list {source}", msgspec.structs.replace(observed, known=known), undone
    for link in made.merged[:MOST_LINKS]:
        pair = link.first, link.second
        yield f"link {pair[0]}-{pair[1]}", observed, {*undone, pair}
    for draw in range(1, DRAWS + 1):
        posts = tuple(one for one in observed.posts if not _dropped(one.id, draw))
        yield f"posts {draw}", msgspec.structs.replace(observed, posts=posts), undone


def _dropped(post: int, draw: int) -> bool:
    digest = hashlib.blake2b(f"{draw} {post}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) < PART_DROPPED * (1 << 32)
