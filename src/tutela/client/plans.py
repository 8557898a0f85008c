"""What clients do, step by step, without doing it: each plan yields calls to send and pauses.

A client sends what a plan yields and gives back what came, waiting or awaiting; so both kinds of
client do the same.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import httpx

from tutela.client import calls
from tutela.client.calls import Call, Wait
from tutela.core import chatting
from tutela.core.errors import ConflictError, InputError
from tutela.core.matching import Answer, Answered
from tutela.core.matching import Known as Content
from tutela.core.prefixes import Known, Terms

T = TypeVar("T")
# A call to send, or seconds to pause; then what came: a response, or why there is none.
Step = Call[Any] | float
Came = httpx.Response | httpx.TransportError | None
Plan = Generator[Step, Came, T]


class Plans:
    """Makes the plans of one client; `terms` are what it knows of prefixes."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait
        self._terms: Terms | None = None

    def match(self, contents: Sequence[Content], lists: Sequence[str]) -> Plan[Answer]:
        """Ask for contents in batches; the generation of the answer is the oldest of theirs."""
        generations: list[int] = []
        answered: list[Answered] = []
        for call in calls.matches(contents, lists):
            answer = yield from self.do(call)
            generations.append(answer.generation)
            answered += answer.contents
        return Answer(min(generations, default=0), tuple(answered))

    def chat(self, messages: Sequence[chatting.Message]) -> Plan[list[chatting.Answered]]:
        """Have messages scored in batches, in their order."""
        answered: list[chatting.Answered] = []
        for call in calls.chat(messages):
            answered += yield from self.do(call)
        return answered

    def look_up(self, digests: Sequence[bytes], algorithm: str) -> Plan[list[list[Known]]]:
        """Ask for digests by prefix, once more where prefixes have another length now."""
        try:
            return (yield from self._looked_up(digests, algorithm))
        except ConflictError:
            self._terms = None
            return (yield from self._looked_up(digests, algorithm))

    def _looked_up(self, digests: Sequence[bytes], algorithm: str) -> Plan[list[list[Known]]]:
        if self._terms is None:
            self._terms = yield from self.do(calls.terms())
        bucket = self._terms.buckets.get(algorithm)
        if bucket is None:
            raise InputError(f"the service looks up no {algorithm}", code="algorithm")
        found: list[list[Known]] = []
        for some, call in calls.rows(algorithm, bucket.bits, digests):
            found += calls.read_rows((yield from self.do(call)), some)
        return found

    def do(self, call: Call[T]) -> Plan[T]:
        """Send a call, again after a pause where there was no answer, and read the answer."""
        turn = 0
        while True:
            turn += 1
            came = yield call
            if isinstance(came, httpx.Response):
                again = came.status_code in (calls.REFUSED if call.once else calls.AGAIN)
                pause_s = self._wait.before(turn, came.headers) if again else None
                if pause_s is None:
                    return calls.result(call, came)
            else:
                assert came is not None, "a client gives back what came of a call"
                pause_s = None if call.once else self._wait.before(turn, None)
                if pause_s is None:
                    raise calls.unreachable(came) from came
            yield pause_s
