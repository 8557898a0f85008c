"""An upload guard: matches what comes in before the application sees it. ASGI middleware.

    app = Guard(app, AsyncClient("https://match.example", token))

The body of an upload is spooled, bounded, and every file in it is matched. Then, by policy, the
application never sees it (block), somebody is asked first (hold), the application sees it and what
was found (annotate), or it sees it as if there were no guard (pass).
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import IO, Any, Literal

import msgspec

from tutela.client.asking import AsyncClient
from tutela.client.multipart import boundary_of, files
from tutela.core.entry import Role
from tutela.core.errors import InputError, TutelaError
from tutela.core.hit import Strength
from tutela.core.matching import Answered, Known, Match
from tutela.core.media import Digests, Fingerprint
from tutela.core.prefixes import Known as KnownDigest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FOUND = "tutela.guard"  # where an application finds, in its scope, what was found
_SPOOLED = 1 << 20  # bytes of a body that stay in memory
_CHUNK = 1 << 16
_METHODS = frozenset({"POST", "PUT", "PATCH"})
_TEXTS = frozenset({"application/json", "application/x-www-form-urlencoded", "text/plain"})


class Act(enum.IntEnum):
    """What is done with an upload; of several files the gravest counts."""

    PASS = 0
    ANNOTATE = 1
    HOLD = 2
    BLOCK = 3


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with an upload that meets something.

    `exact` is for the very content of an alert entry, `indicative` for what resembles one or shares
    a digest that can be forged, `quarantined` for entries that do not answer because they are
    noisy, `failed` for when the service does not answer: `BLOCK` is to fail closed, `ANNOTATE` or
    `PASS` to fail open.
    """

    exact: Act = Act.BLOCK
    indicative: Act = Act.HOLD
    quarantined: Act = Act.ANNOTATE
    failed: Act = Act.BLOCK

    def act(self, content: Answered) -> Act:
        """Return what is to be done with a content; one that is known to be harmless passes."""
        if not content.matches:
            return self.quarantined if content.remarks else Act.PASS
        first = content.matches[0]
        if first.role is not Role.ALERT:
            return Act.PASS
        return self.exact if first.strength is Strength.EXACT else self.indicative


class Found(msgspec.Struct, frozen=True):
    """What was found of an upload: an answer for each file, or why there is none."""

    act: Act
    contents: tuple[Answered, ...] = ()
    failure: str = ""


class Upload(msgspec.Struct, frozen=True):
    """An upload that is held: what was found, its scope, and its body as it came."""

    found: Found
    scope: Scope
    body: bytes


class Guard:
    """Wraps an ASGI application.

    Args:
        app: The application.
        client: Asks the matching service; close it when the application ends.
        policy: What is done with what is found.
        by: `digests` sends digests, and fingerprints where `fingerprints` is given; `prefix` lets
            the service learn only the first bits of SHA-256, and finds the very content alone;
            `file` sends the file, where the operator takes files.
        fingerprints: Gives the fingerprints of a file; it is called in a thread, and should decode
            in a confined process (`tutela.scan.hasher.Hasher`).
        held: Called with an upload that is held, before whoever sent it is answered.
        lists: Ask these lists only.
        most_bytes: Larger requests are refused.
        guards: Tells for which requests there is a guard; all that bring a body if left out.
    """

    def __init__(  # noqa: PLR0913 each is a choice of whoever runs the application
        self,
        app: App,
        client: AsyncClient,
        *,
        policy: Policy | None = None,
        by: Literal["digests", "prefix", "file"] = "digests",
        fingerprints: Callable[[bytes], Sequence[Fingerprint]] | None = None,
        held: Callable[[Upload], Awaitable[None]] | None = None,
        lists: Sequence[str] = (),
        most_bytes: int = 32 << 20,
        guards: Callable[[Scope], bool] | None = None,
    ) -> None:
        self._app, self._client = app, client
        self._policy = policy or Policy()
        self._by = by
        self._fingerprints = fingerprints
        self._held = held
        self._lists = lists
        self._most_bytes = most_bytes
        self._guards = guards or _brings_a_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._guards(scope):
            await self._app(scope, receive, send)
            return
        with tempfile.SpooledTemporaryFile(_SPOOLED) as spool:
            refusal = await self._spool(receive, spool)
            if refusal is not None:
                if refusal:
                    await _answer(send, refusal, "this upload is too large")
                return
            await self._judged(scope, receive, send, spool)

    async def _judged(self, scope: Scope, receive: Receive, send: Send, spool: IO[bytes]) -> None:
        spool.seek(0)
        body = spool.read()
        try:
            found = await self._found(_files(scope, body))
        except InputError:
            await _answer(send, 400, "this upload cannot be read")
            return
        if found.act is Act.BLOCK:
            # The same words whether it was known or nobody could tell.
            await _answer(send, 403, "this upload was refused")
        elif found.act is Act.HOLD:
            if self._held is not None:
                await self._held(Upload(found, scope, body))
            await _answer(send, 202, "this upload waits to be looked at")
        else:
            if found.act is Act.ANNOTATE:
                scope = {**scope, FOUND: found}
            del body
            spool.seek(0)
            await self._app(scope, _replay(spool, receive), send)

    async def _spool(self, receive: Receive, spool: IO[bytes]) -> int | None:
        """Take the body in; return the status to refuse it with, 0 where nobody waits any more."""
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return 0
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._most_bytes:
                return 413
            spool.write(chunk)
            if not message.get("more_body", False):
                return None

    async def _found(self, contents: Sequence[bytes]) -> Found:
        """Return what is found of the files of an upload.

        Raises:
            InputError: the upload is not what it should be.
        """
        if not contents:
            return Found(Act.PASS)
        try:
            answered = await self._asked(contents)
        except Exception as error:  # noqa: BLE001 whatever it was: the policy says what then
            code = error.code if isinstance(error, TutelaError) else type(error).__name__
            return Found(self._policy.failed, failure=code)
        return Found(max(map(self._policy.act, answered)), tuple(answered))

    async def _asked(self, contents: Sequence[bytes]) -> list[Answered]:
        if self._by == "file":
            answers = [await self._client.match_file(one, lists=self._lists) for one in contents]
            return [content for answer in answers for content in answer.contents]
        if self._by == "prefix":
            return await self._looked_up(contents)
        known = [await asyncio.to_thread(self._known, content) for content in contents]
        return list((await self._client.match(known, self._lists)).contents)

    async def _looked_up(self, contents: Sequence[bytes]) -> list[Answered]:
        digests = [hashlib.sha256(content).digest() for content in contents]
        found = await self._client.look_up(digests)
        return [Answered(tuple(map(_match, known))) for known in found]

    def _known(self, content: bytes) -> Known:
        digests = Digests(
            hashlib.md5(content, usedforsecurity=False).digest(),
            hashlib.sha1(content, usedforsecurity=False).digest(),
            hashlib.sha256(content).digest(),
        )
        return digests, self._fingerprints(content) if self._fingerprints else ()


def _match(known: KnownDigest) -> Match:
    """Return a row of a prefix as a match; it says less."""
    return Match(
        list=known.list,
        entry=known.entry,
        role=known.role,
        strength=known.strength,
        algorithm="sha256",
        distance_bits=0,
        state="",
        codes=(),
        source="",
        tags=(),
        reference="",
    )


def _brings_a_body(scope: Scope) -> bool:
    return scope["method"] in _METHODS


def _files(scope: Scope, body: bytes) -> list[bytes]:
    """Return what may be uploads of a body.

    Raises:
        InputError: it is compressed, or not what it says.
    """
    if _header(scope, b"content-encoding").lower() not in {"", "identity"}:
        raise InputError("a compressed upload", code="encoded")
    content_type = _header(scope, b"content-type")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return [content for content in files(body, boundary_of(content_type)) if content]
    if kind in _TEXTS and _is_text(body):
        return []
    return [body] if body else []


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _header(scope: Scope, name: bytes) -> str:
    """Return a header; raise InputError where it stands there twice, for who reads which?"""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    if len(values) > 1:
        raise InputError(f"{name.decode()} stands there twice", code="malformed")
    return values[0].decode("latin-1").strip() if values else ""


def _replay(spool: IO[bytes], receive: Receive) -> Receive:
    """Give the application the body that was spooled, then what else comes."""
    done = False

    async def replayed() -> Message:
        nonlocal done
        if done:
            return await receive()
        chunk = spool.read(_CHUNK)
        done = len(chunk) < _CHUNK
        return {"type": "http.request", "body": chunk, "more_body": not done}

    return replayed


async def _answer(send: Send, status: int, words: str) -> None:
    body = msgspec.json.encode({"detail": words})
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
