"""The pictures of a case while they are arranged: one array for each column, 100 bytes a picture.

A case may hold a million of them; an object for each would take a gigabyte. What differs rarely
(codes, cameras, reasons) is kept once, and a row holds its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from tutela.casework.model import MediaState
from tutela.core.ids import CaseId
from tutela.core.media import PDQ_QUALITY_MINIMUM
from tutela.store.tables.casework import CaseMedia, Media

# So many rows are read, locked or written at once.
TOGETHER = 5_000
NONE = -1
PDQ_BYTES = 32
_MOST = 2**62  # a file of another system may say any size
STATES = tuple(MediaState)
OPEN, KNOWN, GRADED, INFERRED = (
    STATES.index(state)
    for state in (MediaState.OPEN, MediaState.KNOWN, MediaState.GRADED, MediaState.INFERRED)
)
_NUMBERS = {state.value: number for number, state in enumerate(STATES)}

Int64s = NDArray[np.int64]


class Words:
    """Different values, each once; `numbers` of arrays point into `values`."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """Return the number of a value that can be a key, None for no value."""
        if value is None:
            return NONE
        return self._number(value, value)

    def of_json(self, value: Any) -> int:
        """Return the number of a value of JSON; lists and tuples are the same."""
        return self._number(msgspec.json.encode(value, order="deterministic"), value)

    def _number(self, key: Any, value: Any) -> int:
        if (number := self._numbers.get(key)) is None:
            number = self._numbers[key] = len(self.values)
            self.values.append(value)
        return number


class Pictures:
    """Pictures in the order of their media; `NONE` where a column has no value.

    `media`, `stack`, `was_in`, `position` (int64[n]), `priority`, `sightings` (int32[n]) are as in
    the case; `state` (int8[n]) are places in `STATES`. `pdq` is uint8[n, 32]; `quality` (int16[n])
    has no value where there is no PDQ. `code`, `camera` and `reason` (int32[n]) are numbers in
    `codes`, `cameras` and `reasons`; reasons are those of what is open, no others are read.
    """

    def __init__(self, columns: dict[str, NDArray[Any]], codes: Words, reasons: Words) -> None:
        self.media: Int64s = columns["media"]
        self.stack: Int64s = columns["stack"]
        self.was_in: Int64s = self.stack.copy()
        self.position: Int64s = columns["position"]
        self.pixels: Int64s = columns["pixels"]
        self.priority: NDArray[np.int32] = columns["priority"]
        self.sightings: NDArray[np.int32] = columns["sightings"]
        self.state: NDArray[np.int8] = columns["state"]
        self.quality: NDArray[np.int16] = columns["quality"]
        self.pdq: NDArray[np.uint8] = columns["pdq"].reshape(-1, PDQ_BYTES)
        self.code: NDArray[np.int32] = columns["code"]
        self.camera: NDArray[np.int32] = columns["camera"]
        self.reason: NDArray[np.int32] = columns["reason"]
        self.codes = codes
        self.reasons = reasons

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.media)

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """Which show enough for their PDQ to say something."""
        return self.quality >= PDQ_QUALITY_MINIMUM

    def rows(self, media: Int64s) -> Int64s:
        """Return the rows of some media, `NONE` for those that are not here."""
        if not len(self):
            return np.full(len(media), NONE, np.int64)
        found = np.minimum(np.searchsorted(self.media, media), len(self) - 1)
        return np.where(self.media[found] == media, found, NONE)


def read(tx: Connection, case_id: CaseId) -> Pictures:
    """Return the pictures of a case that have a place in the review."""
    codes, cameras, reasons = Words(), Words(), Words()
    reasons.of_json([])  # number 0: nothing to be said
    last = NONE
    pieces: dict[str, list[NDArray[Any]]] = {}
    while True:
        rows = tx.execute(_rows(case_id, last)).all()
        for name, column in _piece(rows, codes, cameras, reasons).items():
            pieces.setdefault(name, []).append(column)
        if not rows:
            break
        last = rows[-1].media_id
    # Column by column, each piece given back as soon as it is in the whole.
    whole = {name: np.concatenate(pieces.pop(name)) for name in list(pieces)}
    return Pictures(whole, codes, reasons)


def spans(pictures: Pictures) -> Iterator[tuple[int, int]]:
    """Yield the first and the last media of some pictures after others, for conditions."""
    for start in range(0, len(pictures), TOGETHER):
        some = pictures.media[start : start + TOGETHER]
        yield int(some[0]), int(some[-1])


def _rows(case_id: CaseId, last: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            CaseMedia.media_id,
            CaseMedia.state,
            CaseMedia.code,
            CaseMedia.stack_id,
            CaseMedia.position,
            CaseMedia.priority,
            CaseMedia.reasons,
            CaseMedia.sightings,
            Media.pdq,
            Media.pdq_quality,
            Media.width,
            Media.height,
            Media.camera_make,
            Media.camera_serial,
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.media_id > last,
            CaseMedia.state != MediaState.SET_ASIDE.value,
            Media.is_picture,
        )
        .order_by(CaseMedia.media_id)
        .limit(TOGETHER)
    )


def _piece(
    rows: Sequence[Any], codes: Words, cameras: Words, reasons: Words
) -> dict[str, NDArray[Any]]:
    def column(kind: type[np.generic], value: Callable[[Any], int]) -> NDArray[Any]:
        return np.fromiter(map(value, rows), kind, len(rows))

    return {
        "media": column(np.int64, lambda row: row.media_id),
        "state": column(np.int8, lambda row: _NUMBERS[row.state]),
        "code": column(np.int32, lambda row: codes.number(row.code)),
        "stack": column(np.int64, lambda row: _or_none(row.stack_id)),
        "position": column(np.int64, lambda row: _or_none(row.position)),
        "priority": column(np.int32, lambda row: row.priority),
        "reason": column(
            np.int32,
            lambda row: (
                reasons.of_json(row.reasons or []) if row.state == MediaState.OPEN.value else NONE
            ),
        ),
        "sightings": column(np.int32, lambda row: row.sightings),
        "pdq": np.frombuffer(b"".join(row.pdq or bytes(PDQ_BYTES) for row in rows), np.uint8),
        "quality": column(
            np.int16, lambda row: NONE if row.pdq is None else min(row.pdq_quality or 0, 100)
        ),
        "pixels": column(np.int64, lambda row: min((row.width or 0) * (row.height or 0), _MOST)),
        "camera": column(
            np.int32,
            lambda row: cameras.number(
                (row.camera_make, row.camera_serial) if row.camera_serial else None
            ),
        ),
    }


def _or_none(value: int | None) -> int:
    return NONE if value is None else value
