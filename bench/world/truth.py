"""How much harm each person really did: from who made it or was first with it, to how many.

For each thing a person gave away: how bad it is, times what they were to it (its maker, the first
to bring it in, or one more who passed it on), times the people it reached through them to the power
of 0.6: the thousandth viewer adds less than the first, but is not nothing. What is on no list
counts like the rest, and so does what the crawler never saw or was done through stolen accounts.
"""

from __future__ import annotations

from world.drafts import Draft, Stage, Thing
from world.shape import Truth

BADNESS = {1: 1.0, 2: 3.0, 3: 7.0}
MADE, FIRST, PASSED_ON = 5.0, 2.0, 0.5
CROWD = 0.6


def truth(stage: Stage) -> Truth:
    """Return the truth of a world whose posts are all written."""
    given = [draft for draft in stage.drafts if draft.own and draft.doer.offends]
    given.sort(key=lambda draft: draft.at)
    first: dict[int, int] = {}
    people: dict[tuple[int, int, int], float] = {}  # person, account or -1 if not theirs, thing
    things: dict[int, Thing] = {}
    for draft in given:
        for thing, _, _ in draft.media:
            if not thing.severity:
                continue
            things[thing.id] = thing
            if thing.born >= 0:
                first.setdefault(thing.id, draft.doer.id)
            key = (draft.doer.id, _theirs(stage, draft), thing.id)
            people[key] = people.get(key, 0.0) + draft.people
    harm: dict[int, float] = {person.id: 0.0 for person in stage.people}
    here: dict[int, float] = {account.id: 0.0 for account in stage.accounts}
    together: dict[tuple[int, int], float] = {}
    for (person, account, number), crowd in people.items():
        together[person, number] = together.get((person, number), 0.0) + crowd
        if account >= 0:
            here[account] += _harm(things[number], person, first, crowd)
    for (person, number), crowd in together.items():
        harm[person] += _harm(things[number], person, first, crowd)
    return Truth(
        {person.id: person.kind for person in stage.people},
        {account: person.id for account, person in stage.owner.items()},
        harm,
        here,
        frozenset(a for person in stage.people if not person.offends for a in person.accounts),
    )


def _theirs(stage: Stage, draft: Draft) -> int:
    return draft.account if stage.owner[draft.account] is draft.doer else -1


def _harm(thing: Thing, person: int, first: dict[int, int], crowd: float) -> float:
    role = PASSED_ON
    if thing.maker is not None and thing.maker.id == person:
        role = MADE
    elif first.get(thing.id) == person:
        role = FIRST
    return BADNESS[thing.severity] * role * float(crowd**CROWD)
