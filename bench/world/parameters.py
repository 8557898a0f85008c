"""What a world is made by. OPEN is for work on the ranker; FINAL is for the figures, used once."""

from __future__ import annotations

from dataclasses import dataclass, field

from world.shape import Kind


@dataclass(frozen=True)
class Habit:
    """How a kind of person behaves; ranges are (least, most)."""

    chat: tuple[int, int]
    shares: tuple[int, int] = (0, 0)  # things, not posts
    pack: tuple[int, int] = (1, 3)  # things in one post
    first: float = 0.0  # part of the shared things that they bring in
    makes: float = 0.0  # part of those that they made
    handles: tuple[int, int] = (1, 1)
    reach: float = 1.0  # on the views of their posts
    thanked: float = 0.0  # how often somebody thanks them for a post of things


HABITS: dict[Kind, Habit] = {
    Kind.UPLOADER: Habit((10, 80), (2, 18), (1, 3), 0.3, 0.15, (1, 2), 1.0, 0.4),
    Kind.HEAVY_MAKER: Habit((20, 120), (40, 140), (1, 4), 0.7, 0.7, (1, 3), 2.5, 0.7),
    Kind.HEAVY_SPREADER: Habit((20, 120), (80, 240), (1, 5), 0.45, 0.05, (1, 3), 2.0, 0.6),
    Kind.HEAVY_DUMPER: Habit((5, 30), (60, 160), (3, 8), 0.5, 0.2, (1, 2), 2.0, 0.6),
    Kind.HEAVY_WANDERER: Habit((30, 160), (60, 200), (1, 4), 0.5, 0.2, (3, 5), 1.5, 0.6),
    Kind.HEAVY_QUIET: Habit((2, 12), (14, 34), (1, 2), 0.8, 0.6, (1, 1), 9.0, 0.8),
    Kind.LATECOMER: Habit((60, 160), (8, 40), (1, 3), 0.35, 0.1, (1, 2), 1.2, 0.5),
    Kind.ADMIN: Habit((80, 240), (10, 60), (1, 3), 0.5, 0.1, (1, 2), 2.0, 0.4),
    Kind.LURKER: Habit((1, 5)),
    Kind.TALKER: Habit((8, 90)),
    Kind.BOT: Habit((0, 0), (60, 260), (1, 1), 0.0),
    Kind.FRAMER: Habit((15, 60)),
    Kind.MODERATOR: Habit((80, 260)),
    Kind.JOURNALIST: Habit((8, 40)),
    Kind.RESEARCHER: Habit((5, 30)),
    Kind.OFFICER: Habit((30, 140), (3, 14), (1, 2), 0.0, 0.0, (1, 2), 1.0, 0.4),
    Kind.VICTIM: Habit((10, 60)),
    Kind.HIJACKED: Habit((10, 200)),
    Kind.VOLUNTEER: Habit((20, 90)),
    Kind.NAMESAKE: Habit((10, 60)),
}


def _open_people() -> dict[Kind, int]:
    return {
        Kind.UPLOADER: 150,
        Kind.HEAVY_MAKER: 7,
        Kind.HEAVY_SPREADER: 7,
        Kind.HEAVY_DUMPER: 4,
        Kind.HEAVY_WANDERER: 5,
        Kind.HEAVY_QUIET: 4,
        Kind.LATECOMER: 25,
        Kind.ADMIN: 6,
        Kind.LURKER: 450,
        Kind.TALKER: 500,
        Kind.BOT: 8,
        Kind.FRAMER: 15,
        Kind.MODERATOR: 12,
        Kind.JOURNALIST: 8,
        Kind.RESEARCHER: 6,
        Kind.OFFICER: 14,
        Kind.VICTIM: 22,
        Kind.HIJACKED: 28,
        Kind.VOLUNTEER: 16,
        Kind.NAMESAKE: 30,
    }


@dataclass(frozen=True)
class Parameters:
    """One set; probabilities unless a unit is in the name."""

    name: str
    salt: int
    people: dict[Kind, int] = field(default_factory=_open_people)
    days: int = 540
    sites: int = 5
    loss: float = 0.12  # posts that the crawler never saw
    listed: float = 0.6
    on_first_list: float = 0.75  # of what is listed
    on_second_list: float = 0.5
    disagree: float = 0.2  # two lists give another severity
    altered: float = 0.45  # a thing that is passed on is a near duplicate of the first
    near_found: float = 0.9  # a near duplicate hits, perceptually
    misread_quotes: float = 0.04  # a quote that the crawler takes for the author's own
    wrong_entries: int = 4  # harmless pictures on the second list
    false_near: int = 8  # harmless pictures near a listed one
    view_tail: float = 1.1  # sigma of the logarithm
    told_officers: float = 0.6
    told_others: float = 0.5
    told_hijacked: float = 0.15
    burst_days: tuple[float, float] = (1.0, 45.0)
    burst_things: tuple[int, int] = (3, 30)
    signs_both: float = 0.4  # an offender with several handles proves them by a key
    shares_contact: float = 0.5
    self_generated_flagged: float = 0.8


OPEN = Parameters("open", 11)


def final() -> Parameters:
    """Return the set for the figures: other people, other rates, harder where it could be."""
    people = _open_people() | {
        Kind.UPLOADER: 190,
        Kind.HEAVY_MAKER: 6,
        Kind.HEAVY_SPREADER: 8,
        Kind.HEAVY_DUMPER: 5,
        Kind.HEAVY_WANDERER: 4,
        Kind.HEAVY_QUIET: 5,
        Kind.LATECOMER: 30,
        Kind.TALKER: 420,
        Kind.BOT: 10,
        Kind.OFFICER: 18,
        Kind.HIJACKED: 36,
        Kind.JOURNALIST: 10,
        Kind.NAMESAKE: 40,
    }
    return Parameters(
        "final",
        907,
        people=people,
        days=460,
        loss=0.15,
        disagree=0.25,
        altered=0.5,
        near_found=0.87,
        misread_quotes=0.05,
        wrong_entries=5,
        false_near=10,
        view_tail=1.2,
        told_officers=0.5,
        told_others=0.4,
        told_hijacked=0.1,
        burst_days=(1.0, 60.0),
        burst_things=(3, 36),
        signs_both=0.35,
    )
