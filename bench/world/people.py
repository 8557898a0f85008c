"""Who lives in a world: persons, their accounts, their hours and their voices."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from world.parameters import HABITS, Habit, Parameters
from world.shape import OFFENDERS, Account, Kind

# fmt: off
FIRST = (
    "amber", "birch", "cedar", "dapple", "ember", "fern", "gorse", "hazel", "iris", "juniper",
    "kelp", "larch", "maple", "nettle", "olive", "pine", "quince", "reed", "sage", "thistle",
    "umber", "vetch", "willow", "yarrow", "azure", "basalt", "cobalt", "dune", "flint",
    "garnet",
)
SECOND = (
    "badger", "crane", "dove", "egret", "finch", "grouse", "heron", "ibis", "jay", "kite",
    "lark", "marten", "newt", "otter", "plover", "quail", "raven", "stoat", "tern", "urchin",
    "vole", "wren", "adder", "bison", "curlew", "dormouse", "eel", "falcon", "gull", "hare",
)
# fmt: on
# The senders who wrote enough to have a style of their own.
VOICES, LOUD = 900, 430
HANDLED_LOUD = OFFENDERS | {Kind.HIJACKED}


@dataclass(eq=False)
class Person:
    """A person while the world is made; hours are of the day, in the crawler's time."""

    id: int
    kind: Kind
    voice: int
    peak_hour: float
    spread_hours: float
    begin: float
    end: float
    fame: float
    accounts: list[int] = field(default_factory=list)

    @property
    def habit(self) -> Habit:
        """What their kind does."""
        return HABITS[self.kind]

    @property
    def offends(self) -> bool:
        """Whether a lead may name them."""
        return self.kind in OFFENDERS


def between(rng: np.random.Generator, limits: tuple[int, int]) -> int:
    """Return a whole number within limits, both included."""
    return int(rng.integers(limits[0], limits[1] + 1))


def populate(
    rng: np.random.Generator, parameters: Parameters
) -> tuple[list[Person], list[Account]]:
    """Return the persons and their accounts; namesakes take the handles of offenders."""
    loud = iter(rng.permutation(LOUD))
    people: list[Person] = []
    for kind, count in parameters.people.items():
        for _ in range(count):
            wanted = kind in HANDLED_LOUD and kind is not Kind.UPLOADER
            voice = int(next(loud)) if wanted else int(rng.integers(VOICES))
            people.append(_person(rng, parameters, len(people), kind, voice))
    accounts: list[Account] = []
    for person in people:
        _enrol(rng, parameters, person, accounts)
    return people, accounts


def _person(
    rng: np.random.Generator, parameters: Parameters, number: int, kind: Kind, voice: int
) -> Person:
    stay = parameters.days * float(rng.beta(2.2, 1.2))
    if kind is Kind.HIJACKED:
        stay = parameters.days * float(rng.uniform(0.35, 1.0))
    begin = float(rng.uniform(0, parameters.days - stay))
    return Person(
        number,
        kind,
        voice,
        float(rng.uniform(0, 24)),
        float(rng.uniform(1.5, 4.0)),
        begin,
        begin + stay,
        float(rng.lognormal(0, 0.7)),
    )


def _enrol(
    rng: np.random.Generator, parameters: Parameters, person: Person, accounts: list[Account]
) -> None:
    sites = rng.permutation(parameters.sites)
    first = _handle(rng)
    for place in range(between(rng, person.habit.handles)):
        handle = first if place == 0 else _other_handle(rng, first)
        site = int(sites[place % parameters.sites])
        if person.kind is Kind.NAMESAKE:
            site, handle = _taken(rng, accounts, parameters.sites)
        minor = person.kind is Kind.VICTIM and rng.random() < 0.5
        accounts.append(Account(len(accounts), site, handle, _role(rng, person.kind), minor))
        person.accounts.append(len(accounts) - 1)


def _role(rng: np.random.Generator, kind: Kind) -> str:
    if kind is Kind.ADMIN:
        return "admin"
    if kind is Kind.MODERATOR:
        return "moderator"
    return "moderator" if kind is Kind.HEAVY_SPREADER and rng.random() < 0.2 else ""


def _handle(rng: np.random.Generator) -> str:
    number = str(rng.integers(10, 99)) if rng.random() < 0.5 else ""
    return f"{FIRST[rng.integers(len(FIRST))]}{SECOND[rng.integers(len(SECOND))]}{number}"


def _other_handle(rng: np.random.Generator, first: str) -> str:
    chance = rng.random()
    if chance < 0.25:
        return first
    if chance < 0.55:
        return f"{first.rstrip('0123456789')}_{rng.integers(100, 999)}"
    return _handle(rng)


def _taken(rng: np.random.Generator, accounts: list[Account], sites: int) -> tuple[int, str]:
    """Return a site, and the handle of an early (hence offending) account of another site."""
    other = accounts[int(rng.integers(200))]
    return (other.site + 1 + int(rng.integers(sites - 1))) % sites, other.handle
