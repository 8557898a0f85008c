"""The reader: radius search and exact look-up over the present generation of an index."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tutela.core.errors import IntegrityError, UsageError
from tutela.core.media import PDQ, PDQ_RADIUS_BITS
from tutela.match import manifest as manifests
from tutela.match import space as spaces
from tutela.match.generation import Generation, load
from tutela.match.hits import ordered, room_for
from tutela.match.manifest import ListInfo
from tutela.match.segment import HINT, Segment
from tutela.match.writer import IndexWriter

__all__ = ["Index", "IndexWriter", "Matches"]

RADIUS_MAXIMUM_BITS = 31  # what sixteen tables with probes at one bit can answer
_BATCH = 8192  # queries that go through the kernels together
_ROOM = 256  # hits for which there is room at first, for each query; pages unused cost nothing
_HITS_TOGETHER = 1 << 22  # hits (64 MiB) beyond which a batch is halved


class Matches(NamedTuple):
    """Hits: query numbers (h,) int64, keys (h,) uint64, distances in bits (h,) uint8.

    Ordered by query, then by distance.
    """

    query: NDArray[np.int64]
    key: NDArray[np.uint64]
    distance_bits: NDArray[np.uint8]


class Index:
    """An index, open for reading: files are mapped, not read, and shared between processes.

    Every search first looks, by one `stat`, whether there is a new generation. A search works on
    one generation to its end, so threads may share an Index.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = os.fspath(folder / manifests.NAME)
        self._stamp = self._look()
        self._now = load(folder, {})

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index in a folder.

        Raises:
            UsageError: there is none (code `no_index`).
            IntegrityError: the manifest or a segment is damaged or missing.
        """
        return cls(path)

    @property
    def generation(self) -> int:
        """The number of the generation that is open; it grows with every commit."""
        return self._now.manifest.generation

    @property
    def lists(self) -> Mapping[int, ListInfo]:
        """The lists of the generation that is open, by number."""
        return self._now.lists

    @property
    def standing(self) -> tuple[int, Mapping[int, ListInfo]]:
        """The generation that is open and its lists, which belong together."""
        now = self._now
        return now.manifest.generation, now.lists

    def keys(self, space: str, list_number: int) -> NDArray[np.uint64]:
        """Return the keys (n,) of the rows of one list that can be found in a space, ascending."""
        self.refresh()
        return self._now.keys(space, list_number)

    def search(
        self, codes: NDArray[np.uint8], radius_bits: int = PDQ_RADIUS_BITS, *, space: str = PDQ
    ) -> Matches:
        """Return every live row within `radius_bits` (0 to 31) of the codes (q, 32) uint8.

        Raises:
            UsageError: the radius is out of range, or the codes are not (q, 32) uint8.
        """
        queries = _checked(codes, radius_bits, space)
        self.refresh()
        return _found(self._now, space, queries, radius_bits)

    def stream(
        self, codes: NDArray[np.uint8], radius_bits: int = PDQ_RADIUS_BITS, *, space: str = PDQ
    ) -> Iterator[Matches]:
        """Yield what `search` returns in pieces of bounded size, in order of the queries.

        A piece holds at most 2**22 hits, or those of one query.
        """
        queries = _checked(codes, radius_bits, space)
        self.refresh()
        yield from _pieces(self._now, space, queries, radius_bits)

    def lookup(self, space: str, values: NDArray[np.uint8]) -> Matches:
        """Return every live row equal to one of the values (q, w) uint8, at distance 0.

        Raises:
            UsageError: the space is not one of equality, or the width is not that of its values.
        """
        if spaces.is_radius_space(space):
            raise UsageError(f"space {space} is searched by distance", hint="use search")
        checked = spaces.exact_values(space, values)
        self.refresh()
        return _found(self._now, space, checked, 0)

    def under(
        self, space: str, prefix: int, bits: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        """Return values (n, w) and keys (n,) of all live rows that begin with some bits.

        Args:
            space: One of digests, whose values are stored as they are.
            prefix: The first `bits` bits of the values, as a number.
            bits: How many, 0 to 63.

        Raises:
            UsageError: the space is of other values, or the prefix does not fit its bits.
        """
        if space not in spaces.DIGEST_BYTES:
            raise UsageError(f"values of {space} have no prefix", hint="name a digest")
        if not (0 <= bits < 64 and 0 <= prefix < 1 << bits):
            raise UsageError(f"{prefix} is no prefix of {bits} bits")
        self.refresh()
        return self._now.under(space, prefix, bits)

    def count(self, space: str) -> int:
        """Return how many rows of a space can be found."""
        self.refresh()
        return self._now.count(space)

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments that hold rows, open as they are."""
        return tuple(part.segment for part in self._now.by_file.values())

    def refresh(self) -> bool:
        """Move on to the present generation; tell whether that was a new one.

        Raises:
            IntegrityError: it is damaged. The generation before stays open.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        before = self._now
        self._now = load(self._folder, before.by_file)
        self._stamp = stamp
        return self._now.manifest.generation != before.manifest.generation

    def prewarm(self) -> None:
        """Read the whole index into memory, so that first queries do not wait for the disk."""
        for segment in self._now.segments():
            segment.prewarm()

    def verify(self) -> None:
        """Hold every file of the index against the SHA-256 in its manifest.

        Raises:
            IntegrityError: one differs.
        """
        for segment in self._now.segments():
            segment.verify()

    def _look(self) -> tuple[int, int, int]:
        try:
            seen = os.stat(self._path)  # noqa: PTH116 a third of the cost of Path.stat, every search
        except FileNotFoundError:
            if not hasattr(self, "_now"):
                return (0, 0, 0)  # load says it better
            raise IntegrityError(
                f"the index in {self._folder} is gone", code="index_gone", hint=HINT
            ) from None
        return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _checked(codes: NDArray[np.uint8], radius: int, space: str) -> NDArray[np.uint16]:
    if not spaces.is_radius_space(space):
        raise UsageError(f"space {space} is compared for equality only", hint="use lookup")
    if not 0 <= radius <= RADIUS_MAXIMUM_BITS:
        raise UsageError(f"radius {radius} is not between 0 and {RADIUS_MAXIMUM_BITS}")
    return spaces.codes(codes)


def _found(generation: Generation, space: str, queries: NDArray[Any], radius: int) -> Matches:
    if len(queries) == 1:  # a platform's every upload: spared the work of putting pieces together
        hits = _hits(generation, space, queries, radius)
        assert hits is not None
        return _matches(hits, 1, 0)
    return _joined(list(_pieces(generation, space, queries, radius)))


def _pieces(
    generation: Generation, space: str, queries: NDArray[Any], radius: int
) -> Iterator[Matches]:
    waiting = [(at, min(at + _BATCH, len(queries))) for at in range(0, len(queries), _BATCH)]
    while waiting:
        begin, end = waiting.pop(0)
        hits = _hits(generation, space, queries[begin:end], radius)
        if hits is None:
            middle = (begin + end) // 2
            waiting[:0] = [(begin, middle), (middle, end)]
        else:
            yield _matches(hits, end - begin, begin)


def _hits(
    generation: Generation, space: str, queries: NDArray[Any], radius: int
) -> NDArray[np.uint64] | None:
    """Return all hits, or None when there are too many for several queries together."""
    parts = generation.parts.get(space, ())
    room = _ROOM * len(queries)
    while True:
        hits = room_for(room)
        for part in parts:
            part.find(queries, radius, generation.dead_plain, hits)
        found = int(hits[0, 0])
        if found <= room:
            return hits
        if found > _HITS_TOGETHER and len(queries) > 1:
            return None
        room = found


def _matches(hits: NDArray[np.uint64], queries: int, first_query: int) -> Matches:
    if not hits[0, 0]:
        return Matches(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint8))
    return Matches(*ordered(hits, queries, first_query))


def _joined(pieces: list[Matches]) -> Matches:
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return _matches(room_for(0), 0, 0)
    return Matches(
        np.concatenate([piece.query for piece in pieces]),
        np.concatenate([piece.key for piece in pieces]),
        np.concatenate([piece.distance_bits for piece in pieces]),
    )
