"""How often an account may ask, and how many wrong credentials are written down.

Counted in memory, by each server process for itself: a limit is there to keep one member from
taking all, not to be exact to the request.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from tutela.core.errors import AccessError

# Wrong credentials from one network, and from all together, that the log takes in a minute.
REFUSALS_BY_NETWORK = 20
REFUSALS = 300
# Answers of many entries that one account may have on their way, and when to try again.
LONG_ANSWERS = 4
LONG_ANSWER_S = 10.0
# Addresses are cheap to come by; of so many we know how often they asked.
KEYS = 20_000


class TooManyError(AccessError):
    """Somebody asks more often than they may; `wait_s` is when to try again."""

    default_code = "too_many"

    def __init__(self, message: str, wait_s: float, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.wait_s = wait_s


class Buckets:
    """A token bucket for each key: `per_minute` at once, and filled again within a minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._rate = per_minute / 60
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._turn = threading.Lock()

    def take(self, key: Hashable) -> float:
        """Take one; return 0, or the seconds after which there will be one."""
        with self._turn:
            moment = self._clock()
            left, at = self._kept.pop(key, (self._size, moment))
            left = min(self._size, left + (moment - at) * self._rate)
            taken = left >= 1
            self._kept[key] = (left - 1 if taken else left, moment)
            if len(self._kept) > KEYS:
                self._kept.popitem(last=False)
            return 0.0 if taken else (1 - left) / self._rate


class Slots:
    """How many long answers each account has on their way; each may take disk space."""

    def __init__(self) -> None:
        self._taken: Counter[Hashable] = Counter()
        self._turn = threading.Lock()

    def take(self, key: Hashable, holder: object) -> bool:
        """Take a slot for as long as `holder` is there; tell whether there was one."""
        with self._turn:
            if self._taken[key] >= LONG_ANSWERS:
                return False
            self._taken[key] += 1
        # However the answer ends, sent, broken off or never begun, it is let go of.
        weakref.finalize(holder, self._give_back, key)
        return True

    def _give_back(self, key: Hashable) -> None:
        with self._turn:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]


class Limits:
    """The limits of one server process."""

    def __init__(self, requests_per_minute: int) -> None:
        self._slots = Slots()
        self._requests = Buckets(requests_per_minute)
        self._by_network = Buckets(REFUSALS_BY_NETWORK)
        self._refusals = Buckets(REFUSALS)

    def request(self, account_id: int | None) -> None:
        """Let an account ask once more.

        Raises:
            TooManyError: it asked too often.
        """
        if wait_s := self._requests.take(account_id):
            raise TooManyError(
                "this account asks too often",
                wait_s,
                hint="ask again later; Retry-After says when",
            )

    def long_answer(self, account_id: int | None, answer: object) -> None:
        """Let an account have one more long answer, for as long as `answer` is there.

        Raises:
            TooManyError: it has as many on their way as it may.
        """
        if not self._slots.take(account_id, answer):
            raise TooManyError(
                f"this account has {LONG_ANSWERS} long answers on their way",
                LONG_ANSWER_S,
                hint="wait for them; one program syncs a list once at a time",
            )

    def refusal(self, network: str) -> None:
        """Let one more wrong credential of a network be written down.

        Whoever has a right one is let in all the same: nobody is locked out by others' mistakes.

        Raises:
            TooManyError: there were too many; the log has those before.
        """
        wait_s = self._by_network.take(network) or self._refusals.take("all")
        if wait_s:
            raise TooManyError("too many credentials that are nobody's", wait_s)
