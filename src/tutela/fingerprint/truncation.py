"""Tell a picture that ends early from one that is damaged."""

from __future__ import annotations


def cut_short(kind: str, data: bytes, error: Exception) -> bool:
    """Tell whether decoding failed because `data` ends before the picture does.

    Pillow says so for its own decoders; WebP and the ISO base media formats announce their sizes.
    """
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return True
    if kind == "webp":
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    if kind in ("heif", "avif"):
        return _box_missing(data)
    return False


def _box_missing(data: bytes) -> bool:
    """Tell whether a top-level box (ISO/IEC 14496-12, 4.2) reaches past the end."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:
            return False
        if size < 8:
            return False
        at += size
    return at > len(data)
