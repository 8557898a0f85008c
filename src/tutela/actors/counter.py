"""What speaks against a lead, shown beside it, with its posts."""

from __future__ import annotations

from collections.abc import Sequence

from tutela.actors.evidence import Evidence
from tutela.actors.model import CounterEvidence, CounterKind, Score
from tutela.actors.score import Thing
from tutela.actors.weighing import Weights

# From these parts on it is worth a sentence.
MANY_LIKE = 0.25
FEW_LEFT = 0.6
FEW_FIRST = 0.35
NOTHING_PRIVATE = (
    "private messages and closed areas were not seen: who is active only there is missing here, "
    "and so is what this account did there"
)


def counter_evidence(
    evidence: Evidence, scored: Score, found: Sequence[Thing], weights: Weights
) -> tuple[CounterEvidence, ...]:
    """Return all that speaks against a lead, or weakens it; never empty."""
    parts = (
        _sources(found),
        _differ(found),
        _likeness(found),
        _burst(scored, weights),
        _first(found),
        _own_made(found),
        _unsure(evidence, scored.accounts),
        _views(found),
    )
    last = CounterEvidence(CounterKind.PRIVATE_UNSEEN, NOTHING_PRIVATE)
    return (*(part for part in parts if part is not None), last)


def _posts(found: Sequence[Thing]) -> tuple[int, ...]:
    return tuple(sorted({post for thing in found for post in thing.posts}))


def _sources(found: Sequence[Thing]) -> CounterEvidence | None:
    alone = [thing for thing in found if len(thing.sources) == 1]
    sources = {source for thing in alone for source in thing.sources}
    if len(alone) < len(found) or len(sources) > 1:
        return None
    sentence = f"all {len(found)} known things are on one list only, {min(sources)}"
    return CounterEvidence(CounterKind.ONE_SOURCE, sentence, _posts(found), 1.0)


def _differ(found: Sequence[Thing]) -> CounterEvidence | None:
    differ = [thing for thing in found if len(thing.severities) > 1]
    if not differ:
        return None
    sentence = f"lists differ about how severe {len(differ)} of {len(found)} things are"
    part = len(differ) / len(found)
    return CounterEvidence(CounterKind.SOURCES_DIFFER, sentence, _posts(differ), part)


def _likeness(found: Sequence[Thing]) -> CounterEvidence | None:
    like = [thing for thing in found if not thing.exact]
    if len(like) < MANY_LIKE * len(found):
        return None
    sentence = f"{len(like)} of {len(found)} things are known by likeness only"
    part = len(like) / len(found)
    return CounterEvidence(CounterKind.PERCEPTUAL_ONLY, sentence, _posts(like), part)


def _burst(scored: Score, weights: Weights) -> CounterEvidence | None:
    left = scored.worst / scored.lower if scored.lower else 0.0
    if left > FEW_LEFT:
        return None
    sentence = (
        f"without its strongest {weights.bound.burst_days} days, {left:.0%} of the bound is left"
    )
    return CounterEvidence(CounterKind.ONE_BURST, sentence, value=left)


def _first(found: Sequence[Thing]) -> CounterEvidence | None:
    first = sum(thing.first for thing in found)
    if first > FEW_FIRST * len(found):
        return None
    sentence = f"first with {first} of {len(found)} things: the others were there before"
    later = [thing for thing in found if not thing.first]
    part = first / len(found)
    return CounterEvidence(CounterKind.NEVER_FIRST, sentence, _posts(later), part)


def _own_made(found: Sequence[Thing]) -> CounterEvidence | None:
    own = [thing for thing in found if thing.self_generated]
    if not own:
        return None
    sentence = f"{len(own)} of {len(found)} things are self-generated: it may be a child's account"
    part = len(own) / len(found)
    return CounterEvidence(CounterKind.SELF_GENERATED, sentence, _posts(own), part)


def _unsure(evidence: Evidence, accounts: Sequence[int]) -> CounterEvidence | None:
    posts = sorted({post for account in accounts for post in evidence.unsure.get(account, ())})
    if not posts:
        return None
    sentence = f"known things in {len(posts)} further posts may be quotes, and count nothing"
    return CounterEvidence(CounterKind.UNSURE_CREDIT, sentence, tuple(posts), float(len(posts)))


def _views(found: Sequence[Thing]) -> CounterEvidence | None:
    assumed = [thing for thing in found if thing.factors[-1][0] != "views"]
    if not assumed:
        return None
    sentence = f"the site shows no views of {len(assumed)} things: the usual number is assumed"
    part = len(assumed) / len(found)
    return CounterEvidence(CounterKind.VIEWS_ASSUMED, sentence, _posts(assumed), part)
