"""What the review page costs over HTTP while millions of other media are in the database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np

import casework_fill as filling
from casework_fill import Filled, Person
from casework_stage import Browser, Serving
from measure import Figure

GOAL_MS = 100
PAGE = 100
CODES = ("A", "B", "C", "none")


def figures(url: str, kind: str, cases: list[Filled], grader: Person, samples: int) -> list[Figure]:
    """Measure each act of a review at random cases and places, beside a page of nothing."""
    with Serving() as nothing:
        empty = Browser(nothing.port)
        bare = _times(lambda _: empty.get("/"), samples)
    with Serving(url) as serving:
        asking = _Asking(Browser(serving.port, grader.token), cases)
        for _ in range(5):
            asking.open(0)
        acts: dict[str, Callable[[int], object]] = {
            "opening the review page": asking.open,
            f"{PAGE} items at the beginning": lambda _: asking.items(0),
            f"{PAGE} items in the middle": lambda _: asking.items(0.5),
            f"{PAGE} items at the end": lambda _: asking.items(1),
            "saving a grade": asking.grade,
        }
        crowd = f"{cases[0].media * len(cases) / 1e6:.2g}M media"
        found = []
        for name, act in acts.items():
            if act != asking.open:
                asking.look_again()
            times = _times(act, samples)
            found += [
                _figure(f"{kind}, {crowd}: {name}, {label}", times, bare, share)
                for label, share in (("p50", 50), ("p95", 95))
            ]
    return found


def _figure(name: str, times: list[float], bare: list[float], share: float) -> Figure:
    ours, theirs = (float(np.percentile(one, share)) * 1e3 for one in (times, bare))
    judged = share == 95
    return Figure(
        name,
        ours,
        "ms",
        "a page of nothing over HTTP",
        theirs,
        theirs / ours,
        f"<= {GOAL_MS} ms" if judged else "",
        ours <= GOAL_MS if judged else None,
    )


class _Asking:
    """One grader at random places."""

    def __init__(self, browser: Browser, cases: list[Filled]) -> None:
        self._browser = browser
        self._cases = cases
        self._random = random.Random(5)
        self._graded = 0

    def open(self, _number: int) -> None:
        """Open the review page of some case."""
        self._browser.get(f"/cases/{self._random.choice(self._cases).id}/review")

    def look_again(self) -> None:
        """Have a view of each case, as opening its page made one: items are slices of it."""
        for case in self._cases:
            self._browser.get(f"/cases/{case.id}/review/items?count=1&view=bench")

    def items(self, where: float) -> None:
        """Ask for a page of items in some case, near a place: 0 is the beginning, 1 the end."""
        case = self._random.choice(self._cases)
        stacks = case.media // filling.STACK
        at = int(where * (stacks - PAGE)) + self._random.randrange(-stacks // 20, stacks // 20)
        at = min(max(at, 0), stacks - PAGE)
        self._browser.get(f"/cases/{case.id}/review/items?from_item={at}&count={PAGE}&view=bench")

    def grade(self, number: int) -> None:
        """Grade the next stack of some case, as a key of the grid does."""
        case = self._random.choice(self._cases)
        media = case.first + filling.STACK * self._graded
        self._graded += 1
        decision = {"media": media, "code": CODES[number % len(CODES)], "stack": True}
        self._browser.post(
            f"/cases/{case.id}/grades", {"request": f"bench {number}", "decisions": [decision]}
        )


def _times(act: Callable[[int], object], samples: int) -> list[float]:
    times = []
    for number in range(samples):
        begin = time.perf_counter()
        act(number)
        times.append(time.perf_counter() - begin)
    return times
