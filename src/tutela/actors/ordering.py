"""From the pure ranking to what is kept of it: places with their ranges, explanations, links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, Final, NamedTuple

import msgspec

from tutela.actors.evidence import collect
from tutela.actors.link import links
from tutela.actors.linking import Suggestion
from tutela.actors.model import Abstention, Lead, Link, Observed, Reason, Tier
from tutela.actors.rank import Pair, rank
from tutela.actors.sensitivity import Sensitivity, sensitivity
from tutela.actors.weighing import Weights

MOST_LINKS: Final = 20_000
CHECK: Final = "check"
# What may be said of accounts that are left out: who knows more must not be found out by it.
_SAID: Final = {Reason.TOO_LITTLE: "too_little", Reason.SAFEGUARDING: "safeguarding"}


class Placed(NamedTuple):
    """A ranked account or group; `lower` is what ranked it."""

    accounts: tuple[int, ...]
    place: int
    score: float
    lower: float
    best_place: int
    worst_place: int
    explanation: dict[str, Any]


class Order(NamedTuple):
    """All that is ranked, how many accounts are withheld by reason, and links between accounts."""

    placed: list[Placed]
    withheld: Counter[str]
    links: list[Suggestion]


def order(observed: Observed, weights: Weights, undone: Collection[Pair]) -> Order:
    """Rank, and say how each place would change if some of what is known were not."""
    made = rank(observed, weights, undone=undone)
    accounts = tuple(account for lead in made.leads for account in lead.accounts)
    moved = sensitivity(observed, weights, accounts, undone=undone)
    withheld: Counter[str] = Counter()
    for one in made.abstained:
        withheld[said(one)] += len(one.accounts)
    return Order(
        [_placed(lead, moved[lead.accounts[0]], len(made.leads) + 1) for lead in made.leads],
        withheld,
        [_suggestion(one) for one in links(collect(observed), weights)[:MOST_LINKS]],
    )


def place(
    observed: Observed, weights: Weights, undone: Collection[Pair], account: int
) -> int | None:
    """Return the place of an account in a ranking of this, None for none."""
    found = rank(observed, weights, undone=undone).leads
    return next((lead.rank for lead in found if account in lead.accounts), None)


def said(one: Abstention) -> str:
    """Return the reason of an abstention, as far as it may be told."""
    return _SAID.get(one.reason, CHECK)


def _placed(lead: Lead, moved: Sensitivity, out: int) -> Placed:
    """Return where a lead stands; `out` is the place of what is no lead any more."""
    score = lead.score
    return Placed(
        lead.accounts,
        lead.rank,
        score.total,
        score.ranked,
        moved.best or lead.rank,
        moved.worst or out,
        {
            "score": {
                "material": score.material,
                "bound": score.lower,
                "worst_window": score.worst,
                "context": score.context,
            },
            "terms": msgspec.to_builtins(score.terms),
            "counter": msgspec.to_builtins(lead.counter),
            "sensitivity": [{"without": one.what, "place": one.rank} for one in moved.varied],
        },
    )


def _suggestion(link: Link) -> Suggestion:
    tier = Tier.A if link.merges else Tier.B if link.links else Tier.C
    return Suggestion(
        one_id=link.first,
        other_id=link.second,
        tier=tier.value,
        weight=link.bits,
        evidence=tuple(msgspec.to_builtins(one) for one in link.evidence),
    )
