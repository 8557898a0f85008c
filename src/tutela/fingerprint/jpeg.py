"""What a JPEG's header says of the cost of decoding it."""

from __future__ import annotations

from typing import NamedTuple

# Baseline, extended and progressive DCT, Huffman and arithmetic coding (ITU-T T.81, table B.1).
_SEQUENTIAL = frozenset((0xC0, 0xC1, 0xC9))
_PROGRESSIVE = frozenset((0xC2, 0xCA))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA


class Layout(NamedTuple):
    """How the picture is coded.

    `reducible`: by a DCT, so that a reduced scale can be decoded; lossless frames (SOF3) have none.
    `streamed`: in one sequential scan, so that the decoder keeps some rows of blocks only; of any
    other it keeps all coefficients at full size, whatever the scale.
    """

    reducible: bool
    streamed: bool


UNKNOWN = Layout(reducible=False, streamed=False)


def layout(data: bytes, size: tuple[int, int]) -> Layout:
    """Return the layout of the JPEG `data`, whose decoder has announced `size` (width, height).

    The walk allows nothing between segments, so that it cannot be led past a header that the
    decoder library sees: `UNKNOWN` then, which promises nothing.
    """
    frame = components = 0
    at = 2
    while data[at : at + 1] == b"\xff" and at + 5 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN and frame:
            whole = data[at + 4] == components
            dct = frame in _SEQUENTIAL | _PROGRESSIVE
            return Layout(reducible=dct, streamed=frame in _SEQUENTIAL and whole)
        if marker in _FRAMES and not frame:
            frame, components = marker, int.from_bytes(data[at + 9 : at + 10], "big")
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            if (width, height) != size:
                return UNKNOWN
        elif marker < 0xC0 or marker in _FRAMES or 0xD0 <= marker <= _SCAN or length < 2:
            return UNKNOWN
        at += 2 + length
    return UNKNOWN
