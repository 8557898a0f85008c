"""Which JPEGs may be decoded at reduced scale."""

from __future__ import annotations

# Baseline, extended and progressive DCT, Huffman and arithmetic coding (ITU-T T.81, table B.1).
_DCT = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def reducible(data: bytes, size: tuple[int, int]) -> bool:
    """Tell whether the first frame header is of a DCT process and of `size` (width, height).

    Lossless frames (SOF3) have no scale to reduce: the decoder library ignores it and writes full
    rows, for which Pillow has made no room. The walk allows nothing between segments, so that it
    cannot be led past a header that the library sees.
    """
    at = 2
    while data[at : at + 1] == b"\xff":
        marker = data[at + 1 : at + 2]
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if not marker or marker[0] < 0xC0 or 0xD0 <= marker[0] <= 0xDA or length < 2:
            return False
        if marker[0] in _FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return marker[0] in _DCT and (width, height) == size
        at += 2 + length
    return False
