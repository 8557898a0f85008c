"""The line to one node: TLS 1.3 on which both sides show their key; nothing else is believed."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec

from tutela.core.errors import ConflictError, FetchError, IntegrityError, ServiceError
from tutela.exchange.federation.identity import Identity
from tutela.exchange.federation.message import ANSWER_BYTES, ListOffer, RecordRow, Terms
from tutela.exchange.federation.nodes import Node
from tutela.exchange.federation.record import ROWS, Side
from tutela.exchange.federation.sharing import PAGE_BYTES
from tutela.fetch.http import Bounds, Fetcher, Question

_UNKNOWN = "unknown_node"

T = TypeVar("T")

_ANSWER_S, _PAGE_S = 120.0, 600.0
# What a node says when it refuses a message as it came: it is not answered and stays.
REFUSALS = ("addressed", "clock", "message", "order", "replayed", "stream", "too_large")


class _Problem(msgspec.Struct):
    """What is read of RFC 9457 problem details."""

    code: str = ""
    title: str = ""


class Link:
    """A connection to a node, which may be used for many requests; a context manager.

    Args:
        node: The other side.
        identity: Who we are.
        silence_s: For how long it may say nothing.
    """

    def __init__(self, node: Node, identity: Identity, silence_s: float) -> None:
        self.node = node
        self._answer = Bounds(ANSWER_BYTES, max(_ANSWER_S, silence_s), silence_s)
        self._page = Bounds(PAGE_BYTES, max(_PAGE_S, silence_s), silence_s)
        context = tls(identity, server=False)
        # This one certificate and no other: no name, no date and nobody's word counts beside it.
        context.load_verify_locations(cadata=node.certificate)
        self._fetcher = Fetcher(context)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._fetcher.close()

    def send(self, message: bytes) -> bytes:
        """Send a message; return its answer.

        Raises:
            FetchError: it did not get there, or no answer came.
            ConflictError: the node refuses it as it came; the code says why.
        """
        headers = {"Content-Type": "application/json"}
        question = Question(f"{self.node.url}/node/v1/messages", "POST", headers, message)
        return self._all(question)

    def terms(self) -> Terms:
        """Return what this node may do there.

        Raises:
            FetchError: they did not come.
            IntegrityError: what came is no such answer.
        """
        return self._read("/node/v1/terms", Terms)

    def offers(self) -> list[ListOffer]:
        """Return the lists of the node that this one may follow.

        Raises:
            FetchError: they did not come.
            IntegrityError: what came is no such answer.
        """
        return self._read("/node/v1/lists", list[ListOffer])

    @contextmanager
    def page(self, name: str, after: int) -> Iterator[Iterator[bytes]]:
        """Yield the pieces of a page of a list.

        Raises:
            FetchError: it did not come.
        """
        url = f"{self.node.url}/node/v1/lists/{quote(name)}?after={after}"
        with self._fetcher.ask(Question(url), self._page) as body:
            yield body.pieces

    def record(self, side: Side, after: int) -> list[RecordRow]:
        """Return what the node's log says of messages on one side, after a number.

        Raises:
            FetchError: it did not come.
            IntegrityError: what came is no such answer.
        """
        rows = self._read(f"/node/v1/record/{side}?after={after}", list[RecordRow])
        numbers = [after, *(row.number for row in rows)]
        if len(rows) > ROWS or any(one >= other for one, other in pairwise(numbers)):
            raise IntegrityError(f"the log of {self.node.name} is out of order", code="answer")
        return rows

    def _read(self, path: str, kind: type[T]) -> T:
        body = self._all(Question(self.node.url + path))
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise IntegrityError(
                f"{self.node.name} answered something else", code="answer"
            ) from error

    def _all(self, question: Question) -> bytes:
        try:
            with self._fetcher.ask(question, self._answer) as body:
                return b"".join(body.pieces)
        except FetchError as error:
            problem = _problem(error.said)
            if problem.code == _UNKNOWN:
                raise FetchError(
                    f"{self.node.name} does not trust this node (any more)",
                    code=_UNKNOWN,
                    hint="its operators compare your pin: tutela node key",
                    status=error.status,
                ) from error
            if problem.code in REFUSALS:
                raise ConflictError(
                    f"{self.node.name} refuses the message: {problem.title[:200]}",
                    code=problem.code,
                ) from error
            raise


def tls(identity: Identity, *, server: bool) -> ssl.SSLContext:
    """Return a TLS context that shows our key and believes nobody yet.

    Raises:
        ServiceError: the key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Nobody is known by a name. Whom we believe is loaded by the caller, key by key.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if server:
        # Each connection shows its key anew: one that is trusted no more comes in no other way.
        context.num_tickets = 0
    try:
        context.load_cert_chain(identity.path)
    except (OSError, ssl.SSLError) as error:
        raise ServiceError(f"the key of this node at {identity.path} cannot be used") from error
    return context


def believe(context: ssl.SSLContext, certificates: Iterable[str]) -> None:
    """Let a server's context accept these certificates as well, from the next connection on."""
    if pem := "".join(certificates):
        context.load_verify_locations(cadata=pem)


def _problem(said: bytes) -> _Problem:
    try:
        return msgspec.json.decode(said, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Problem()
