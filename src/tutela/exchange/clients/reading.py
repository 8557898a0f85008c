"""Reading pages of others in a confined process, which knows neither credential nor network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import msgspec

from tutela.core.errors import InputError, SandboxError
from tutela.exchange.clients import ncmec, stopncii, threatexchange
from tutela.exchange.clients.role import Reader, Row, Tail, Terms
from tutela.hashlist.format import RowError
from tutela.hashlist.value import check
from tutela.sandbox import UNREADABLE, Limits
from tutela.sandbox.pool import Broken, Pool, Reply

_TOGETHER = 1_024  # rows
_READER_BYTES = 2 << 30  # address space that the confined reader may add
_SILENCE_S = 300.0
_READERS: dict[str, Reader] = {
    ncmec.KIND: ncmec.read,
    stopncii.KIND: stopncii.read,
    threatexchange.KIND: threatexchange.read,
}


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Rows of a page, and with the last of them what else it says."""

    rows: tuple[Row, ...]
    tail: Tail | None = None


def read_page(request: bytes, files: list[int], reply: Callable[[bytes], None]) -> None:
    """Read the one file, a page, and reply with its rows once it is read to its end; runs confined.

    Raises:
        InputError: it is no page, or cut off: nothing of it counts.
    """
    terms = msgspec.msgpack.decode(request, type=Terms)
    encode = msgspec.msgpack.Encoder().encode
    waiting: list[Row] = []
    replies: list[bytes] = []

    def take(row: Row) -> None:
        waiting.append(_bounded(row))
        if len(waiting) >= _TOGETHER:
            replies.append(encode(Page(tuple(waiting))))
            waiting.clear()

    try:
        with io.BufferedReader(io.FileIO(files[0], "rb", closefd=False), 1 << 18) as stream:
            tail = _READERS[terms.kind](stream, terms, take)
    except InputError as error:
        reason = f"a page of the server cannot be read: {error.message}"
        raise InputError(reason, code=error.code, hint=error.hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"a page of the server cannot be read: {error}", code="page") from None
    for part in replies:
        reply(part)
    reply(encode(Page(tuple(waiting), tail)))


def _bounded(row: Row) -> Row:
    """Return a row, without its entry where that carries more than an entry may."""
    try:
        if row.entry is not None:
            check(row.entry)
    except RowError as error:
        return Row(row.key, bad=(*row.bad, error.at(0, row.key)))
    return row


class PageReader:
    """Reads pages one after the other in one confined process."""

    def __init__(self, pool: Pool, terms: Terms) -> None:
        self._pool = pool
        self._request = msgspec.msgpack.encode(terms)
        self._decode = msgspec.msgpack.Decoder(Page).decode

    def read(self, stream: IO[bytes]) -> tuple[list[Row], Tail]:
        """Return the rows of a page and what else it says.

        Raises:
            InputError: it is no page (code `page`, `xml` or `doctype`).
            SandboxError: reading it broke a limit.
        """
        self._pool.submit(self._request, [stream.fileno()])
        rows: list[Row] = []
        tail: Tail | None = None
        while True:
            for event in self._pool.events(None):
                match event:
                    case Reply():
                        page = self._page(event.payload)
                        rows += page.rows
                        tail = page.tail or tail
                    case Broken():
                        raise event.error or SandboxError(
                            f"reading a page failed: {event.detail}", code=event.code
                        )
                    case _:
                        if tail is None:
                            raise SandboxError("the confined reader ended early", code="protocol")
                        return rows, tail

    def _page(self, payload: bytes) -> Page:
        try:
            return self._decode(payload)
        except UNREADABLE:
            raise SandboxError("the confined reader sent garbage", code="protocol") from None


@contextmanager
def page_reader(terms: Terms) -> Iterator[PageReader]:
    """Yield a reader of pages as long as the context."""
    limits = Limits(memory_bytes=_READER_BYTES, silence_s=_SILENCE_S)
    with Pool(read_page, jobs=1, limits=limits) as pool:
        yield PageReader(pool, terms)
