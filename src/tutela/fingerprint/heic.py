"""Writes small HEIC files, which no permissive encoder does: for the rehearsal and for tests.

The picture is one HEVC intra slice (ITU-T H.265) whose blocks are all PCM, raw samples, in a HEIF
container (ISO/IEC 23008-12). Nothing is compressed; nothing more is needed to try the decoder.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BLOCK = 16
# H.265 table 9-52, rangeTabLps for qRangeIdx 3. Each block codes one bin (part_mode, always its
# most probable value) with a fresh range of about 510, so no other column is ever used.
_LPS = (
    *(240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110),
    *(104, 99, 94, 89, 85, 80, 76, 72, 69, 65, 62, 59, 56, 53, 50, 48),
    *(45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21),
    *(20, 19, 18, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9),
)
_PROFILE = "00" + "0" + f"{3:05b}" + f"{0x70000000:032b}" + "1001" + "0" * 44 + f"{120:08b}"


def heic(image: Image.Image, quarter_turns: int = 0) -> bytes:
    """Return `image` as a HEIC file that a viewer turns `quarter_turns` times counter-clockwise.

    Raises:
        ValueError: width or height is no multiple of 16.
    """
    width, height = image.size
    if width % _BLOCK or height % _BLOCK:
        raise ValueError("width and height must be multiples of 16")
    parameter_sets = [_nal(32, _vps()), _nal(33, _sps(width, height)), _nal(34, _pps())]
    slice_ = _nal(19, _bits("10" + _ue(0) + _ue(2) + _ue(0)) + _blocks(image))
    arrays = b"".join(
        struct.pack(">BHH", 0x80 | kind, 1, len(nal)) + nal
        for kind, nal in zip((32, 33, 34), parameter_sets, strict=True)
    )
    profile = int(_PROFILE, 2).to_bytes(12, "big")
    configuration = b"\1" + profile + b"\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f\3" + arrays
    properties = (
        _box(b"hvcC", configuration)
        + _box(b"ispe", struct.pack(">III", 0, width, height))
        + _box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80))
        + _box(b"irot", bytes([quarter_turns % 4]))
    )
    return _container(properties, struct.pack(">I", len(slice_)) + slice_)


def _container(properties: bytes, data: bytes) -> bytes:
    """Return the file: one item, of four properties, whose bytes follow in `mdat`."""
    kind = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    associations = struct.pack(">IIHB4B", 0, 1, 1, 4, 0x81, 2, 3, 0x84)

    def meta(offset: int) -> bytes:
        location = struct.pack(">IBBHHHHII", 0, 0x44, 0, 1, 1, 0, 1, offset, len(data))
        entry = _box(b"infe", struct.pack(">IHH4sB", 2 << 24, 1, 0, b"hvc1", 0))
        return _box(
            b"meta",
            bytes(4)
            + _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + _box(b"pitm", bytes(4) + b"\0\1")
            + _box(b"iloc", location)
            + _box(b"iinf", bytes(4) + b"\0\1" + entry)
            + _box(b"iprp", _box(b"ipco", properties) + _box(b"ipma", associations)),
        )

    return kind + meta(len(kind) + len(meta(0)) + 8) + _box(b"mdat", data)


def _blocks(image: Image.Image) -> bytes:
    """Return the slice's data: for each block the two coded bytes, then its samples."""
    planes = np.asarray(image.convert("YCbCr"))
    luma, chroma = planes[..., 0], planes[::2, ::2, 1:]
    out = bytearray()
    fresh = 510
    for count, (y, x) in enumerate(np.ndindex(luma.shape[0] // _BLOCK, luma.shape[1] // _BLOCK)):
        # part_mode as its most probable value, then pcm_flag, which ends the arithmetic code.
        low = fresh - _LPS[min(count, len(_LPS) - 1)] - 2
        out += bytes([low >> 1, 0x80])
        out += _cell(luma, y, x, _BLOCK)
        out += _cell(chroma[..., 0], y, x, _BLOCK // 2) + _cell(chroma[..., 1], y, x, _BLOCK // 2)
        fresh = 508  # end_of_slice_segment_flag, zero, has taken two
    return bytes(out) + b"\xfe\x80"


def _cell(plane: NDArray[np.uint8], y: int, x: int, side: int) -> bytes:
    return plane[y * side : (y + 1) * side, x * side : (x + 1) * side].tobytes()


def _vps() -> bytes:
    return _bits("0000110000000001" + "1" * 16 + _PROFILE + "1" + "111" + "0" * 6 + "100")


def _sps(width: int, height: int) -> bytes:
    sizes = _ue(1) + _ue(0) + _ue(0) + _ue(2) + _ue(0) + _ue(0)  # blocks of 16, transforms 4 to 16
    pcm = "1" + "01110111" + _ue(1) + _ue(0) + "1"
    return _bits(
        "00000001" + _PROFILE + _ue(0) + _ue(1) + _ue(width) + _ue(height) + "0" + _ue(0) + _ue(0)
        + _ue(0) + "1" + "111" + sizes + "000" + pcm + _ue(0) + "00000"
    )  # fmt: skip


def _pps() -> bytes:
    return _bits("11" + "0000000" + "11" + "1" + "000" + "11" + "0" * 9 + "0" + "1" + "00")


def _ue(value: int) -> str:
    """Return `value` as an unsigned Exp-Golomb code (H.265, 9.2)."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _bits(text: str) -> bytes:
    """Return `text` of ones and zeros with a stop bit, filled up to whole bytes."""
    text += "1"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _nal(kind: int, payload: bytes) -> bytes:
    """Return a NAL unit, with 3s that keep start codes out of it (H.265, 7.4.2)."""
    out = bytearray((kind << 1, 1))
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + kind + payload
