"""Tagged multi-index hashing: the kernels of large segments.

Sixteen tables, one for each 16-bit chunk of a code. Table t groups the rows by chunk t (its lowest
`shift` bits dropped, so that small segments have few buckets) and stores, beside each row number,
chunk t + 1 as a tag: one wide comparison of 32 tags settles what would be 32 cache misses.
docs/explanation/matching.md proves that no row within the radius is missed and that each is found
exactly once. Plain multi-index hashing: Norouzi, Punjani and Fleet, arXiv 1307.2982.

A search walks through pairs (table, query), all queries of one table before the next table. Almost
all of its time would be waiting for memory, so it runs in stages, each of which asks for what the
next one reads: offsets two windows of pairs ahead, tags one window ahead, row numbers when a tag
passes, and codes once a few hundred rows wait to be compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.fingerprint.kernel import kernel
from tutela.match.bits import TAG_LANES, lowest, near_tags, popcount, prefetch
from tutela.match.hits import Dead, emit, is_dead
from tutela.match.layout import CHUNKS, distance, regroup

ROWS_MAXIMUM = 1 << 24  # row numbers are stored in three bytes
_PROBES = 17  # a chunk itself and its 16 neighbours at one bit
_WINDOW = 8  # pairs whose memory is asked for together
_CANDIDATES = 256  # rows that wait before their codes are read
# A query with more candidates than this share of the rows is answered by reading all codes instead.
_HEAVY_SHARE = 8
_HEAVY_LEAST = 1024


OneTable = tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint8]]


class Tables(NamedTuple):
    """A segment as the kernels see it; tags and ids are padded for reads of a full vector."""

    codes: NDArray[np.uint64]  # (rows, 4), regrouped
    keys: NDArray[np.uint64]  # (rows,)
    offsets: NDArray[np.uint32]  # (16, buckets + 1)
    tags: NDArray[np.uint16]  # (16, at least rows + 32)
    ids: NDArray[np.uint8]  # (16, at least 3 * rows)
    shift: int
    born: int


class Search(NamedTuple):
    """What is searched for and where, and what the stages leave for each other."""

    tables: Tables
    dead: Dead
    hits: NDArray[np.uint64]
    codes: NDArray[np.uint16]  # (queries, 16), regrouped
    words: NDArray[np.uint64]  # the same, (queries, 4)
    radius: int
    shares: NDArray[np.int64]  # (16,): how radius + 1 is shared among the chunks
    begins: NDArray[np.int64]  # (2, window, probes): postings of each probe, from
    ends: NDArray[np.int64]  # ... and to
    waiting: NDArray[np.int64]  # (candidates, 3): table, query, place among the postings or row
    effort: NDArray[np.int64]  # (queries,): candidates so far
    stopped: NDArray[np.int64]  # (queries,): tables from this one on are left to the plain scan


@kernel(entry=False)
def shares_of(radius: int) -> NDArray[np.int64]:
    """Share radius + 1 among the chunks, as evenly as whole numbers allow: 0, 1 or 2 each."""
    shares = np.full(CHUNKS, (radius + 1) // CHUNKS, np.int64)
    shares[: (radius + 1) % CHUNKS] += 1
    return shares


@kernel()
def search(
    codes: NDArray[np.uint16],
    radius: int,
    segment: Tables,
    deleted: Dead,
    hits: NDArray[np.uint64],
) -> None:
    """Add all rows within `radius` (0 to 31) bits of codes (q, 16), as PDQ gives them, to `hits`.

    `segment` and `deleted` come as plain tuples, which cost less to hand over.
    """
    queries = regroup(codes)
    count = queries.shape[0]
    run = Search(
        Tables(*segment),
        Dead(*deleted),
        hits,
        queries,
        queries.view(np.uint64),
        radius,
        shares_of(radius),
        np.zeros((2, _WINDOW, _PROBES), np.int64),
        np.zeros((2, _WINDOW, _PROBES), np.int64),
        np.empty((_CANDIDATES + TAG_LANES, 3), np.int64),
        np.zeros(count, np.int64),
        np.full(count, CHUNKS, np.int64),
    )
    pairs = CHUNKS * count
    waiting = 0
    for first in range(-2 * _WINDOW, pairs, _WINDOW):
        _ask_offsets(run, first + 2 * _WINDOW)
        _ask_tags(run, first + _WINDOW)
        for pair in range(max(first, 0), min(first + _WINDOW, pairs)):
            waiting = _compare_tags(run, pair, waiting)
    _compare_codes(run, waiting)
    for query in range(count):
        if run.stopped[query] < CHUNKS:
            _compare_all(run, query)


@kernel(entry=False)
def _probes(run: Search, table: int) -> int:
    """Return how many buckets of a table are read: the chunk's own, and those one bit away."""
    return (0, 1, _PROBES - run.tables.shift)[run.shares[table]]


@kernel(entry=False)
def _bucket(run: Search, table: int, query: int, probe: int) -> np.int64:
    own = np.int64(run.codes[query, table]) >> run.tables.shift
    return own ^ np.int64(1 << probe >> 1)  # probe 0 flips nothing, probe k flips bit k - 1


@kernel(entry=False)
def _ask_offsets(run: Search, first: int) -> None:
    offsets = run.tables.offsets
    count = run.codes.shape[0]
    start = np.uint64(offsets.ctypes.data)
    for pair in range(first, min(first + _WINDOW, CHUNKS * count)):
        table = pair // count
        query = pair - table * count
        row = table * offsets.shape[1]
        for probe in range(_probes(run, table)):
            if probe == 0 or probe > 4:  # 16 offsets share a cache line
                prefetch(start + np.uint64(4 * (row + _bucket(run, table, query, probe))))


@kernel(entry=False)
def _ask_tags(run: Search, first: int) -> None:
    tables = run.tables
    count = run.codes.shape[0]
    rows = tables.codes.shape[0]
    start = np.uint64(tables.tags.ctypes.data)
    half = (first // _WINDOW) & 1
    for pair in range(max(first, 0), min(first + _WINDOW, CHUNKS * count)):
        table = pair // count
        query = pair - table * count
        row = table * tables.tags.shape[1]
        for probe in range(_probes(run, table)):
            bucket = _bucket(run, table, query, probe)
            # Clamped, so that a damaged file can make a search wrong but never read elsewhere.
            begin = np.int64(tables.offsets[table, bucket])
            end = min(np.int64(tables.offsets[table, bucket + 1]), rows)
            prefetch(start + np.uint64(2 * (row + begin)))
            prefetch(start + np.uint64(2 * (row + end)))
            run.begins[half, pair - first, probe] = begin
            run.ends[half, pair - first, probe] = end


@kernel(entry=False)
def _compare_tags(run: Search, pair: int, waiting: int) -> int:
    """Put the rows whose tags pass among the waiting ones; return how many wait then."""
    tables = run.tables
    count = run.codes.shape[0]
    table = pair // count
    query = pair - table * count
    if run.stopped[query] <= table:
        return waiting
    following = (table + 1) % CHUNKS
    bound = run.shares[table] + run.shares[following] - 1
    tags = np.uint64(tables.tags.ctypes.data) + np.uint64(2 * table * tables.tags.shape[1])
    ids = np.uint64(tables.ids.ctypes.data) + np.uint64(table * tables.ids.shape[1])
    half = (pair // _WINDOW) & 1
    for probe in range(_probes(run, table)):
        end = run.ends[half, pair % _WINDOW, probe]
        limit = np.uint16(bound - min(probe, 1))
        for begin in range(run.begins[half, pair % _WINDOW, probe], end, TAG_LANES):
            near = near_tags(tags + np.uint64(2 * begin), run.codes[query, following], limit)
            if end - begin < TAG_LANES:
                near &= (np.uint64(1) << np.uint64(end - begin)) - np.uint64(1)
            while near:
                place = begin + lowest(near)
                near &= near - np.uint64(1)
                prefetch(ids + np.uint64(3 * place))
                run.waiting[waiting] = (table, query, place)
                run.effort[query] += 1
                waiting += 1
            if waiting >= _CANDIDATES:
                _compare_codes(run, waiting)
                waiting = 0
    if run.effort[query] > tables.codes.shape[0] // _HEAVY_SHARE + _HEAVY_LEAST:
        run.stopped[query] = table + 1
    return waiting


@kernel(entry=False)
def _compare_codes(run: Search, waiting: int) -> None:
    """Compare the waiting rows in full, and emit those that this table finds first."""
    tables = run.tables
    start = np.uint64(tables.codes.ctypes.data)
    for candidate in range(waiting):
        table, _, place = run.waiting[candidate]
        row = (
            np.int64(tables.ids[table, 3 * place])
            | np.int64(tables.ids[table, 3 * place + 1]) << 8
            | np.int64(tables.ids[table, 3 * place + 2]) << 16
        )
        run.waiting[candidate, 2] = min(row, tables.codes.shape[0] - 1)
        prefetch(start + np.uint64(32 * row))
    for candidate in range(waiting):
        table, query, row = run.waiting[candidate]
        apart = distance(tables.codes[row], run.words[query])
        if apart <= run.radius and _first_table(run, query, tables.codes[row]) == table:
            _emit_live(run, query, apart, row)


@kernel(entry=False)
def _compare_all(run: Search, query: int) -> None:
    """Read all rows for a query that crowded buckets made heavy; emit what is not emitted yet."""
    for row in range(run.tables.codes.shape[0]):
        code = run.tables.codes[row]
        apart = distance(code, run.words[query])
        if apart <= run.radius and _first_table(run, query, code) >= run.stopped[query]:
            _emit_live(run, query, apart, row)


@kernel(entry=False)
def _emit_live(run: Search, query: int, apart: int, row: int) -> None:
    key = run.tables.keys[row]
    if not is_dead(key, run.tables.born, run.dead):
        emit(run.hits, query, apart, key)


@kernel(entry=False)
def _first_table(run: Search, query: int, code: NDArray[np.uint64]) -> int:
    """Return the first table whose probes and tags let a row within the radius pass."""
    apart = np.empty(CHUNKS + 1, np.int64)
    for word in range(4):
        differ = code[word] ^ run.words[query, word]
        for part in range(4):
            apart[4 * word + part] = popcount((differ >> np.uint64(16 * part)) & np.uint64(0xFFFF))
    apart[CHUNKS] = apart[0]
    for table in range(CHUNKS):
        share = run.shares[table]
        both = share + run.shares[(table + 1) % CHUNKS]
        if apart[table] < share and apart[table] + apart[table + 1] < both:
            return table
    return CHUNKS


@kernel()
def fill(codes: NDArray[np.uint16], table: int, shift: int, out: OneTable) -> None:
    """Write one table of a segment of regrouped codes (n, 16) by counting sort.

    `out` is offsets (buckets + 1,), tags (at least n,) and ids (at least 3 n,).
    """
    offsets, tags, ids = out
    offsets[:] = 0
    for row in range(codes.shape[0]):
        offsets[(np.int64(codes[row, table]) >> shift) + 1] += np.uint32(1)
    for bucket in range(1, offsets.size):
        offsets[bucket] += offsets[bucket - 1]
    following = (table + 1) % CHUNKS
    for row in range(codes.shape[0]):
        own = np.int64(codes[row, table]) >> shift
        place = np.int64(offsets[own])
        offsets[own] += np.uint32(1)
        tags[place] = codes[row, following]
        ids[3 * place] = row & 0xFF
        ids[3 * place + 1] = (row >> 8) & 0xFF
        ids[3 * place + 2] = row >> 16
    # Each offset now stands at the end of its bucket, which is where the next one begins.
    for bucket in range(offsets.size - 1, 0, -1):
        offsets[bucket] = offsets[bucket - 1]
    offsets[0] = 0
