"""Tell a picture that ends early from one that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal


def cut_short(kind: str, data: bytes, error: Exception) -> bool:
    """Tell whether decoding failed because `data` ends before the picture does.

    Pillow says so for its own decoders; WebP and the ISO base media formats announce their sizes,
    and the others lack what they have said will come.
    """
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return True
    if kind == "gif":
        return isinstance(error.__cause__, EOFError)
    announced = _ANNOUNCED.get(kind)
    return announced is not None and announced(data)


def _scan_missing(data: bytes) -> bool:
    """Tell whether a JPEG ends before its first scan."""
    return b"\xff\xda" not in data


def _riff_missing(data: bytes) -> bool:
    """Tell whether the outermost RIFF chunk reaches past the end."""
    return 8 + int.from_bytes(data[4:8], "little") > len(data)


def _directory_missing(data: bytes) -> bool:
    """Tell whether the first directory (TIFF 6.0, section 2; BigTIFF) reaches past the end."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    wide = 43 in data[2:4]
    at = int.from_bytes(data[8:16] if wide else data[4:8], order)
    counter, entry = (8, 20) if wide else (2, 12)
    entries = int.from_bytes(data[at : at + counter], order)
    return at + counter + entries * entry > len(data)


def _box_missing(data: bytes) -> bool:
    """Tell whether a top-level box (ISO/IEC 14496-12, 4.2) reaches past the end."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: to the end of the file; the rest: damage
            return False
        at += size
    return at > len(data)


_ANNOUNCED: dict[str, Callable[[bytes], bool]] = {
    "jpeg": _scan_missing,
    "webp": _riff_missing,
    "tiff": _directory_missing,
    "heif": _box_missing,
    "avif": _box_missing,
}
