"""Posts while a world is made, and the things that go round in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from world.parameters import Parameters
from world.people import Person
from world.shape import Account, Named, Standing

VARIANTS = 4  # near duplicates of a thing; the first is the thing as it came
SEVERITIES = (1, 2, 3)


@dataclass(eq=False)
class Thing:
    """A picture or film, as one entity of near duplicates; `maker` is a person, or None."""

    id: int
    severity: int  # 0: harmless
    born: float
    maker: Person | None = None
    self_generated: bool = False
    fame: float = 1.0


@dataclass(eq=False)
class Draft:
    """A post to be; `doer` is who really wrote it, and `own` what they really gave."""

    account: int
    doer: Person
    at: float
    media: list[tuple[Thing, int, Standing]] = field(default_factory=list)
    own: bool = True
    acts: list[str] = field(default_factory=list)
    about: Draft | None = None
    named: list[Named] = field(default_factory=list)
    silent: bool = False  # no words
    people: float = 0.0


class Stage:
    """What all acts of the making share."""

    def __init__(
        self,
        rng: np.random.Generator,
        parameters: Parameters,
        people: list[Person],
        accounts: list[Account],
    ) -> None:
        self.rng = rng
        self.parameters = parameters
        self.people = people
        self.accounts = accounts
        self.drafts: list[Draft] = []
        self.things: list[Thing] = []
        self.site_size = rng.lognormal(0, 0.8, parameters.sites)
        self.owner = {account: person for person in people for account in person.accounts}

    def thing(self, severity: int, born: float, maker: Person | None = None) -> Thing:
        """Make a thing."""
        made = Thing(len(self.things), severity, born, maker, fame=float(self.rng.pareto(1.3) + 1))
        self.things.append(made)
        return made

    def severity(self) -> int:
        """Return how bad a thing is: most are of the middle."""
        return int(self.rng.choice(SEVERITIES, p=(0.35, 0.42, 0.23)))

    def write(self, account: int, doer: Person, day: float) -> Draft:
        """Write an empty post at an hour of the doer's on that day."""
        hour = self.rng.normal(doer.peak_hour, doer.spread_hours) % 24
        at = min(max(np.floor(day) + hour / 24, 0.0), self.parameters.days)
        draft = Draft(account, doer, float(at))
        self.drafts.append(draft)
        return draft

    def days(self, person: Person, count: int) -> np.ndarray:
        """Return days on which a person is there, in order."""
        return np.sort(self.rng.uniform(person.begin, person.end, count))

    def variant(self) -> int:
        """Return which near duplicate of a thing is passed on."""
        if self.rng.random() >= self.parameters.altered:
            return 0
        return int(self.rng.integers(1, VARIANTS))
