"""PhotoDNA placeholders: one value that an exporter wrote on many different contents.

The rule: a value that stands on more than `PLACEHOLDER_CONTENTS` different contents of one list
names none of them. Its entries keep it, the index never gets it, an export leaves it out, and all
of that is counted. Contents are told apart by their digests, because one content listed at many
places rightly has one value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tutela.core.media import PHOTODNA
from tutela.hashlist.value import FINGERPRINT_BYTES

PLACEHOLDER_CONTENTS = 32
_CHUNK_ROWS = 1 << 16
_SHOWN = 64  # placeholders that are remembered in the list's info; one is usual
_ROW = np.dtype(
    [("value", "u1", (FINGERPRINT_BYTES[PHOTODNA],)), ("content", "<u8"), ("key", "<u8")]
)
# Odd multipliers of a multilinear hash of the 18 words of a value.
_FACTORS = np.random.default_rng(144).integers(1, 1 << 63, 18, dtype=np.uint64) * np.uint64(2) + 1


class Spool:
    """Holds the PhotoDNA values of an import on disk until it is known which are placeholders."""

    def __init__(self, path: Path) -> None:
        self.placeholders: list[bytes] = []
        self.dropped = 0
        self._path = path
        self._stream = path.open("xb")

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._stream.close()
        self._path.unlink(missing_ok=True)

    def add(
        self, values: NDArray[np.uint8], contents: NDArray[np.uint64], keys: NDArray[np.uint64]
    ) -> None:
        """Append values (n, 144) of `contents` (n,), which are to be indexed under `keys` (n,)."""
        rows = np.empty(len(values), _ROW)
        rows["value"], rows["content"], rows["key"] = values, contents, keys
        self._stream.write(rows.tobytes())

    def drain(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint64]]]:
        """Yield (values, keys) in chunks without placeholders, and fill the two counters."""
        self._stream.flush()
        if not self._stream.tell():
            return
        rows = np.memmap(self._path, dtype=_ROW, mode="r")
        hashes = np.concatenate([_hashes(chunk["value"]) for chunk in _chunks(rows)])
        shared = _shared(hashes, rows["content"])
        for begin, chunk in enumerate(_chunks(rows)):
            bad = np.isin(hashes[begin * _CHUNK_ROWS :][: len(chunk)], shared)
            self.dropped += int(bad.sum())
            if bad.any() and len(self.placeholders) < _SHOWN:
                seen = {bytes(value) for value in np.unique(chunk["value"][bad], axis=0)}
                known = {*self.placeholders, *seen}
                self.placeholders = sorted(known)[:_SHOWN]
            yield np.ascontiguousarray(chunk["value"][~bad]), chunk["key"][~bad].copy()


def _chunks(rows: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    for begin in range(0, len(rows), _CHUNK_ROWS):
        yield rows[begin : begin + _CHUNK_ROWS]


def _hashes(values: NDArray[np.uint8]) -> NDArray[np.uint64]:
    words = np.ascontiguousarray(values).view("<u8")
    mixed = (words * _FACTORS).sum(axis=1, dtype=np.uint64)
    return np.asarray(mixed ^ (mixed >> np.uint64(29)), np.uint64)


def _shared(hashes: NDArray[np.uint64], contents: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes that stand on too many different contents."""
    order = np.lexsort((contents, hashes))
    h, c = hashes[order], np.asarray(contents)[order]
    first = np.ones(len(h), bool)
    first[1:] = (h[1:] != h[:-1]) | (c[1:] != c[:-1])
    found, count = np.unique(h[first], return_counts=True)
    return np.asarray(found[count > PLACEHOLDER_CONTENTS], np.uint64)
