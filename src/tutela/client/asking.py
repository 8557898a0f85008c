"""The clients: `Client` waits for its answers, `AsyncClient` is awaited. Both do the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Literal, Self, TypeVar

import httpx

from tutela.client import calls
from tutela.client.calls import Call, Wait
from tutela.client.plans import Came, Plan, Plans
from tutela.core import chatting
from tutela.core.feedback import Saying
from tutela.core.matching import Answer
from tutela.core.matching import Known as Content
from tutela.core.prefixes import Known

T = TypeVar("T")
Verdict = Literal["confirm", "dispute", "false_positive"]
TIMEOUT_S = 10.0
FILE = "application/octet-stream"


class Client:
    """Asks the matching service, and waits; a context manager.

    Args:
        address: Scheme and host of the service, such as `https://match.example`.
        token: The token of the program's account.
        timeout_s: An answer that takes longer counts as none.
        wait: How often to ask again where there was none.
        transport: How requests are sent, for tests.

    Every method raises AccessError (credential, permission, unknown list), InputError (what was
    sent is not what it should be) and ServiceError (no answer after all tries).
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout_s: float = TIMEOUT_S,
        wait: Wait | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._plans = Plans(wait or Wait())
        self._http = httpx.Client(
            base_url=address, headers=_bearer(token), timeout=timeout_s, transport=transport
        )

    def match(self, contents: Sequence[Content], lists: Sequence[str] = ()) -> Answer:
        """Return what contents meet; any number of them, in batches."""
        return self._run(self._plans.match(contents, lists))

    def match_file(self, data: bytes, media_type: str = FILE, lists: Sequence[str] = ()) -> Answer:
        """Return what a file meets; code `no_files` where the service takes none."""
        return self._run(self._plans.do(calls.file(data, media_type, lists)))

    def look_up(self, digests: Sequence[bytes], algorithm: str = "sha256") -> list[list[Known]]:
        """Return what is known of digests, of which the service learns the first bits only."""
        return self._run(self._plans.look_up(digests, algorithm))

    def feedback(  # noqa: PLR0913 what is said, of what, and why
        self,
        name: str,
        entry: int,
        verdict: Verdict,
        *,
        algorithm: str = "",
        reasons: Sequence[str] = (),
        note: str = "",
    ) -> None:
        """Confirm or dispute an entry of a list, or report it as a false positive."""
        saying = Saying(verdict, algorithm, tuple(reasons), note)
        self._run(self._plans.do(calls.feedback(name, entry, saying)))

    def chat(self, messages: Sequence[chatting.Message]) -> list[chatting.Answered]:
        """Have messages scored, in their order; return an answer for each.

        A message by which several pairs cross has one for each of them.

        Where no answer came it is not known whether they were: forget the conversations, and send
        them again from the start.
        """
        return self._run(self._plans.chat(messages))

    def conversation(self, name: str) -> chatting.Standing:
        """Return what a conversation adds up to; code `not_found` where nothing is known of it."""
        return self._run(self._plans.do(calls.conversation(name)))

    def forget(self, name: str) -> None:
        """Let the service forget a conversation."""
        self._run(self._plans.do(calls.forget(name)))

    def _run(self, plan: Plan[T]) -> T:
        came: Came = None
        while True:
            try:
                step = plan.send(came)
            except StopIteration as done:
                result: T = done.value
                return result
            came = None
            if not isinstance(step, Call):
                time.sleep(step)
                continue
            try:
                came = self._http.send(_request(self._http, step))
            except httpx.TransportError as error:
                came = error

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class AsyncClient:
    """Asks the matching service as `Client` does, without waiting; an async context manager."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout_s: float = TIMEOUT_S,
        wait: Wait | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._plans = Plans(wait or Wait())
        self._http = httpx.AsyncClient(
            base_url=address, headers=_bearer(token), timeout=timeout_s, transport=transport
        )

    async def match(self, contents: Sequence[Content], lists: Sequence[str] = ()) -> Answer:
        """Return what contents meet; any number of them, in batches."""
        return await self._run(self._plans.match(contents, lists))

    async def match_file(
        self, data: bytes, media_type: str = FILE, lists: Sequence[str] = ()
    ) -> Answer:
        """Return what a file meets; code `no_files` where the service takes none."""
        return await self._run(self._plans.do(calls.file(data, media_type, lists)))

    async def look_up(
        self, digests: Sequence[bytes], algorithm: str = "sha256"
    ) -> list[list[Known]]:
        """Return what is known of digests, of which the service learns the first bits only."""
        return await self._run(self._plans.look_up(digests, algorithm))

    async def feedback(  # noqa: PLR0913 what is said, of what, and why
        self,
        name: str,
        entry: int,
        verdict: Verdict,
        *,
        algorithm: str = "",
        reasons: Sequence[str] = (),
        note: str = "",
    ) -> None:
        """Confirm or dispute an entry of a list, or report it as a false positive."""
        saying = Saying(verdict, algorithm, tuple(reasons), note)
        await self._run(self._plans.do(calls.feedback(name, entry, saying)))

    async def chat(self, messages: Sequence[chatting.Message]) -> list[chatting.Answered]:
        """Have messages scored, in their order; return an answer for each.

        A message by which several pairs cross has one for each of them.

        Where no answer came it is not known whether they were: forget the conversations, and send
        them again from the start.
        """
        return await self._run(self._plans.chat(messages))

    async def conversation(self, name: str) -> chatting.Standing:
        """Return what a conversation adds up to; code `not_found` where nothing is known of it."""
        return await self._run(self._plans.do(calls.conversation(name)))

    async def forget(self, name: str) -> None:
        """Let the service forget a conversation."""
        await self._run(self._plans.do(calls.forget(name)))

    async def _run(self, plan: Plan[T]) -> T:
        came: Came = None
        while True:
            try:
                step = plan.send(came)
            except StopIteration as done:
                result: T = done.value
                return result
            came = None
            if not isinstance(step, Call):
                await asyncio.sleep(step)
                continue
            try:
                came = await self._http.send(_request(self._http, step))
            except httpx.TransportError as error:
                came = error

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _request(http: httpx.Client | httpx.AsyncClient, call: Call[object]) -> httpx.Request:
    return http.build_request(
        call.method,
        call.path,
        content=call.content,
        params=call.params,
        headers={"Content-Type": call.media_type},
    )
