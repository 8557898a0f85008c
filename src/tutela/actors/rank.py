"""Rank accounts: whom a person should look at first. It orders work; it concludes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tutela.actors.abstain import abstain
from tutela.actors.counter import counter_evidence
from tutela.actors.evidence import Evidence, collect
from tutela.actors.link import merging
from tutela.actors.model import Abstention, Lead, Link, Observed, Ranking, Score
from tutela.actors.score import Thing, score, things
from tutela.actors.weighing import Weights

Pair = tuple[int, int]


def rank(observed: Observed, weights: Weights, *, undone: Collection[Pair] = ()) -> Ranking:
    """Return all leads in order, and everybody with a known thing of their own who is none.

    `undone` are pairs that a person took apart again: their link merges no more. The same for the
    same values, in whatever order accounts and posts come.
    """
    evidence = collect(observed)
    apart = {(min(pair), max(pair)) for pair in undone}
    merged = tuple(
        link for link in merging(evidence, weights) if (link.first, link.second) not in apart
    )
    kept: list[tuple[Score, list[Thing]]] = []
    abstained: list[Abstention] = []
    for accounts in groups(evidence, merged):
        found = things(evidence, accounts, weights)
        scored = score(evidence, accounts, weights, found)
        withheld = abstain(evidence, accounts, weights, found, scored)
        if withheld is None:
            kept.append((scored, found))
        else:
            abstained.append(withheld)
    kept.sort(key=lambda each: (-each[0].ranked, min(each[0].accounts)))
    return Ranking(
        weights=weights.version,
        until=observed.until,
        leads=tuple(
            Lead(
                rank=place,
                score=scored,
                counter=counter_evidence(evidence, scored, found, weights),
            )
            for place, (scored, found) in enumerate(kept, 1)
        ),
        abstained=tuple(abstained),
        merged=merged,
    )


def groups(evidence: Evidence, merged: Iterable[Link]) -> list[tuple[int, ...]]:
    """Return the accounts that stand together, of each group with a known thing of its own."""
    parent = {account: account for account in evidence.accounts}

    def root(account: int) -> int:
        while parent[account] != account:
            parent[account] = parent[parent[account]]
            account = parent[account]
        return account

    for link in merged:
        one, other = sorted((root(link.first), root(link.second)))
        parent[other] = one
    together: dict[int, list[int]] = {}
    for account in sorted(evidence.accounts):
        together.setdefault(root(account), []).append(account)
    held = set(evidence.candidates())
    return [tuple(each) for each in together.values() if held.intersection(each)]
