"""Rewriting: several segments of a space become few, without the rows that are deleted.

A commit merges small segments, so that a stream of small commits does not slow searches down, and
sheds rows where most are deleted, so that a list that is replaced again and again takes no more and
more room. Compaction rewrites whatever could be smaller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutela.match.build import BLOCK_ROWS, CodeBuilder, ValueBuilder
from tutela.match.hits import Dead, alive, nothing_dead
from tutela.match.mih import ROWS_MAXIMUM
from tutela.match.segment import Kind, Record, Segment

SMALL_SEGMENTS = 8  # of one size that may stand before a commit merges them
SMALL_ROWS = (1 << 16, 1 << 18)  # those sizes: fewer rows than this


class Workshop:
    """Where segments are made: a folder, the next file number and what counts as deleted."""

    def __init__(self, folder: Path, next_file: int, dead: Dead) -> None:
        self.folder = folder
        self.next_file = next_file
        self.dead = dead

    def new_file(self) -> str:
        """Return a file name that no generation has used."""
        self.next_file += 1
        return f"segment-{self.next_file:08x}"

    def code_builder(self, space: str) -> CodeBuilder:
        """Begin a segment of a radius space."""
        return CodeBuilder(self.folder, self.new_file(), space)

    def value_builder(self, space: str, width: int) -> ValueBuilder:
        """Begin a segment of an exact space."""
        return ValueBuilder(self.folder, self.new_file(), space, width)

    def rewrite(self, records: list[Record], born: int) -> list[Record]:
        """Return new segments with the live rows of `records`, which share one space."""
        space = records[0].space
        segments = [Segment(self.folder, record) for record in records]
        if records[0].kind is Kind.SORTED:
            values = self.value_builder(space, records[0].parameter)
            for segment in segments:
                values.append_sorted(self._live(segment, "values"))
            return _finished([values], born)
        codes = [self.code_builder(space)]
        for segment in segments:
            for block, keys in self._live(segment, "codes"):
                if len(keys) > codes[-1].room:
                    codes.append(self.code_builder(space))
                codes[-1].append(block.view(np.uint16), keys)
        return _finished(codes, born)

    def _live(
        self, segment: Segment, column: str
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.uint64]]]:
        rows, keys = segment.arrays[column], segment.arrays["keys"]
        for begin in range(0, len(keys), BLOCK_ROWS):
            block = keys[begin : begin + BLOCK_ROWS]
            keep = alive(block, segment.record.born, self.dead)
            if keep.any():
                yield rows[begin : begin + BLOCK_ROWS][keep], block[keep]


def _finished(builders: Iterable[CodeBuilder | ValueBuilder], born: int) -> list[Record]:
    records = []
    for builder in builders:
        if builder.rows:
            records.append(builder.finish(born))
        else:
            builder.discard()
    return records


def shed(workshop: Workshop, records: list[Record], born: int) -> list[Record]:
    """Return the records after rewriting those of which more than half of the rows are deleted.

    Deletions that no row is left for are forgotten.
    """
    kept: list[Record] = []
    needed = False
    for record in records:
        keys = Segment(workshop.folder, record).arrays["keys"]
        live = int(alive(keys, record.born, workshop.dead).sum())
        if 2 * live < record.rows:
            kept += workshop.rewrite([record], born)
        else:
            kept.append(record)
            needed |= live < record.rows
    if not needed:
        workshop.dead = nothing_dead()
    return kept


def merge_small(workshop: Workshop, records: list[Record], born: int) -> list[Record]:
    """Return the records after merging where too many small segments of a space stand."""
    for space in sorted({record.space for record in records}):
        for limit in SMALL_ROWS:
            small = [r for r in records if r.space == space and r.rows < limit]
            if len(small) > SMALL_SEGMENTS:
                others = [r for r in records if r not in small]
                records = others + workshop.rewrite(small, born)
    return records


def compact(workshop: Workshop, records: list[Record], born: int) -> list[Record]:
    """Return the records after rewriting each space that deleted rows or more files burden."""
    compacted: list[Record] = []
    for space in sorted({record.space for record in records}):
        mine = [record for record in records if record.space == space]
        rows = sum(record.rows for record in mine)
        fewest = 1 if mine[0].kind is Kind.SORTED else -(-rows // ROWS_MAXIMUM)
        burdened = len(workshop.dead.keys) or len(workshop.dead.lists)
        compacted += workshop.rewrite(mine, born) if burdened or len(mine) > fewest else mine
    return compacted
