"""Hostile bytes end as fingerprints or as MediaError, soon, and within limits."""

from __future__ import annotations

import random
import resource
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tutela.core.errors import MediaError
from tutela.core.media import Fingerprint
from tutela.fingerprint.content import fingerprint
from tutela.fingerprint.picture import DecodeLimits, Picture

CODES = {"truncated", "undecodable", "too_large", "unsupported"}
KINDS = (
    *("jpeg", "jpeg_progressive", "jpeg_cmyk", "png", "png_palette", "png_deep", "png_moving"),
    *("gif", "gif_moving", "webp", "webp_lossless", "webp_moving", "tiff", "tiff_lzw"),
    *("tiff_jpeg", "tiff_fax", "tiff_pages", "bmp", "bmp_palette", "avif", "avif_moving", "heif"),
)


def tried(data: bytes, limits: DecodeLimits | None = None) -> tuple[str, list[Fingerprint]]:
    """The error's code or "", and the fingerprints; any other exception fails the test."""
    try:
        return "", fingerprint(data, limits)
    except MediaError as error:
        return error.code, []


def outcome(data: bytes, limits: DecodeLimits | None = None) -> str:
    code, found = tried(data, limits)
    assert code in CODES or found
    return code


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_picture_is_never_half_a_hash(kind, small_pictures):
    whole = small_pictures[kind]
    expected = fingerprint(whole)[:8]
    for step in range(1, 24):
        part = whole[: len(whole) * step // 24]
        code, found = tried(part)
        if found:
            # Whole first frames of an animation stand.
            assert "moving" in kind or "pages" in kind
            assert found[:8] == expected
        else:
            # libtiff does not say why it gave up on a strip of JPEG.
            assert code == "truncated" or (kind, code) == ("tiff_jpeg", "undecodable")


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits(kind, small_pictures):
    rng = random.Random(kind)
    begin = time.process_time()
    for _ in range(40):
        data = bytearray(small_pictures[kind])
        reach = rng.choice((64, 400, len(data)))
        for _ in range(rng.choice((1, 2, 20))):
            data[rng.randrange(min(reach, len(data)))] ^= 1 << rng.randrange(8)
        outcome(bytes(data), DecodeLimits(pixels=20_000_000, animation_pixels=20_000_000))
    assert time.process_time() - begin < 20


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.binary(max_size=300), st.integers(4, 40))
def test_any_bytes_behind_a_true_beginning(small_pictures, kind, rest, keep):
    outcome(small_pictures[kind][:keep] + rest)


@pytest.mark.parametrize("side", [100_000, 65_000])
def test_enormous_headers_cost_nothing(side):
    pixels = zlib.compress(bytes(1000))
    begin = time.process_time()
    assert outcome(png(side, side, chunk(b"IDAT", pixels))) == "too_large"
    bmp = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, side, side, 1, 24, *[0] * 6)
    assert outcome(bmp) == "too_large"
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    tiff = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    assert outcome(tiff) == "too_large"
    gif = b"GIF89a" + struct.pack("<HHBBB", 65_000, 65_000, 0, 0, 0)
    gif += b"," + struct.pack("<HHHHB", 0, 0, 65_000, 65_000, 0) + b"\2\2\x4c\1\0;"
    assert outcome(gif) == "too_large"
    assert time.process_time() - begin < 2


def test_a_decompression_bomb_is_judged_by_its_header():
    rows = zlib.compress(bytes(20_001) * 2_000, 9)
    bomb = png(20_000, 20_000, chunk(b"IDAT", rows))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert outcome(bomb) == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert outcome(bomb, DecodeLimits(pixels=399_999_999)) == "too_large"


def test_a_jpeg_counts_after_its_reduction(coffee, encode, apart, bits_of):
    image = coffee.resize((4800, 3200))
    large = encode(image, "JPEG")
    limits = DecodeLimits(pixels=600 * 400)
    assert apart(fingerprint(large, limits)[0].bits, bits_of(encode(image, "BMP"))) <= 8
    assert outcome(large, DecodeLimits(pixels=600 * 400 - 1)) == "too_large"


def test_a_jpeg_of_several_scans_counts_in_full(small_pictures):
    # The decoder keeps every coefficient of these, at whatever scale: gigabytes from a small file.
    side = struct.pack(">HH", 60_000, 60_000)
    progressive = bytearray(small_pictures["jpeg_progressive"])
    at = progressive.index(b"\xff\xc2")
    progressive[at + 5 : at + 9] = side
    assert outcome(bytes(progressive)) == "too_large"
    separate = bytearray(small_pictures["jpeg"])
    at = separate.index(b"\xff\xc0")
    separate[at + 5 : at + 9] = side
    assert outcome(bytes(separate), DecodeLimits(pixels=7500 * 7500)) in {"truncated", ""}
    separate[separate.index(b"\xff\xda") + 4] = 1
    assert outcome(bytes(separate), DecodeLimits(pixels=7500 * 7500)) == "too_large"


def test_what_stands_between_segments(coffee, encode, bits_of):
    data = encode(coffee.resize((1600, 1200)), "JPEG")
    at = data.index(b"\xff\xdb")
    filled, junk = data[:at] + b"\xff" * 9 + data[at:], data[:at] + b"\0" * 9 + data[at:]
    reduced, full = DecodeLimits(pixels=400 * 300), DecodeLimits(pixels=1600 * 1200)
    assert bits_of(filled) == bits_of(data)
    assert outcome(filled, reduced) == ""
    assert outcome(junk, reduced) == "too_large"
    assert outcome(junk, full) == ""


def test_the_file_itself_has_a_limit(small_pictures):
    data = small_pictures["png"]
    assert outcome(data, DecodeLimits(size_bytes=len(data))) == ""
    assert outcome(data, DecodeLimits(size_bytes=len(data) - 1)) == "too_large"


def test_long_texts_do_not_hide_a_picture(coffee, encode, bits_of):
    data = encode(coffee, "PNG")
    bomb = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(50_000_000), 9))
    noted = data[:33] + bomb + chunk(b"tEXt", b"note\0" + b"x" * 2_000_000) + data[33:]
    assert bits_of(noted) == bits_of(data)


def test_only_our_formats_are_reachable():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    for data in (postscript, b"P6 1 1 255\nabc", b"8BPS\0\1", b"\0\0\1\0\1\0", b""):
        assert outcome(data) == "unsupported"
    reachable = "import tutela.fingerprint.picture, sys; print('PIL.EpsImagePlugin' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", reachable], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_an_animation_has_a_budget(encode):
    drawn = [Image.new("L", (64, 64), shade) for shade in range(200)]
    data = encode(drawn[0], "GIF", save_all=True, append_images=drawn[1:])
    limits = DecodeLimits(animation_pixels=64 * 64 * 10)
    assert max(one.frame for one in fingerprint(data, limits)) == 10
    limits = DecodeLimits(animation_frames=5)
    assert max(one.frame for one in fingerprint(data, limits)) == 4


def test_endless_pages_end(small_pictures):
    # The second directory of the TIFF points back to itself.
    data = bytearray(small_pictures["tiff_pages"])
    first = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[first : first + 2], "little")
    link = first + 2 + 12 * entries
    second = int.from_bytes(data[link : link + 4], "little")
    entries = int.from_bytes(data[second : second + 2], "little")
    data[second + 2 + 12 * entries : second + 6 + 12 * entries] = second.to_bytes(4, "little")
    assert [one.frame for one in fingerprint(bytes(data))] == [0] * 8 + [1]


def lossless_jpeg(grey: np.ndarray) -> bytes:
    """A lossless JPEG (ITU-T T.81, annex H) with predictor 1 and a fixed code of four bits."""
    values = grey.astype(int)
    ahead = np.empty_like(values)
    ahead[:, 1:], ahead[1:, 0], ahead[0, 0] = values[:, :-1], values[:-1, 0], 128
    text = ""
    for step in (values - ahead).ravel().tolist():
        size = abs(step).bit_length()
        text += f"{size:04b}"
        if size:
            text += f"{step if step > 0 else step + (1 << size) - 1:0{size}b}"
    text += "1" * (-len(text) % 8)
    coded = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">HBHHB3B", 11, 8, *grey.shape, 1, 1, 0x11, 0)
    table = struct.pack(">HB", 28, 0) + bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
    return (
        b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + table + b"\xff\xda" + scan + coded + b"\xff\xd9"
    )


def test_a_lossless_jpeg_is_not_decoded_at_reduced_scale(coffee, encode, bits_of):
    grey = coffee.convert("L").resize((1200, 800))
    assert bits_of(lossless_jpeg(np.asarray(grey))) == bits_of(encode(grey, "PNG"))


def test_errors_say_what_happened():
    with pytest.raises(MediaError, match="100000 x 100000 pixels") as caught:
        list(Picture(png(100_000, 100_000), DecodeLimits()).frames())
    assert caught.value.hint
