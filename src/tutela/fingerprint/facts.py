"""What a picture says of its making, in fixed words: camera, serial numbers, time and place.

From EXIF (CIPA DC-008, Exif 2.32). Anyone can write EXIF: a fact is what the file says, never what
happened. A fact that is malformed, out of range or means nothing (a serial of zeros, a place
without a hemisphere) is left out: a missing link is found otherwise, a false one accuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from tutela.fingerprint.exif import Block, Directory, Value

Facts = tuple[tuple[str, str], ...]

# In the order in which they are given.
WORDS = (
    *("Make", "Model", "Software", "Body Serial", "Lens Serial", "Capture Time"),
    *("Latitude", "Longitude", "Orientation", "Unique ID"),
)
CHARACTERS = 200

_EXIF, _GPS, _MAKER_NOTE = 0x8769, 0x8825, 0x927C
_TEXTS = {0x010F: "Make", 0x0110: "Model", 0x0131: "Software"}
_BODY, _LENS, _UNIQUE = 0xA431, 0xA435, 0xA420
_ORIENTATION = 0x0112
# DateTimeOriginal with OffsetTimeOriginal, else DateTimeDigitized with OffsetTimeDigitized.
_TIMES = ((0x9003, 0x9011), (0x9004, 0x9012))
_MOMENT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d", re.ASCII)


def read(data: bytes) -> Facts:
    """Return the facts in an EXIF block, or in a TIFF file, as (word of `WORDS`, value).

    Values are printable and have at most 200 characters; times are ISO 8601, local, with an offset
    where the camera wrote one; latitude and longitude are decimal degrees, south and west negative.
    Any bytes are taken; what cannot be read is left out.
    """
    block = Block(data)
    found = dict(_found(block))
    return tuple((word, found[word]) for word in WORDS if found.get(word))


def _found(block: Block) -> Iterator[tuple[str, str]]:
    first = block.first()
    for tag, word in _TEXTS.items():
        yield word, _text(block, first.get(tag))
    turned = block.integer(first.get(_ORIENTATION))
    yield "Orientation", str(turned) if turned in range(1, 9) else ""
    more = block.directory(block.integer(first.get(_EXIF)))
    serial = _meant(_text(block, more.get(_BODY)))
    yield "Body Serial", serial or _maker_serial(block, more.get(_MAKER_NOTE))
    yield "Lens Serial", _meant(_text(block, more.get(_LENS)))
    yield "Unique ID", _meant(_text(block, more.get(_UNIQUE)))
    yield "Capture Time", _time(block, more)
    place = _place(block, block.directory(block.integer(first.get(_GPS))))
    yield from zip(("Latitude", "Longitude"), place, strict=False)


def _text(block: Block, value: Value | None) -> str:
    """Return a text, empty where it is too long or not printable: part of it says another thing."""
    raw = block.raw(value).partition(b"\0")[0]
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        text = raw.decode("latin-1").strip()
    return text if len(text) <= CHARACTERS and text.isprintable() else ""


def _meant(serial: str) -> str:
    """Return a serial number, empty where it only fills its field: zeros, dashes, blanks."""
    return serial if re.search(r"[1-9A-Za-z]", serial) else ""


def _maker_serial(block: Block, note: Value | None) -> str:
    """Return the body's serial number from the maker's note of Canon, Nikon or Fujifilm.

    As exiftool documents them: Canon's note is a plain directory; Nikon's (type 3) holds a TIFF
    structure of its own; Fujifilm's counts from its own beginning, always little-endian.
    """
    at = block.place(note)
    if at is None or note is None or note.length < 18:
        return ""
    head = block.data[at : at + 18]
    if head.startswith(b"Nikon\0\x02"):
        own = Block(block.data, at + 10)
        return _meant(_text(own, own.first().get(0x001D)))
    if head.startswith(b"FUJIFILM"):
        own = Block(block.data, at, "<")
        offset = int.from_bytes(head[8:12], "little")
        return _meant(_text(own, own.directory(offset).get(0x0010)))
    number = block.integer(block.directory(note.at).get(0x000C)) if _canon(block) else None
    return str(number) if number else ""


def _canon(block: Block) -> bool:
    return _text(block, block.first().get(0x010F)).lower().startswith("canon")


def _time(block: Block, more: Directory) -> str:
    for tag, offset_tag in _TIMES:
        written = _MOMENT.fullmatch(_text(block, more.get(tag)))
        if written is None:
            continue
        try:
            moment = datetime(*map(int, written.groups()))  # type: ignore[arg-type]  # noqa: DTZ001 a camera's clock is local; its offset is added where known
        except ValueError:
            continue
        offset = _text(block, more.get(offset_tag))
        return moment.isoformat() + (offset if _OFFSET.fullmatch(offset) else "")
    return ""


def _place(block: Block, gps: Directory) -> tuple[str, ...]:
    """Return latitude and longitude, or nothing: half a place is none, nor is 0, 0 (no fix)."""
    latitude = _degrees(block, gps, 1, b"NS", 90)
    longitude = _degrees(block, gps, 3, b"EW", 180)
    if latitude is None or longitude is None or not (latitude or longitude):
        return ()
    return f"{latitude:.6f}", f"{longitude:.6f}"


def _degrees(
    block: Block, gps: Directory, reference: int, hemispheres: bytes, most: int
) -> float | None:
    side = block.raw(gps.get(reference)).rstrip(b"\0 ")
    parts = block.rationals(gps.get(reference + 1), 3)
    if len(side) != 1 or side not in hemispheres or not parts:
        return None
    whole, minutes, seconds = parts
    degrees = whole + minutes / 60 + seconds / 3600
    if minutes >= 60 or seconds >= 60 or degrees > most:
        return None
    return float(degrees) if side == hemispheres[:1] else -float(degrees)
