"""Tagged multi-index hashing: the kernels of large segments.

Sixteen tables, one for each 16-bit chunk of a code. Table t groups the rows by chunk t (its lowest
`shift` bits dropped, so that small segments have few buckets) and stores, beside each row number,
chunk t + 1 as a tag: one wide comparison of 32 tags settles what would be 32 cache misses.
docs/explanation/matching.md proves that no row within the radius is missed and that each is found
exactly once; Norouzi, Punjani and Fleet, arXiv 1307.2982, describe plain multi-index hashing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from tutela.match.kernel import kernel
from numpy.typing import NDArray

from tutela.match.bits import TAG_LANES, lowest, near_tags, popcount, prefetch
from tutela.match.hits import Dead, emit, is_dead
from tutela.match.layout import CHUNKS, distance

ROWS_MAXIMUM = 1 << 24  # row numbers are stored in three bytes
PROBES = 17  # a chunk itself and its 16 neighbours at one bit
WINDOW = 16  # (table, query) pairs whose memory is asked for together
CANDIDATES = 1024  # rows waiting for their code


class Tables(NamedTuple):
    """A segment as the kernels see it; tags and ids are padded for reads of a full vector."""

    codes: NDArray[np.uint64]  # (rows, 4), regrouped
    keys: NDArray[np.uint64]  # (rows,)
    offsets: NDArray[np.uint32]  # (16, buckets + 1)
    tags: NDArray[np.uint16]  # (16, at least rows + 32)
    ids: NDArray[np.uint8]  # (16, at least 3 * rows + 8)


class Scratch(NamedTuple):
    """What a search remembers between its stages."""

    begins: NDArray[np.int64]  # (WINDOW, PROBES): where the postings of a probe begin
    ends: NDArray[np.int64]
    places: NDArray[np.int64]  # (CANDIDATES,): table * stride + posting, then the row
    pairs: NDArray[np.int64]  # (CANDIDATES,): table * queries + query
    stopped: NDArray[np.int64]  # (queries,): tables from this one on are left to the plain scan
    work: NDArray[np.int64]  # (queries,): candidates so far


@kernel
def budgets(radius: int) -> NDArray[np.int64]:
    """Share radius + 1 among the chunks as evenly as whole numbers allow (0, 1 or 2 each)."""
    shares = np.full(CHUNKS, (radius + 1) // CHUNKS, np.int64)
    shares[: (radius + 1) % CHUNKS] += 1
    return shares


@kernel
def _first_table(
    code: NDArray[np.uint64], query: NDArray[np.uint64], shares: NDArray[np.int64]
) -> int:
    """Return the first table that finds `code`, or 16."""
    apart = np.empty(CHUNKS + 1, np.int64)
    for word in range(4):
        bits = code[word] ^ query[word]
        for part in range(4):
            apart[4 * word + part] = popcount((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF))
    apart[CHUNKS] = apart[0]
    for table in range(CHUNKS):
        pair = shares[table] + shares[(table + 1) % CHUNKS]
        if apart[table] < shares[table] and apart[table] + apart[table + 1] < pair:
            return table
    return CHUNKS


@kernel
def _ask_offsets(queries, nq, first, last, shift, shares, tables, scratch):
    stride = tables.offsets.shape[1]
    address = np.uint64(tables.offsets.ctypes.data)
    for pair in range(first, last):
        table = pair // nq
        chunk = np.int64(queries[pair - table * nq, table]) >> shift
        base = address + np.uint64(4 * (table * stride))
        prefetch(base + np.uint64(4 * chunk))
        if shares[table] == 2:
            for bit in range(4, CHUNKS - shift):
                prefetch(base + np.uint64(4 * (chunk ^ (1 << bit))))


@kernel
def _ask_tags(queries, nq, first, last, shift, shares, tables, scratch):
    rows = tables.codes.shape[0]
    stride = tables.tags.shape[1]
    address = np.uint64(tables.tags.ctypes.data)
    for pair in range(first, last):
        table = pair // nq
        chunk = np.int64(queries[pair - table * nq, table]) >> shift
        base = address + np.uint64(2 * (table * stride))
        probes = 0
        if shares[table]:
            probes = 1 if shares[table] == 1 else PROBES - shift
        for probe in range(PROBES):
            begin = 0
            end = 0
            if probe < probes:
                bucket = chunk if probe == 0 else chunk ^ (1 << (probe - 1))
                begin = np.int64(tables.offsets[table, bucket])
                end = min(np.int64(tables.offsets[table, bucket + 1]), rows)
                prefetch(base + np.uint64(2 * begin))
                prefetch(base + np.uint64(2 * end))
            scratch.begins[pair - first, probe] = begin
            scratch.ends[pair - first, probe] = end


@kernel
def search(queries, radius, shift, tables, born, dead, hits, found):
    nq = queries.shape[0]
    words = queries.view(np.uint64)
    shares = budgets(radius)
    scratch = Scratch(
        np.empty((WINDOW, PROBES), np.int64),
        np.empty((WINDOW, PROBES), np.int64),
        np.empty(CANDIDATES + TAG_LANES, np.int64),
        np.empty(CANDIDATES + TAG_LANES, np.int64),
        np.full(nq, CHUNKS, np.int64),
        np.zeros(nq, np.int64),
    )
    pairs = CHUNKS * nq
    for first in range(0, pairs, WINDOW):
        last = min(first + WINDOW, pairs)
        _ask_offsets(queries, nq, first, last, shift, shares, tables, scratch)
        _ask_tags(queries, nq, first, last, shift, shares, tables, scratch)
        waiting = 0
        for pair in range(first, last):
            table = pair // nq
            query = pair - table * nq
            if scratch.stopped[query] <= table:
                continue
            tag = queries[query, (table + 1) % CHUNKS]
            bound = shares[table] + shares[(table + 1) % CHUNKS] - 1
            stride = tables.tags.shape[1]
            base = np.uint64(tables.tags.ctypes.data) + np.uint64(2 * table * stride)
            ids = np.uint64(tables.ids.ctypes.data) + np.uint64(table * tables.ids.shape[1])
            for probe in range(PROBES):
                end = scratch.ends[pair - first, probe]
                for place in range(scratch.begins[pair - first, probe], end, TAG_LANES):
                    near = near_tags(
                        base + np.uint64(2 * place), tag, np.uint16(bound - (probe > 0))
                    )
                    if end - place < TAG_LANES:
                        near &= (np.uint64(1) << np.uint64(end - place)) - np.uint64(1)
                    while near:
                        spot = place + lowest(near)
                        near &= near - np.uint64(1)
                        prefetch(ids + np.uint64(3 * spot))
                        scratch.places[waiting] = spot
                        scratch.pairs[waiting] = pair
                        waiting += 1
                        scratch.work[query] += 1
                    if waiting >= CANDIDATES:
                        found = _settle(
                            words, radius, shares, tables, born, dead, hits, found, scratch, waiting
                        )
                        waiting = 0
            if scratch.work[query] > tables.codes.shape[0] // 8 + 1024:
                scratch.stopped[query] = table + 1
        found = _settle(words, radius, shares, tables, born, dead, hits, found, scratch, waiting)
    return found


@kernel
def _settle(words, radius, shares, tables, born, dead, hits, found, scratch, waiting):
    nq = words.shape[0]
    rows = tables.codes.shape[0]
    address = np.uint64(tables.codes.ctypes.data)
    for k in range(waiting):
        table = scratch.pairs[k] // nq
        place = 3 * scratch.places[k]
        row = (
            np.int64(tables.ids[table, place])
            | np.int64(tables.ids[table, place + 1]) << 8
            | np.int64(tables.ids[table, place + 2]) << 16
        )
        scratch.places[k] = row
        prefetch(address + np.uint64(32 * row))
    for k in range(waiting):
        row = scratch.places[k]
        table = scratch.pairs[k] // nq
        query = scratch.pairs[k] - table * nq
        if row >= rows:
            continue
        code = tables.codes[row]
        apart = distance(code, words[query])
        if apart <= radius and _first_table(code, words[query], shares) == table:
            key = tables.keys[row]
            if not is_dead(key, born, dead):
                found = emit(hits, found, query, apart, key)
    return found


@kernel
def fill(codes, table, shift, offsets, tags, ids):
    """Write one table of a segment: codes (n, 16) uint16."""
    rows = codes.shape[0]
    offsets[:] = 0
    for row in range(rows):
        offsets[(np.int64(codes[row, table]) >> shift) + 1] += np.uint32(1)
    for bucket in range(1, offsets.size):
        offsets[bucket] += offsets[bucket - 1]
    following = (table + 1) % CHUNKS
    for row in range(rows):
        bucket = np.int64(codes[row, table]) >> shift
        place = np.int64(offsets[bucket])
        offsets[bucket] += np.uint32(1)
        tags[place] = codes[row, following]
        ids[3 * place] = row & 0xFF
        ids[3 * place + 1] = (row >> 8) & 0xFF
        ids[3 * place + 2] = row >> 16
    for bucket in range(offsets.size - 1, 0, -1):
        offsets[bucket] = offsets[bucket - 1]
    offsets[0] = 0
