"""What is asked of the service over HTTP, what its answers mean, and when to ask again.

Pure: the clients send it, one waiting and one not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from tutela.core import chatting, matchform, prefixes
from tutela.core.errors import (
    AccessError,
    ConflictError,
    InputError,
    ServiceError,
    TutelaError,
    UsageError,
)
from tutela.core.feedback import Saying
from tutela.core.matching import Answer, Known, Question, asked
from tutela.core.media import PDQ
from tutela.core.prefixes import PrefixAnswer, PrefixQuestion, Terms

T = TypeVar("T")
JSON = "application/json"
BATCH = 256  # contents in one request
# The service had no time, or somebody on the way; asking again may help.
AGAIN = frozenset({429, 502, 503, 504})
# Of these it is sure that nothing was done.
REFUSED = frozenset({429, 503})
_encode = msgspec.json.Encoder().encode


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[bytes], T]
    content: bytes = b""
    media_type: str = JSON
    params: tuple[tuple[str, str], ...] = ()
    once: bool = False  # what would count twice is not sent again when no answer came


class Wait(msgspec.Struct, frozen=True):
    """How patient a client is: `tries` in all, with `first_s`, then twice as long, up to `most_s`.

    What the service says itself (Retry-After) counts where it is not longer than `most_s`.
    """

    tries: int = 3
    first_s: float = 0.2
    most_s: float = 5.0

    def before(self, turn: int, headers: Mapping[str, str] | None) -> float | None:
        """Return how long to wait before try `turn` (from 1), or None to give up."""
        if turn >= self.tries:
            return None
        said = (headers or {}).get("retry-after", "")
        if said.isdecimal():
            return float(said) if float(said) <= self.most_s else None
        longest: float = min(self.first_s * 2 ** (turn - 1), self.most_s)
        return longest * random.uniform(0.5, 1)  # noqa: S311 lest all come back together


class Problem(msgspec.Struct):
    """An error of the service (RFC 9457)."""

    title: str = ""
    detail: str = ""
    code: str = ""


def matches(contents: Sequence[Known], lists: Sequence[str]) -> Iterator[Call[Answer]]:
    """Yield the requests that ask for contents, in their order."""
    params = tuple(("list", name) for name in lists)
    for begin in range(0, len(contents), BATCH):
        batch = contents[begin : begin + BATCH]
        if all(f.algorithm == PDQ and not f.frame for _, values in batch for f in values):
            body = matchform.question(batch)
            kind = matchform.MEDIA_TYPE
            yield Call("POST", "/v1/match", matchform.answer_of, body, kind, params)
        else:
            body = _encode(Question(tuple(map(asked, batch))))
            yield Call("POST", "/v1/match", _answer, body, JSON, params)


def file(data: bytes, media_type: str, lists: Sequence[str]) -> Call[Answer]:
    """Return the request that sends a file."""
    if media_type in {JSON, matchform.MEDIA_TYPE}:
        media_type = "application/octet-stream"  # whatever it says of itself, it is a file
    return Call(
        "POST", "/v1/match", _answer, data, media_type, tuple(("list", name) for name in lists)
    )


def terms() -> Call[Terms]:
    """Return the request for what must be known to ask for prefixes."""
    return Call("GET", "/v1/prefix", _terms)


def rows(
    algorithm: str, bits: int, digests: Sequence[bytes]
) -> Iterator[tuple[Sequence[bytes], Call[PrefixAnswer]]]:
    """Yield digests, and the request that asks for their prefixes."""
    most = prefixes.PREFIXES_LIMIT
    for begin in range(0, len(digests), most):
        some = digests[begin : begin + most]
        asked_for = tuple(prefixes.prefix_of(digest, bits) for digest in some)
        body = _encode(PrefixQuestion(algorithm, bits, asked_for))
        yield some, Call("POST", "/v1/prefix", _rows, body)


def read_rows(answer: PrefixAnswer, digests: Sequence[bytes]) -> list[list[prefixes.Known]]:
    """Return what an answer says of the digests whose prefixes were asked for.

    Raises:
        ServiceError: it is no answer to that.
    """
    if len(answer.answers) != len(digests):
        raise ServiceError("the service answered something else", code="protocol")
    return [
        prefixes.found(one, answer.lists, digest)
        for one, digest in zip(answer.answers, digests, strict=True)
    ]


def feedback(name: str, entry: int, saying: Saying) -> Call[dict[str, bool]]:
    """Return the request that says something of an entry."""
    path = f"/v1/lists/{name}/entries/{entry}/feedback"
    return Call("POST", path, _truths, _encode(saying))


def chat(messages: Sequence[chatting.Message]) -> Iterator[Call[list[chatting.Answered]]]:
    """Yield the requests that have messages scored, in their order."""
    for begin in range(0, len(messages), BATCH):
        body = msgspec.json.Encoder().encode_lines(messages[begin : begin + BATCH])
        yield Call("POST", "/v1/chat", _answered, body, chatting.LINES, once=True)


def conversation(name: str) -> Call[chatting.Standing]:
    """Return the request for what a conversation adds up to."""
    return Call("GET", f"/v1/chat/{quote(name)}", _standing)


def forget(name: str) -> Call[dict[str, bool]]:
    """Return the request to forget a conversation."""
    return Call("DELETE", f"/v1/chat/{quote(name)}", _truths)


def result(call: Call[T], response: httpx.Response) -> T:
    """Return what a response says.

    Raises:
        AccessError: no or a wrong credential, or something is not for this member.
        ConflictError: what was asked for has changed.
        InputError: the service does not take what was sent.
        ServiceError: it failed, or its answer is none.
    """
    if response.is_success:
        try:
            return call.read(response.content)
        except (msgspec.DecodeError, InputError) as error:
            raise ServiceError(
                f"the service answered something else: {error}", code="protocol"
            ) from None
    raise _error(response)


def _error(response: httpx.Response) -> TutelaError:
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        problem = Problem(f"the service answered {response.status_code}", code="http")
    kind: type[TutelaError] = ServiceError
    if response.status_code in {401, 403, 404, 429}:
        kind = AccessError
    elif response.status_code == 409:
        kind = ConflictError
    elif response.status_code == 400:
        kind = UsageError
    elif 400 < response.status_code < 500:
        kind = InputError
    return kind(problem.title or "refused", code=problem.code, hint=problem.detail)


def unreachable(error: Exception) -> ServiceError:
    """Return the error of a service that does not answer."""
    return ServiceError(
        f"the matching service does not answer: {type(error).__name__}",
        code="unreachable",
        hint="is its address right, and is it up?",
    )


_answer: Callable[[bytes], Answer] = msgspec.json.Decoder(Answer).decode
_terms: Callable[[bytes], Terms] = msgspec.json.Decoder(Terms).decode
_answered: Callable[[bytes], list[chatting.Answered]] = msgspec.json.Decoder(
    chatting.Answered
).decode_lines
_standing: Callable[[bytes], chatting.Standing] = msgspec.json.Decoder(chatting.Standing).decode
_rows: Callable[[bytes], PrefixAnswer] = msgspec.json.Decoder(PrefixAnswer).decode
_truths: Callable[[bytes], Any] = msgspec.json.Decoder(dict[str, bool]).decode
