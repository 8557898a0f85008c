"""What offenders bring in and pass on, and how accounts are taken over."""

from __future__ import annotations

import numpy as np

from world.drafts import Draft, Stage, Thing
from world.people import Person, between
from world.shape import Kind, Standing

STOCK = 400  # things that were known before the window
RECENT_DAYS = 60.0


def stock(stage: Stage) -> None:
    """Fill the world with what went round long before."""
    for _ in range(STOCK):
        stage.thing(stage.severity(), -float(stage.rng.uniform(30, 2000)))


def bring_in(stage: Stage) -> list[tuple[Person, float, int]]:
    """Let offenders post what is new; return what they will pass on: who, when, how many."""
    later: list[tuple[Person, float, int]] = []
    for person in stage.people:
        if not person.offends:
            continue
        habit = person.habit
        packs = split(stage.rng, between(stage.rng, habit.shares), habit.pack)
        days = _days_of_sharing(stage, person, len(packs))
        for day, pack in zip(days, packs, strict=True):
            new = int(stage.rng.binomial(pack, habit.first))
            if new:
                _post_new(stage, person, float(day), new)
            if pack > new:
                later.append((person, float(day), pack - new))
    return later


def split(rng: np.random.Generator, things: int, pack: tuple[int, int]) -> list[int]:
    """Return in how many posts of how many things a number of things goes out."""
    packs: list[int] = []
    while things > 0:
        packs.append(min(things, between(rng, pack)))
        things -= packs[-1]
    return packs


def _days_of_sharing(stage: Stage, person: Person, posts: int) -> np.ndarray:
    rng = stage.rng
    if person.kind is Kind.HEAVY_DUMPER:
        bursts = rng.uniform(person.begin, person.end, between(rng, (3, 6)))
        return np.sort(rng.choice(bursts, posts) + rng.uniform(0, 3, posts))
    if person.kind is Kind.LATECOMER:
        begin = person.begin + 0.5 * (person.end - person.begin)
        return np.sort(rng.uniform(begin, person.end, posts))
    return stage.days(person, posts)


def _post_new(stage: Stage, person: Person, day: float, count: int) -> None:
    draft = stage.write(int(stage.rng.choice(person.accounts)), person, day)
    draft.acts.append("offer")
    for _ in range(count):
        made = stage.rng.random() < person.habit.makes
        thing = stage.thing(stage.severity(), draft.at, person if made else None)
        thing.self_generated = not made and stage.rng.random() < 0.06
        draft.media.append((thing, 0, _standing(stage)))


def _standing(stage: Stage) -> Standing:
    return Standing.LINKED if stage.rng.random() < 0.35 else Standing.POSTED


class Shelf:
    """What harmful things went round before a time, the famous and the recent first."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        bad = sorted((t for t in stage.things if t.severity), key=lambda t: t.born)
        self._things = bad
        self._born = np.array([t.born for t in bad])
        self._fame = np.array([t.fame for t in bad])

    def pick(self, before: float, count: int, *, oldest: float = 0.0) -> list[Thing]:
        """Return distinct things that were there `oldest` days before that time."""
        end = int(np.searchsorted(self._born, before - oldest))
        age = before - self._born[:end]
        weight = self._fame[:end] * (0.15 + np.exp(-age / RECENT_DAYS))
        count = min(count, end)
        if not count:
            return []
        chosen = self._stage.rng.choice(end, count, replace=False, p=weight / weight.sum())
        return [self._things[int(place)] for place in chosen]


def pass_on(stage: Stage, shelf: Shelf, later: list[tuple[Person, float, int]]) -> None:
    """Let offenders post what others brought in."""
    for person, day, count in later:
        share(stage, shelf, int(stage.rng.choice(person.accounts)), person, day, count)


def share(  # noqa: PLR0913, PLR0917 an act has a who, a where, a when and a what
    stage: Stage, shelf: Shelf, account: int, doer: Person, day: float, count: int
) -> Draft:
    """Post things that were there before."""
    draft = stage.write(account, doer, day)
    draft.acts.append("offer")
    for thing in shelf.pick(draft.at - 0.2, count):
        draft.media.append((thing, stage.variant(), _standing(stage)))
    return draft


def take_over(stage: Stage, shelf: Shelf) -> None:
    """Let offenders use accounts that are not theirs, late and not for long."""
    attackers = [person for person in stage.people if person.offends]
    rng, parameters = stage.rng, stage.parameters
    for person in stage.people:
        if person.kind is not Kind.HIJACKED:
            continue
        attacker = attackers[int(rng.integers(len(attackers)))]
        low, high = parameters.burst_days
        length = float(low * (high / low) ** rng.random())
        # Some were asleep for months; some owners go on writing beside the thief.
        idle = float(rng.uniform(40, 160)) if rng.random() < 0.25 else 0.0
        beside = 0.0 if idle or rng.random() < 0.7 else length
        begin = max(person.end - length, person.begin)
        packs = split(rng, between(rng, parameters.burst_things), (1, 4))
        for day, pack in zip(rng.uniform(begin, begin + length, len(packs)), packs, strict=True):
            draft = share(stage, shelf, person.accounts[0], attacker, float(day), pack)
            if rng.random() < 0.3:
                thing = stage.thing(stage.severity(), draft.at)
                draft.media.append((thing, 0, Standing.POSTED))
        person.end = max(begin - idle + beside, person.begin + 1)
