"""EXIF in the words of VICS exporters, and in ours (`fingerprint.facts`).

No two exporters use the same words for a place. It fails closed: what is not a compass value with
its hemisphere gives no coordinates, and stays in the record as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Final

Pairs = Iterable[tuple[str, str]]

SIZE = ("PixelXDimension", "PixelYDimension")
_SAME: Final = (
    *("Make", "Model", "Software", "Body Serial", "Lens Serial", "Orientation", "Unique ID"),
)
_CHARACTERS = 200
_COMPASS_CHARACTERS = 60
_DIMENSION = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_NUMBERS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
# Degrees with optional minutes and seconds: `41, 53, 0.21`, `41° 53' 0.21"`, `41.88`.
_COMPASS = re.compile(
    r"\d+(?:\.\d+)?(?:[\s,;:°'\"dm\u2032\u2033]{1,4}\d+(?:\.\d+)?){0,2}[\s°'\"s\u2032\u2033]{0,4}",
    re.ASCII,
)
_SIGNED = re.compile(r"([+-]?\d{1,3}\.\d{1,12})\s?[/,;]\s?([+-]?\d{1,3}\.\d{1,12})", re.ASCII)
_SIDES = {"n": 1, "north": 1, "s": -1, "south": -1, "e": 1, "east": 1, "w": -1, "west": -1}
_EXIF_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?", re.ASCII)


def facts(said: Pairs) -> dict[str, str]:
    """Return what an exporter's properties say in our words; the first of one name counts."""
    first: dict[str, str] = {}
    for name, value in said:
        first.setdefault(name.strip(), value.strip())
    found = {name: first[name][:_CHARACTERS] for name in _SAME if first.get(name)}
    if moment := _moment(first.get("Capture Time", "")):
        found["Capture Time"] = moment
    if place := _place(first):
        found["Latitude"], found["Longitude"] = place
    return found


def size(said: Pairs) -> tuple[int | None, int | None]:
    """Return width and height in pixels, None where they are not said."""
    first: dict[str, str] = {}
    for name, value in said:
        first.setdefault(name.strip(), value.strip())
    wide, high = (first.get(name, "") for name in SIZE)
    sound = all(_DIMENSION.fullmatch(text) for text in (wide, high))
    return (int(wide), int(high)) if sound else (None, None)


def properties(
    said: Mapping[str, str], width: int | None, height: int | None
) -> Iterator[tuple[str, str]]:
    """Yield our facts as properties that other tools read, such that `facts` gives them back."""
    for name, value in said.items():
        if name in ("Latitude", "Longitude"):
            yield name, value.removeprefix("-")
            sides = "NS" if name == "Latitude" else "EW"
            yield f"{name} Reference", sides[value.startswith("-")]
        else:
            yield name, value
    if width and height:
        yield from zip(SIZE, (str(width), str(height)), strict=True)


def _moment(text: str) -> str:
    """Return a capture time as ISO 8601, with an offset only where one was written."""
    if found := _EXIF_TIME.fullmatch(text):
        text = f"{found[1]}-{found[2]}-{found[3]}T{found[4]}"
    try:
        return datetime.fromisoformat(text).isoformat(timespec="seconds")
    except ValueError:
        return ""


def _place(first: Mapping[str, str]) -> tuple[str, str] | None:
    if both := _SIGNED.fullmatch(first.get("Lat/Lon", "")):
        pair = both[1].removeprefix("+"), both[2].removeprefix("+")
        return pair if _possible(*map(float, pair)) else None
    values = []
    for name, sides in (("Latitude", "ns"), ("Longitude", "ew")):
        reference = first.get(f"{name} Reference", "").lower()
        degrees = _degrees(first.get(name, ""))
        if not degrees or reference not in _SIDES or reference[0] not in sides:
            return None
        values.append(("-" if _SIDES[reference] < 0 else "") + degrees)
    return (values[0], values[1]) if _possible(float(values[0]), float(values[1])) else None


def _degrees(text: str) -> str:
    """Return decimal degrees; empty for what is no compass value."""
    if len(text) > _COMPASS_CHARACTERS or not _COMPASS.fullmatch(text):
        return ""
    numbers = _NUMBERS.findall(text)
    if len(numbers) == 1:
        return str(numbers[0])
    if any(Fraction(part) >= 60 for part in numbers[1:]):
        return ""
    total = sum(Fraction(part) / 60**power for power, part in enumerate(numbers))
    return f"{float(total):.7f}".rstrip("0").rstrip(".")


def _possible(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90 and abs(longitude) <= 180 and bool(latitude or longitude)
