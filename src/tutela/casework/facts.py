"""Facts of a picture (EXIF in the words of `fingerprint.facts`) as columns of a media.

Fail closed: a value that is not what it should be gives no column; the fact itself stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

# Cameras that were never given a number write these; as a link they would join strangers.
_SERIAL_LEAST = 4
_TEXT_CHARACTERS = 200
# The fact that a fingerprint is another system's word, and whose; our own reading takes it away.
STATED = "PDQ stated by"


def columns(facts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the camera, time and place columns of a media, None where unknown.

    These are `camera_make`, `camera_model`, `camera_serial`, `captured_at`, `latitude` and
    `longitude`. A capture time without a zone is the camera's own clock; it is read as UTC, so that
    it sorts and fills a time line, and the fact beside it says what the camera wrote.
    """
    said = {name: value.strip()[:_TEXT_CHARACTERS] for name, value in facts}
    latitude, longitude = _degrees(said, "Latitude", 90), _degrees(said, "Longitude", 180)
    located = latitude is not None and longitude is not None and (latitude or longitude)
    return {
        "camera_make": said.get("Make") or None,
        "camera_model": said.get("Model") or None,
        "camera_serial": _serial(said.get("Body Serial", "")),
        "captured_at": _moment(said.get("Capture Time", "")),
        "latitude": latitude if located else None,
        "longitude": longitude if located else None,
    }


def storable(text: str) -> str:
    r"""Return text that every database can keep: NUL is written as `\x00`."""
    return text.replace("\0", "\\x00")


def _serial(text: str) -> str | None:
    """Return a serial that can tell two bodies apart."""
    real = text.strip(" 0-.:_")
    return text if len(text) >= _SERIAL_LEAST and len(set(real)) > 1 else None


def _degrees(said: dict[str, str], name: str, most: int) -> float | None:
    try:
        value = float(said[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) and abs(value) <= most else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
