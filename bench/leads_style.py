"""How well writing links two handles of one person, on real chit-chat, some without a partner.

As in the table that this is measured against: the conversations of each sender are split in two
handles; a third of the query handles have no partner among the candidates. `found` is the part of
partners that come first; a link is accepted above a threshold at which at most 1 % of the handles
without a partner are linked. The threshold is read on the same handles, as that table has it, and
once more on one half of them and tried on the other, which is what an agency would meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from measure import Figure
from tutela.actors import style
from world import corpus

SIZES = (500, 1_000, 2_000, 5_000, 10_000)
ROUNDS = 6
ALLOWED = 0.01
PEER = "earlier table"
# P@1, R@10, recall at 1 % false links, by characters a handle.
EARLIER = {
    500: (0.09, 0.29, 0.02),
    1_000: (0.21, 0.46, 0.01),
    2_000: (0.35, 0.73, 0.04),
    5_000: (0.81, 0.95, 0.23),
    10_000: (0.98, 1.0, 0.79),
}


@dataclass(frozen=True)
class Linked:
    """One round: the figures, with the threshold read on the same handles and on others."""

    first: float
    in_ten: float
    recall: float
    held_recall: float
    held_false: float
    candidates: int


def figures(*, quick: bool) -> list[Figure]:
    """Return the table."""
    found = []
    for size in SIZES[-1:] if quick else SIZES:
        rounds = [linked(size, seed) for seed in range(1 if quick else ROUNDS)]
        title = f"style, {size:,} characters, {rounds[0].candidates} candidates"
        theirs = EARLIER[size]
        values = (
            ("P@1", mean(r.first for r in rounds), theirs[0]),
            ("R@10", mean(r.in_ten for r in rounds), theirs[1]),
            ("recall at <= 1 % false links", mean(r.recall for r in rounds), theirs[2]),
        )
        found += [Figure(f"{title}: {what}", v, "", PEER, old) for what, v, old in values]
        found += [
            Figure(
                f"{title}: recall, threshold of others", mean(r.held_recall for r in rounds), ""
            ),
            Figure(
                f"{title}: false links, threshold of others",
                100 * mean(r.held_false for r in rounds),
                "% of handles",
            ),
        ]
    return found


def linked(size: int, seed: int) -> Linked:
    """Run one round at so many characters a handle."""
    rng = np.random.default_rng([31, seed])
    pairs = [pair for said in corpus.senders() if (pair := _split(said, size, rng)) is not None]
    rng.shuffle(pairs)
    partnered = len(pairs) - len(pairs) // 3
    table = style.vectors([one for one, _ in pairs] + [other for _, other in pairs[:partnered]])
    z = style.z_scores(table[: len(pairs)], table[len(pairs) :])
    own = z[np.arange(partnered), np.arange(partnered)]
    places = (z[:partnered] > own[:, None]).sum(axis=1)
    best = z.max(axis=1)
    right = best[:partnered][places == 0]
    alone = best[partnered:]
    held = [_held(best, places, partnered, side) for side in (0, 1)]
    return Linked(
        float((places == 0).mean()),
        float((places < 10).mean()),
        float((right > _threshold(alone)).sum() / partnered),
        mean(recall for recall, _ in held),
        mean(false for _, false in held),
        partnered,
    )


def _held(
    best: NDArray[np.float64], places: NDArray[np.int64], partnered: int, side: int
) -> tuple[float, float]:
    """Read the threshold on one half of the handles without a partner, and try the other."""
    alone = best[partnered:]
    threshold = _threshold(alone[side::2])
    tried = slice(1 - side, None, 2)
    hits = (best[:partnered][tried] > threshold) & (places[tried] == 0)
    return float(hits.mean()), float((alone[tried] > threshold).mean())


def _threshold(alone: NDArray[np.float64]) -> float:
    allowed = int(ALLOWED * len(alone))
    return float(np.sort(alone)[len(alone) - 1 - allowed])


def _split(
    said: tuple[corpus.Said, ...], size: int, rng: np.random.Generator
) -> tuple[str, str] | None:
    """Return the words of two handles, whole conversations in each, cut to one length."""
    by_conversation: dict[int, list[str]] = {}
    for each in said:
        by_conversation.setdefault(each.conversation, []).append(each.text)
    halves: tuple[list[str], list[str]] = ([], [])
    lengths = [0, 0]
    for number in rng.permutation(sorted(by_conversation)):
        text = "\n".join(by_conversation[int(number)])
        side = int(lengths[1] < lengths[0])
        halves[side].append(text)
        lengths[side] += len(text) + 1
    if min(lengths) <= size:
        return None
    return "\n".join(halves[0])[:size], "\n".join(halves[1])[:size]
