"""The lead score of an account: known things, each once, and a capped context.

A thing (an entity of near duplicates) is worth

    severity x reliability of its lists x likeness x (1 + bonus if seen there first)
    x log(1 + views / unit)

once, however often it was posted. What is on no list counts nothing. What ranks is a lower bound:
the number and worth of the things that we happened to see is taken as one draw of a compound
Poisson sum, whose variance is estimated by the sum of the squared worths (Bohm and Zech, Statistics
of weighted Poisson events, NIM A 748, 2014); the bound is the one-sided normal one, by default of
84 %. It needs no more than the things themselves, it is 0 for an account with a single hit, and
one thing of great worth moves it less than several together. Mixed into it is the worst case: the
same bound after the best window of days (such as a burst by whoever took the account over) was
taken away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import log1p, prod, sqrt
from typing import NamedTuple

from tutela.actors.evidence import Evidence, Holding
from tutela.actors.model import Score, Term, TermKind
from tutela.actors.weighing import Weights

ADMINS = frozenset({"admin", "administrator", "owner"})


class Thing(NamedTuple):
    """A known thing of an account, valued; `at` is when the account first had it."""

    entity: str
    at: datetime
    points: float
    first: bool
    exact: bool
    self_generated: bool
    sources: frozenset[str]
    severities: frozenset[int]
    posts: tuple[int, ...]
    factors: tuple[tuple[str, float], ...]


def things(evidence: Evidence, accounts: Sequence[int], weights: Weights) -> list[Thing]:
    """Return the known things of accounts taken together, each once, in the order of time."""
    by_entity: dict[str, list[Holding]] = defaultdict(list)
    for account in accounts:
        for holding in evidence.holdings.get(account, ()):
            by_entity[holding.entity].append(holding)
    together = frozenset(accounts)
    found = [_thing(evidence, held, together, weights) for held in by_entity.values()]
    return sorted(found, key=lambda thing: (thing.at, thing.entity))


def _thing(
    evidence: Evidence, held: list[Holding], accounts: frozenset[int], weights: Weights
) -> Thing:
    rules = weights.material
    entity = held[0].entity
    entries = sorted({entry for holding in held for entry in holding.known}, key=repr)
    trusts = {entry.source: weights.trust(entry.source) for entry in entries}
    severity = sum(trusts[e.source] * e.severity for e in entries) / max(
        sum(trusts[e.source] for e in entries), 1e-9
    )
    exact = any(entry.exact for entry in entries)
    first = evidence.first(entity, accounts, timedelta(hours=rules.first_seen_ahead_hours))
    views = [holding.views for holding in held if holding.views is not None]
    reach = log1p(sum(views) / rules.reach_views)
    if not views:  # a site that shows none must neither hide nor lift anybody
        usual = evidence.usual_reach(rules.reach_views)
        reach = log1p(rules.assumed_views / rules.reach_views) if usual is None else usual
    factors = (
        ("severity", weights.severity_points(severity)),
        ("reliability", 1 - prod(1 - trust for trust in trusts.values())),
        ("likeness", 1.0 if exact else rules.perceptual),
        ("shown", rules.linked if all(holding.linked for holding in held) else 1.0),
        ("first seen", 1 + rules.first_seen_bonus if first else 1.0),
        ("views" if views else "views (assumed)", reach),
    )
    return Thing(
        entity,
        min(holding.at for holding in held),
        prod(value for _, value in factors),
        first,
        exact,
        any(entry.self_generated for entry in entries),
        frozenset(trusts),
        frozenset(entry.severity for entry in entries),
        tuple(sorted({holding.post for holding in held})),
        factors,
    )


def lower(points: Sequence[float], z: float) -> float:
    """Return the lower confidence bound of a sum of worths, never below 0."""
    return max(0.0, sum(points) - z * sqrt(sum(point * point for point in points)))


def worst(found: Sequence[Thing], weights: Weights) -> float:
    """Return the least bound that is left when any one window of days is taken away.

    A thing goes with the window in which the account first had it, also if it came again later.
    """
    window = timedelta(days=weights.bound.burst_days)
    total = sum(thing.points for thing in found)
    square = sum(thing.points**2 for thing in found)
    least = lower([thing.points for thing in found], weights.bound.z)
    end = 0
    gone = gone_square = 0.0
    for thing in found:
        while end < len(found) and found[end].at - thing.at <= window:
            gone += found[end].points
            gone_square += found[end].points ** 2
            end += 1
        left = total - gone - weights.bound.z * sqrt(max(square - gone_square, 0.0))
        least = min(least, max(left, 0.0))
        gone -= thing.points
        gone_square -= thing.points**2
    return least


def score(
    evidence: Evidence, accounts: Sequence[int], weights: Weights, found: Sequence[Thing]
) -> Score:
    """Return what accounts, taken together, come to; `found` are their `things`."""
    points = [thing.points for thing in found]
    bound = lower(points, weights.bound.z)
    least = worst(found, weights)
    part = weights.bound.worst_part
    base = part * least + (1 - part) * bound
    context = context_terms(evidence, accounts, weights, base)
    extra = sum(term.points for term in context)
    return Score(
        accounts=tuple(_strongest_first(accounts, found, evidence)),
        terms=(*sorted(map(_term, found), key=lambda t: (-t.points, t.about)), *context),
        material=sum(points),
        lower=bound,
        worst=least,
        context=extra,
        total=sum(points) + extra,
        ranked=base + extra,
    )


def _strongest_first(
    accounts: Sequence[int], found: Sequence[Thing], evidence: Evidence
) -> list[int]:
    worth = dict.fromkeys(accounts, 0.0)
    points = {thing.entity: thing.points for thing in found}
    for account in accounts:
        entities = {holding.entity for holding in evidence.holdings.get(account, ())}
        worth[account] = sum(points[entity] for entity in entities)
    return sorted(accounts, key=lambda account: (-worth[account], account))


def _term(thing: Thing) -> Term:
    return Term(
        kind=TermKind.EXACT if thing.exact else TermKind.PERCEPTUAL,
        about=thing.entity,
        points=thing.points,
        posts=thing.posts,
        factors=thing.factors,
    )


def context_terms(
    evidence: Evidence, accounts: Sequence[int], weights: Weights, base: float
) -> list[Term]:
    """Return the terms of the context; together never more than their cap of `base`."""
    rules = weights.context
    held = [h for account in accounts for h in evidence.holdings.get(account, ())]
    roles = {evidence.accounts[account].role.casefold() for account in accounts}
    sites: dict[int, int] = {}
    for holding in held:
        sites.setdefault(evidence.accounts[holding.account].site, holding.post)
    recent_from = evidence.observed.until - timedelta(days=rules.recent_days)
    recent = tuple(sorted({h.post for h in held if h.at >= recent_from}))
    marks = sum(max(0, evidence.observed.markers.get(account, 0)) for account in accounts)
    spread = rules.per_further_site * max(0, len(sites) - 1)
    parts = (
        (TermKind.ROLE, rules.admin_role if roles & ADMINS else 0.0, rules.admin_role, ()),
        (TermKind.SPREAD, spread, rules.spread_cap, tuple(sorted(sites.values()))),
        (TermKind.RECENCY, rules.recent if recent else 0.0, rules.recent, recent),
        (TermKind.MARKERS, rules.per_marker * marks, rules.markers_cap, ()),
    )
    terms = []
    room = rules.cap
    for kind, part, cap, posts in parts:
        given = min(part, cap, room)
        room -= given
        if part > 0:
            points = given * base
            about = kind.value
            terms.append(
                Term(kind=kind, about=about, points=points, posts=posts, capped=given < part)
            )
    return terms
