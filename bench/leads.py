"""Leads on generated worlds with planted truth, beside simpler rankers; and what style can link.

The figures come from the FINAL parameters; work on the ranker used OPEN only. A lead takes one
place and is worth what its strongest account is worth (`leads_world.gains`): merging earns nothing.
The ideal is the best list of single accounts. `innocent` counts leads of which any account belongs
to somebody who did nothing a lead is for. Peers rank in the same worlds; they abstain from nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import mean

import leads_style
import leads_world
from leads_peers import PEERS
from measure import Figure, Options
from tutela.actors import weighing
from tutela.actors.rank import rank
from world.making import make
from world.parameters import OPEN, Parameters, final

SEEDS = 20
PROCESSES = 2
FIRST = 30
HALF = 0.5
OURS = "ours"
GOAL_NDCG = 0.85
GOAL_HALF = 0.01


@dataclass(frozen=True)
class Outcome:
    """What one ranker did in one world; `innocent` counts among the first 30, `long` among all."""

    ndcg: float
    ndcg_accounts: float
    precision: float
    leads: int
    innocent: int
    all_leads: int
    all_innocent: int


def run(options: Options) -> list[Figure]:
    """Measure rankers, then style."""
    parameters = OPEN if options.quick else final()
    seeds = range(2 if options.quick else SEEDS)
    with get_context("spawn").Pool(PROCESSES) as pool:
        worlds = pool.starmap(one_world, [(parameters, seed) for seed in seeds], chunksize=1)
    figures = []
    for unseen in (0.0, HALF):
        by_ranker: dict[str, list[Outcome]] = defaultdict(list)
        for outcomes in worlds:
            for (name, part), outcome in outcomes.items():
                if part == unseen:
                    by_ranker[name].append(outcome)
        figures += _figures(by_ranker, unseen, len(seeds))
    return figures + leads_style.figures(quick=options.quick)


def one_world(parameters: Parameters, seed: int) -> dict[tuple[str, float], Outcome]:
    """Return what each ranker did in the world of a seed, all posts seen and half of them."""
    world = make(parameters, seed)
    worth = leads_world.gains(world)
    innocent = world.truth.innocent
    found = {}
    for unseen in (0.0, HALF):
        seen = leads_world.observed(world, unseen, seed)
        leads = [lead.accounts for lead in rank(seen, weighing.load()).leads]
        found[OURS, unseen] = _outcome(leads, worth, innocent)
        for name, peer in PEERS.items():
            found[name, unseen] = _outcome(peer(seen), worth, innocent)
    return found


def _outcome(
    leads: Sequence[Sequence[int]], worth: dict[int, float], innocent: frozenset[int]
) -> Outcome:
    top = leads[:FIRST]
    strongest = [max(lead, key=lambda account: worth.get(account, 0.0)) for lead in top]
    return Outcome(
        leads_world.ndcg(strongest, worth),
        leads_world.ndcg(leads_world.flat(top), worth),
        leads_world.precision(strongest, worth),
        len(top),
        sum(bool(innocent.intersection(lead)) for lead in top),
        len(leads),
        sum(bool(innocent.intersection(lead)) for lead in leads),
    )


def _figures(by_ranker: dict[str, list[Outcome]], unseen: float, worlds: int) -> list[Figure]:
    where = "half of the posts unseen" if unseen else "all"
    ours = by_ranker.pop(OURS)
    figures = []
    for name, theirs in by_ranker.items():
        for what, value in (("nDCG@30", _ndcg), ("P@30", _precision), ("innocent", _innocent)):
            mine, other = value(ours), value(theirs)
            goal, holds = _goal(what, unseen, mine, name == next(iter(by_ranker)))
            unit = "% of leads" if what == "innocent" else ""
            title = f"{where}: {what}, {worlds} worlds"
            figures.append(Figure(title, mine, unit, name, other, goal=goal, holds=holds))
    figures += [
        Figure(f"{where}: nDCG@30, the worst world", min(each.ndcg for each in ours), ""),
        Figure(
            f"{where}: nDCG@30, each account of a lead takes a place",
            mean(each.ndcg_accounts for each in ours),
            "",
        ),
        Figure(f"{where}: leads in a world", mean(each.all_leads for each in ours), "leads"),
        Figure(
            f"{where}: innocent among all leads, not only the first 30",
            100 * sum(e.all_innocent for e in ours) / max(1, sum(e.all_leads for e in ours)),
            "% of leads",
        ),
    ]
    return figures


def _goal(what: str, unseen: float, mine: float, first: bool) -> tuple[str, bool | None]:  # noqa: FBT001 which row of a table
    if not first or what == "P@30" or (what == "nDCG@30" and unseen):
        return "", None
    if what == "nDCG@30":
        return f">= {GOAL_NDCG}", mine >= GOAL_NDCG
    if unseen:
        return f"<= {GOAL_HALF:.0%}", mine <= 100 * GOAL_HALF
    return "0 in 20 worlds", mine == 0


def _ndcg(outcomes: Sequence[Outcome]) -> float:
    return mean(each.ndcg for each in outcomes)


def _precision(outcomes: Sequence[Outcome]) -> float:
    return mean(each.precision for each in outcomes)


def _innocent(outcomes: Sequence[Outcome]) -> float:
    return 100 * sum(e.innocent for e in outcomes) / max(1, sum(e.leads for e in outcomes))
