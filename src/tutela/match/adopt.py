"""Adopting: a segment that another index made becomes one of ours, its rows under our keys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutela.core.errors import IntegrityError
from tutela.match import space as spaces
from tutela.match.build import rekeyed
from tutela.match.key import ENTRY_BITS, ENTRY_MASK
from tutela.match.layout import regroup
from tutela.match.rewrite import Workshop
from tutela.match.segment import Kind, Record, Segment


def adopted(
    workshop: Workshop, segment: Segment, list_number: int, entries: int, born: int
) -> Record:
    """Write `segment` anew with the keys of `list_number`, and return its record.

    A segment that was made by somebody else can make a search miss, never read elsewhere: kernels
    clamp what they read. So its kind has to fit its space, and its keys have to be of one list and
    of entries that there are.

    Raises:
        IntegrityError: any of that is not so, or the file is not what its digest says.
    """
    segment.verify()
    record = segment.record
    keys: NDArray[np.uint64] = segment.arrays["keys"]
    numbers = keys & np.uint64(ENTRY_MASK)
    lists = keys >> np.uint64(ENTRY_BITS)
    sound = _fits(record) and bool((numbers < np.uint64(entries)).all())
    if not sound or not bool((lists == lists[:1]).all()):
        raise IntegrityError(
            f"segment {record.file} does not fit the entries it came with", code="segment_foreign"
        )
    ours = np.uint64(list_number << ENTRY_BITS) | numbers
    return rekeyed(segment, ours, workshop.folder, workshop.new_file(), born)


def _fits(record: Record) -> bool:
    if record.rows < 1:
        return False
    if spaces.is_radius_space(record.space):
        return record.kind is Kind.PLANES or (
            record.kind is Kind.TABLES and 0 <= record.parameter < 16
        )
    width = spaces.DIGEST_BYTES.get(record.space, spaces.CODE_BYTES)
    return record.kind is Kind.SORTED and record.parameter == width


def rows_sum(space: str, values: NDArray[np.uint8], keys: NDArray[np.uint64]) -> int:
    """Return a sum over rows, in any order: values (n, w) as given to a writer, and keys (n,).

    Two sets of rows with the same sum are the same, but for one chance in 2**64.
    """
    if spaces.is_radius_space(space):
        return _sum(regroup(spaces.codes(values)).view(np.uint8), keys)
    return _sum(spaces.exact_values(space, values), keys)


def segment_sum(segment: Segment) -> int:
    """Return what `rows_sum` gives for the rows of a segment."""
    column = segment.arrays["values" if segment.record.kind is Kind.SORTED else "codes"]
    return _sum(np.ascontiguousarray(column).view(np.uint8), segment.arrays["keys"])


def _sum(stored: NDArray[np.uint8], keys: NDArray[np.uint64]) -> int:
    """Mix every row (n, w) with its entry's number (splitmix64's constants), and add them up."""
    rows, width = stored.shape
    words = np.zeros((rows, -(-width // 8)), np.uint64)
    words.view(np.uint8).reshape(rows, -1)[:, :width] = stored
    mixed = (keys & np.uint64(ENTRY_MASK)) + np.uint64(width)
    for word in words.T:
        mixed = (mixed ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(32)
    return int(mixed.sum(dtype=np.uint64))
