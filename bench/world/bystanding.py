"""What those do who did nothing that a lead is for, and what makes them look as if they had."""

from __future__ import annotations

from world.drafts import Draft, Stage, Thing
from world.people import Person, between
from world.shape import Kind, Standing
from world.sharing import Shelf

HARMLESS = 300
CHATTERS = (Kind.TALKER, Kind.LURKER, Kind.VOLUNTEER, Kind.NAMESAKE, Kind.FRAMER)


def chat(stage: Stage) -> list[Thing]:
    """Let everybody talk, and post harmless pictures; return those pictures, famous ones first."""
    harmless = [stage.thing(0, -1.0) for _ in range(HARMLESS)]
    for place, thing in enumerate(harmless):
        thing.fame = 1 / (1 + place) ** 0.8
    weight = [thing.fame for thing in harmless]
    total = sum(weight)
    odds = [each / total for each in weight]
    for person in stage.people:
        for day in stage.days(person, between(stage.rng, person.habit.chat)):
            draft = stage.write(int(stage.rng.choice(person.accounts)), person, float(day))
            if stage.rng.random() < 0.1:
                thing = harmless[int(stage.rng.choice(HARMLESS, p=odds))]
                draft.media.append((thing, 0, Standing.POSTED))
    return harmless


def victims(stage: Stage) -> None:
    """Let children post what they made of themselves."""
    for person in stage.people:
        if person.kind is not Kind.VICTIM:
            continue
        for day in stage.days(person, between(stage.rng, (2, 9))):
            draft = stage.write(person.accounts[0], person, float(day))
            thing = stage.thing(stage.severity(), draft.at)
            thing.self_generated = True
            draft.media.append((thing, 0, Standing.POSTED))


def watchers(stage: Stage, shelf: Shelf) -> None:
    """Let officers, journalists and researchers show what was known long before."""
    rng = stage.rng
    for person in stage.people:
        if person.kind is Kind.OFFICER:
            left = between(rng, person.habit.shares)
            for day in stage.days(person, left):
                _known(stage, shelf, person, float(day), between(rng, person.habit.pack))
            for day in stage.days(person, between(rng, (2, 10))):
                draft = stage.write(int(rng.choice(person.accounts)), person, float(day))
                draft.acts.append("request")
        elif person.kind in (Kind.JOURNALIST, Kind.RESEARCHER):
            for day in stage.days(person, between(rng, (0, 4))):
                _known(stage, shelf, person, float(day), 1)


def _known(stage: Stage, shelf: Shelf, person: Person, day: float, count: int) -> None:
    draft = stage.write(int(stage.rng.choice(person.accounts)), person, day)
    officer = person.kind is Kind.OFFICER
    if officer:
        draft.acts.append("offer")
    for thing in shelf.pick(draft.at, count, oldest=20.0):
        standing = Standing.POSTED if officer else Standing.LINKED
        draft.media.append((thing, stage.variant(), standing))


def bots(stage: Stage, shared: list[Draft]) -> None:
    """Let programs repeat what others posted within two days, at any hour, without a word."""
    rng = stage.rng
    for person in stage.people:
        if person.kind is not Kind.BOT:
            continue
        there = [d for d in shared if person.begin <= d.at <= person.end]
        count = min(len(there), between(rng, person.habit.shares))
        for place in rng.choice(len(there), count, replace=False):
            source = there[int(place)]
            thing, variant, _ = source.media[int(rng.integers(len(source.media)))]
            at = source.at + float(rng.uniform(0.02, 2.0))
            draft = Draft(person.accounts[0], person, min(at, stage.parameters.days), silent=True)
            draft.media.append((thing, variant, Standing.POSTED))
            stage.drafts.append(draft)


def answers(stage: Stage, shared: list[Draft]) -> None:
    """Let people quote, thank for and answer what was shared; moderators quote most."""
    by_kind: dict[Kind, list[Person]] = {}
    for person in stage.people:
        by_kind.setdefault(person.kind, []).append(person)
    public = [p for kind in CHATTERS for p in by_kind.get(kind, [])]
    thankful = by_kind[Kind.LURKER] + by_kind[Kind.UPLOADER]
    for source in shared:
        if stage.rng.random() < 0.22:
            _quote(stage, source, public[int(stage.rng.integers(len(public)))])
        for _ in range(int(stage.rng.poisson(source.doer.habit.thanked * 1.5))):
            person = thankful[int(stage.rng.integers(len(thankful)))]
            _answer(stage, source, person, "thanks")
    for person in by_kind[Kind.MODERATOR]:
        there = [d for d in shared if person.begin <= d.at <= person.end]
        for _ in range(min(len(there), between(stage.rng, (20, 90)))):
            _quote(stage, there[int(stage.rng.integers(len(there)))], person)


def _answer(stage: Stage, source: Draft, person: Person, act: str) -> Draft:
    day = min(source.at + float(stage.rng.exponential(2.0)), stage.parameters.days)
    draft = stage.write(int(stage.rng.choice(person.accounts)), person, day)
    draft.at = max(draft.at, source.at + 0.005)
    draft.about = source
    draft.acts.append(act)
    return draft


def _quote(stage: Stage, source: Draft, person: Person) -> None:
    draft = _answer(stage, source, person, "reply")
    draft.own = False
    misread = stage.rng.random() < stage.parameters.misread_quotes
    for thing, variant, _ in source.media:
        draft.media.append((thing, variant, Standing.POSTED if misread else Standing.QUOTED))
