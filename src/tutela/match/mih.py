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
from tutela.match.ring import first_table, shares_of

ROWS_MAXIMUM = 1 << 24  # row numbers are stored in three bytes
_PROBES = 17  # a chunk itself and its 16 neighbours at one bit
_WINDOW = 8  # pairs whose memory is asked for together
_CANDIDATES = 256  # rows that wait before their codes are read
# A query with more candidates than this share of the rows is answered by reading all codes instead:
# one after the other they cost about a fortieth of what a candidate at a random place costs.
_HEAVY_SHARE = 64
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
    """What is searched for and where, and what the stages leave for each other.

    To hand this over costs about as much as a probe, so every stage works on a whole window.
    """

    tables: Tables
    dead: Dead
    hits: NDArray[np.uint64]
    codes: NDArray[np.uint16]  # (queries, 16), regrouped
    words: NDArray[np.uint64]  # the same, (queries, 4)
    radius: int
    shares: NDArray[np.int64]  # (16,): how radius + 1 is shared among the chunks
    begins: NDArray[np.uint64]  # (2, window, probes): postings of each probe, from
    ends: NDArray[np.uint64]  # ... and to
    postings: NDArray[np.int64]  # (2, window): how many that are, all probes together
    places: NDArray[np.uint64]  # (candidates,): which posting waits, then its row
    tables_of: NDArray[np.int64]  # (candidates,): which table found it
    queries_of: NDArray[np.int64]  # (candidates,): for which query
    effort: NDArray[np.int64]  # (queries,): candidates so far
    stopped: NDArray[np.int64]  # (queries,): tables from this one on are left to the plain scan


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
        np.zeros((2, _WINDOW, _PROBES), np.uint64),
        np.zeros((2, _WINDOW, _PROBES), np.uint64),
        np.zeros((2, _WINDOW), np.int64),
        np.empty(_CANDIDATES + TAG_LANES, np.uint64),
        np.empty(_CANDIDATES + TAG_LANES, np.int64),
        np.empty(_CANDIDATES + TAG_LANES, np.int64),
        np.zeros(count, np.int64),
        np.full(count, CHUNKS, np.int64),
    )
    pairs = CHUNKS * count
    waiting = 0
    for first in range(-2 * _WINDOW, pairs, _WINDOW):
        _ask_offsets(run, first + 2 * _WINDOW)
        _ask_tags(run, first + _WINDOW)
        waiting = _compare_tags(run, first, waiting)
    _compare_codes(run, waiting)
    for query in range(count):
        if run.stopped[query] < CHUNKS:
            _compare_all(run, query)


@kernel(entry=False)
def _probes(share: int, shift: int) -> int:
    """Return how many buckets of a table are read: the chunk's own, and those one bit away."""
    return 0 if share == 0 else 1 if share == 1 else _PROBES - shift


@kernel(entry=False)
def _bucket(chunk: np.uint16, shift: int, probe: int) -> np.uint64:
    """Return the bucket of a probe: 0 is the chunk's own, k has bit k - 1 of that flipped."""
    return (np.uint64(chunk) >> np.uint64(shift)) ^ np.uint64(1 << probe >> 1)


@kernel(entry=False)
def _ask_offsets(run: Search, first: int) -> None:
    codes, shares, shift = run.codes, run.shares, run.tables.shift
    count = codes.shape[0]
    start = np.uint64(run.tables.offsets.ctypes.data)
    bytes_each = 4 * run.tables.offsets.shape[1]
    for pair in range(first, min(first + _WINDOW, CHUNKS * count)):
        table = pair // count
        chunk = codes[pair - table * count, table]
        offsets = start + np.uint64(table * bytes_each)
        for probe in range(_probes(shares[table], shift)):
            if probe == 0 or probe > 4:  # 16 offsets share a cache line
                prefetch(offsets + (_bucket(chunk, shift, probe) << np.uint64(2)))


@kernel(entry=False)
def _ask_tags(run: Search, first: int) -> None:
    codes, shares, shift = run.codes, run.shares, run.tables.shift
    half = (first // _WINDOW) & 1
    begins, ends, postings = run.begins[half], run.ends[half], run.postings[half]
    count = codes.shape[0]
    rows = np.uint64(run.tables.codes.shape[0])
    start = np.uint64(run.tables.tags.ctypes.data)
    bytes_each = 2 * run.tables.tags.shape[1]
    for pair in range(max(first, 0), min(first + _WINDOW, CHUNKS * count)):
        table = pair // count
        chunk = codes[pair - table * count, table]
        tags = start + np.uint64(table * bytes_each)
        offsets = run.tables.offsets[table]
        postings[pair - first] = 0
        for probe in range(_probes(shares[table], shift)):
            bucket = _bucket(chunk, shift, probe)
            # Clamped, so that a damaged file can make a search wrong but never read elsewhere.
            begin = np.uint64(offsets[bucket])
            end = min(np.uint64(offsets[bucket + np.uint64(1)]), rows)
            prefetch(tags + (begin << np.uint64(1)))
            prefetch(tags + (end << np.uint64(1)))
            begins[pair - first, probe] = begin
            ends[pair - first, probe] = end
            postings[pair - first] += np.int64(end - begin)


@kernel(entry=False)
def _near(
    tags: np.uint64, place: np.uint64, end: np.uint64, tag: np.uint16, limit: np.uint16
) -> np.uint64:
    """Return a mask of which of up to 32 tags from `place` on, before `end`, pass."""
    near = np.uint64(near_tags(tags + (place << np.uint64(1)), tag, limit))
    if end - place < np.uint64(TAG_LANES):
        near &= (np.uint64(1) << (end - place)) - np.uint64(1)
    return near


@kernel(entry=False)
def _compare_tags(run: Search, first: int, waiting: int) -> int:
    """Put the rows whose tags pass among the waiting ones; return how many wait then."""
    codes, shares, places = run.codes, run.shares, run.places
    tables_of, queries_of = run.tables_of, run.queries_of
    half = (first // _WINDOW) & 1
    begins, ends, postings = run.begins[half], run.ends[half], run.postings[half]
    heavy = run.tables.codes.shape[0] // _HEAVY_SHARE + _HEAVY_LEAST
    count = codes.shape[0]
    for pair in range(max(first, 0), min(first + _WINDOW, CHUNKS * count)):
        table = pair // count
        query = pair - table * count
        if run.stopped[query] <= table:
            continue
        following = (table + 1) % CHUNKS
        tag = codes[query, following]
        bound = shares[table] + shares[following] - 1
        tags = np.uint64(run.tables.tags.ctypes.data + 2 * table * run.tables.tags.shape[1])
        ids = np.uint64(run.tables.ids.ctypes.data + table * run.tables.ids.shape[1])
        if postings[pair - first] > heavy:
            run.effort[query] += _count_near(run, pair, first)
            if run.effort[query] > heavy:
                run.stopped[query] = table
                continue
        settled = waiting
        for probe in range(_probes(shares[table], run.tables.shift)):
            place = begins[pair - first, probe]
            end = ends[pair - first, probe]
            limit = np.uint16(bound - min(probe, 1))
            while place < end:
                near = _near(tags, place, end, tag, limit)
                while near:
                    spot = place + np.uint64(lowest(near))
                    near &= near - np.uint64(1)
                    prefetch(ids + np.uint64(3) * spot)
                    places[np.uint64(waiting)] = spot
                    tables_of[np.uint64(waiting)] = table
                    queries_of[np.uint64(waiting)] = query
                    waiting += 1
                place += np.uint64(TAG_LANES)
                if waiting >= _CANDIDATES:
                    run.effort[query] += waiting - settled
                    _compare_codes(run, waiting)
                    waiting = settled = 0
        run.effort[query] += waiting - settled
        if run.effort[query] > heavy:
            run.stopped[query] = table + 1
    return waiting


@kernel(entry=False)
def _count_near(run: Search, pair: int, first: int) -> int:
    """Return how many tags of a pair pass."""
    count = run.codes.shape[0]
    table = pair // count
    following = (table + 1) % CHUNKS
    tag = run.codes[pair - table * count, following]
    bound = run.shares[table] + run.shares[following] - 1
    tags = np.uint64(run.tables.tags.ctypes.data + 2 * table * run.tables.tags.shape[1])
    half = (first // _WINDOW) & 1
    passed = 0
    for probe in range(_probes(run.shares[table], run.tables.shift)):
        end = run.ends[half, pair - first, probe]
        limit = np.uint16(bound - min(probe, 1))
        place = run.begins[half, pair - first, probe]
        while place < end:
            passed += popcount(_near(tags, place, end, tag, limit))
            place += np.uint64(TAG_LANES)
    return passed


@kernel(entry=False)
def _compare_codes(run: Search, waiting: int) -> None:
    """Compare the waiting rows in full, and emit those that this table finds first."""
    ids, places, tables_of, queries_of = (
        run.tables.ids,
        run.places,
        run.tables_of,
        run.queries_of,
    )
    codes, keys, words, shares = run.tables.codes, run.tables.keys, run.words, run.shares
    radius, born, dead, hits = run.radius, run.tables.born, run.dead, run.hits
    last = np.uint64(codes.shape[0] - 1)
    start = np.uint64(codes.ctypes.data)
    for candidate in range(waiting):
        table = tables_of[candidate]
        byte = np.uint64(3) * places[candidate]
        row = np.uint64(ids[table, byte])
        row |= np.uint64(ids[table, byte + np.uint64(1)]) << np.uint64(8)
        row |= np.uint64(ids[table, byte + np.uint64(2)]) << np.uint64(16)
        row = min(row, last)
        places[candidate] = row
        prefetch(start + (row << np.uint64(5)))
    for candidate in range(waiting):
        row = places[candidate]
        table = tables_of[candidate]
        query = queries_of[candidate]
        apart = distance(codes[row], words[query])
        if (
            apart <= radius
            and first_table(shares, words[query], codes[row]) == table
            and not is_dead(keys[row], born, dead)
        ):
            emit(hits, query, apart, keys[row])


@kernel(entry=False)
def _compare_all(run: Search, query: int) -> None:
    """Read all rows for a query that crowded buckets made heavy; emit what is not emitted yet."""
    codes, keys, shares = run.tables.codes, run.tables.keys, run.shares
    radius, born, dead, hits = run.radius, run.tables.born, run.dead, run.hits
    own, stopped = run.words[query], run.stopped[query]
    for row in range(codes.shape[0]):
        apart = distance(codes[row], own)
        if (
            apart <= radius
            and first_table(shares, own, codes[row]) >= stopped
            and not is_dead(keys[row], born, dead)
        ):
            emit(hits, query, apart, keys[row])


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
