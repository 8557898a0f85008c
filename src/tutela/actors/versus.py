"""Why one account stands above another, by what was kept of both when they were ranked."""

from __future__ import annotations

import msgspec

from tutela.actors.explain import Comparison, why_above
from tutela.actors.model import CounterEvidence, Lead, Score, Term
from tutela.actors.ranking import RankedInfo


def versus(one: RankedInfo, other: RankedInfo) -> Comparison:
    """Return why the first stands above the second, or below: see `explain.why_above`."""
    return why_above(_lead(one), _lead(other))


def _lead(one: RankedInfo) -> Lead:
    kept = one.explanation["score"]
    return Lead(
        rank=one.place,
        score=Score(
            accounts=one.members,
            terms=msgspec.convert(one.explanation["terms"], tuple[Term, ...]),
            material=kept["material"],
            lower=kept["bound"],
            worst=kept["worst_window"],
            context=kept["context"],
            total=one.score,
            ranked=one.lower,
        ),
        counter=msgspec.convert(one.explanation["counter"], tuple[CounterEvidence, ...]),
    )
