"""Turning the pages of a server: where a round begins, what follows a page, and when to stop.

Whatever the server does, a round ends: a page that names itself or an earlier one as the next is
`stalled`, empty pages are passed over up to a number, and pages and bytes are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import msgspec

from tutela.core.errors import FetchError
from tutela.exchange.clients.reading import PageReader
from tutela.exchange.clients.role import Client, Row, Tail
from tutela.exchange.clients.wire import Limits, Wire

_MARGIN_S = 5  # servers may still be writing what they date with this second
_SHORTEST_S = 60  # of a range that is not made smaller any more
_SMALLER = 16
_LARGER = 4
_TOO_MUCH_ASKED = frozenset({500, 504})
_TOKEN_REFUSED = frozenset({400, 404, 410, 422})
_GONE = 410


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far one is with a server, in seconds since 1970.

    Everything up to `since` is here. `token` names the next page of the range from `begin` to
    `until` that is under way since `asked_at`. In a `full` round everything is listed; the last one
    began at `full_at`.
    """

    since: int
    begin: int = 0
    until: int = 0
    token: str = ""
    asked_at: int = 0
    full: bool = False
    full_at: int = 0

    @classmethod
    def first(cls, client: Client, at: int) -> Self:
        """Return where a full round begins."""
        return cls(since=client.zero, full=True, full_at=at)


class Turned(NamedTuple):
    """A page that came, where one is with it, and whether it is the first of all there is."""

    rows: list[Row]
    place: Place
    anew: bool


class Paging:
    """One round.

    Args:
        client: Knows what to ask for.
        limits: What the round may take.
        at: The present second.
        wire: Asks.
        reader: Reads.
    """

    def __init__(
        self, client: Client, limits: Limits, at: int, wire: Wire, reader: PageReader
    ) -> None:
        self._client, self._limits, self._at = client, limits, at
        self._wire, self._reader = wire, reader
        self._span_s = 0  # of a range; 0 for all at once
        self._further = self._token_refused = False
        self._known: set[str] = set()
        self._pages = self._empty = 0

    def pages(self, place: Place) -> Iterator[Turned]:
        """Yield every page from `place` on.

        Raises:
            FetchError: one did not come, or (code `stalled`) leads nowhere, or (code
                `round_limit`) it is enough for one round.
            InputError: one cannot be read.
            SandboxError: reading one broke a limit.
        """
        if self._at - place.asked_at > self._client.token_s:
            place = msgspec.structs.replace(place, token="")
        while place.token or self._further is False or place.since < self._end:
            if not place.token:
                place = self._range(place)
            self._enough()
            anew = place.full and not place.token and place.begin == self._client.zero
            question = self._client.page(place.begin, place.until, place.token)
            try:
                rows, tail = self._wire.page(question, self._reader.read)
            except FetchError as error:
                place = self._otherwise(place, error)
                continue
            after, stalled = self._after(place, tail)
            yield Turned(rows, after, anew)
            if stalled or self._too_empty(rows, after):
                raise FetchError(
                    "the server gives the same page again and again, or none that leads on",
                    code="stalled",
                    hint="what came is kept; the next round asks again",
                )
            place = after
            if not place.token and not self._client.windows:
                return

    @property
    def _end(self) -> int:
        """The second up to which may be asked: not one that is yet to come for the server."""
        return min(self._at, self._wire.server_at or self._at) - _MARGIN_S

    def _range(self, place: Place) -> Place:
        """Begin the next range of time."""
        overlap_s = 0 if self._further else self._client.overlap_s
        begin = max(self._client.zero, place.since - overlap_s)
        end = min(begin + self._span_s, self._end) if self._span_s else self._end
        until = max(end, begin) if self._client.windows else place.since
        return msgspec.structs.replace(place, begin=begin, until=until, asked_at=self._at)

    def _after(self, place: Place, tail: Tail) -> tuple[Place, bool]:
        """Return where one is after a page, and whether it leads nowhere."""
        # A time to come would let the next round ask for nothing, or too little.
        if self._client.windows:
            until = min(place.until, max(self._end, place.begin))
        else:
            until = min(max(place.until, tail.latest), self._at)
        if tail.more and (not tail.following or tail.following in self._known | {place.token}):
            return msgspec.structs.replace(place, token=""), True
        self._known.add(tail.following)
        if tail.following:
            return msgspec.structs.replace(place, token=tail.following, until=until), False
        self._further = True
        self._span_s *= _LARGER
        since = max(place.since, until)
        return msgspec.structs.replace(place, since=since, token=""), False

    def _otherwise(self, place: Place, error: FetchError) -> Place:
        """Return what to ask for instead of what was refused; raise the error where nothing is."""
        if place.token and error.status in _TOKEN_REFUSED and not self._token_refused:
            self._token_refused = True
            return msgspec.structs.replace(place, token="")
        if error.status == _GONE and not place.full:
            return Place.first(self._client, self._at)
        length_s = place.until - place.begin
        too_much = error.code in {"too_long", "too_slow"} or error.status in _TOO_MUCH_ASKED
        if not (self._client.windows and too_much and not place.token and length_s > _SHORTEST_S):
            raise error
        self._span_s = max(_SHORTEST_S, length_s // _SMALLER)
        return place

    def _enough(self) -> None:
        self._pages += 1
        if self._pages > self._limits.pages or self._wire.size_bytes > self._limits.round_bytes:
            raise FetchError(
                "the server sends more than is taken in one round",
                code="round_limit",
                hint="what came is kept; the next round goes on",
            )

    def _too_empty(self, rows: list[Row], after: Place) -> bool:
        """Tell whether too many pages said nothing but that there is another one."""
        self._empty = 0 if rows or not after.token else self._empty + 1
        return self._empty > self._limits.empty_pages
