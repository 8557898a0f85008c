"""The hash is of what a viewer sees, however the file says it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tutela.fingerprint.content import fingerprint
from tutela.fingerprint.heic import heic
from tutela.fingerprint.picture import DecodeLimits, Picture

# How a picture must be stored so that each EXIF orientation shows it upright.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def tiff(values: np.ndarray, depth: int, photometric: int, data: bytes) -> bytes:
    """A grey TIFF of one strip, written by hand: Pillow writes no 12 bits and no WhiteIsZero."""
    height, width = values.shape
    tags = [(256, width), (257, height), (258, depth), (259, 1), (262, photometric)]
    tags += [(273, 8 + 2 + 9 * 12 + 4), (277, 1), (278, height), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def twelve_bits(grey: np.ndarray) -> bytes:
    values = (grey.astype(np.uint32) * 4095 // 255).reshape(-1, 2)
    pairs = values[:, 0] << 12 | values[:, 1]
    return b"".join(int(pair).to_bytes(3, "big") for pair in pairs)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG"])
def test_every_format(kind, photograph, encode, near):
    near(photograph, encode(photograph, kind))


@pytest.mark.parametrize("turns", range(4))
def test_heif_is_turned_once(turns, coffee, near):
    image = coffee.resize((608, 400))
    shown = image.rotate(90 * turns, expand=True)
    near(shown, heic(image, turns))


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation(kind, orientation, coffee, encode, near):
    turn = STORED[orientation]
    stored = coffee if turn is None else coffee.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(stored, kind, exif=exif, quality=92)
    near(coffee, data)
    shown = next(Picture(data, DecodeLimits()).frames()).upright()
    assert shown.shape == (400, 600, 3)
    assert np.abs(shown.astype(int) - np.asarray(coffee)).mean() < 8


def test_orientation_of_a_reduced_jpeg(coffee, encode, near):
    large = coffee.resize((2402, 1606))  # no multiple of 8: blocks at the edge are cut
    for orientation, turn in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = large if turn is None else large.transpose(turn)
        near(large, encode(stored, "JPEG", exif=exif), limit=8)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\0" * 50])
def test_a_broken_exif_block_breaks_no_picture(exif, coffee, encode, near):
    near(coffee, encode(coffee, "JPEG", exif=exif))


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I", "F", "I;16", "I;16B", "YCbCr", "LAB"]
)
def test_every_mode(mode, photograph, encode, near):
    grey = np.asarray(photograph.convert("L"))
    if mode.startswith("I;16"):
        wide = (grey.astype(np.uint16) * 257).astype(">u2" if mode.endswith("B") else "<u2")
        image = Image.frombytes(mode, photograph.size, wide.tobytes())
    elif mode == "I":
        image = Image.fromarray(grey.astype(np.int32) * 8_000_000)
    elif mode == "F":
        image = Image.fromarray(grey.astype(np.float32) / 255)
    elif mode == "LAB":
        image = Image.merge("LAB", (photograph.convert("L"),) * 3)
    else:
        image = photograph.convert(mode)
    near(photograph, encode(image, "TIFF" if mode != "P" else "PNG"))


@pytest.mark.parametrize("level", [60, 90])
def test_cmyk_jpeg(level, photograph, encode, near):
    data = encode(photograph.convert("CMYK"), "JPEG", quality=level)
    near(photograph, data)


def test_twelve_bits_and_white_is_zero(photograph, encode, near):
    grey = np.asarray(photograph.convert("L").crop((0, 0, 400, 300)))
    shown = Image.fromarray(grey)
    wide = grey.astype("<u2") * 257
    near(shown, tiff(grey, 12, 1, twelve_bits(grey)), limit=2)
    near(shown, tiff(grey, 16, 1, wide.tobytes()), limit=2)
    near(shown, tiff(grey, 16, 0, (65535 - wide).tobytes()), limit=2)
    quality = fingerprint(encode(shown, "PNG"))[0].quality
    assert abs(fingerprint(tiff(grey, 12, 1, twelve_bits(grey)))[0].quality - quality) <= 1


def test_floats_with_no_number_in_them(coffee, encode, near):
    values = np.asarray(coffee.convert("F")).copy() * 1000 - 5
    values[0, :3] = (np.nan, np.inf, -np.inf)
    near(coffee, encode(Image.fromarray(values), "TIFF"))


def test_what_is_transparent_lies_over_white(coffee, encode, near):
    alpha = Image.linear_gradient("L").resize(coffee.size)
    clear = coffee.convert("RGBA")
    clear.putalpha(alpha)
    shown = Image.composite(coffee, Image.new("RGB", coffee.size, "white"), alpha)
    for kind in ("PNG", "TIFF"):
        near(shown, encode(clear, kind), limit=2)
    near(shown, encode(clear, "WEBP", lossless=True), limit=2)
    grey = clear.convert("LA")
    near(shown.convert("L"), encode(grey, "PNG"), limit=4)
    palette = clear.quantize(256)
    over = Image.new("RGBA", coffee.size, "white")
    over.alpha_composite(palette.convert("RGBA"))
    near(over.convert("RGB"), encode(palette, "PNG"), limit=2)


def test_a_colour_that_means_transparent(coffee, encode, near):
    image = coffee.copy()
    image.paste((1, 2, 3), (100, 100, 400, 300))
    shown = coffee.copy()
    shown.paste("white", (100, 100, 400, 300))
    data = encode(image, "PNG", transparency=(1, 2, 3))
    near(shown, data, limit=2)


def test_premultiplied_alpha_is_not_multiplied_twice(coffee, encode, near):
    alpha = np.asarray(Image.linear_gradient("L").resize(coffee.size))[..., np.newaxis]
    colour = np.asarray(coffee) * (alpha / 255)
    data = encode(Image.fromarray(np.dstack([colour, alpha]).astype(np.uint8)), "TIFF")
    # ExtraSamples (338) 1: associated alpha. Pillow writes 2.
    entry = struct.pack("<HHII", 338, 3, 1, 2)
    assert entry in data
    shown = Image.fromarray((colour + 255 - alpha).astype(np.uint8))
    fixed = data.replace(entry, struct.pack("<HHII", 338, 3, 1, 1))
    near(shown, fixed, limit=4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_later_frames_are_extra_fingerprints(kind, photograph, apart, bits_of, encode):
    image = photograph.resize((240, 240))
    others = [image.transpose(turn) for turn in STORED.values() if turn is not None]
    found = fingerprint(encode(image, kind, save_all=True, append_images=others))
    assert [one.frame for one in found] == [0] * 8 + list(range(1, 8))
    assert {one.variant for one in found[8:]} == {"original"}
    for one, other in zip(found[8:], others, strict=True):
        assert apart(one.bits, bits_of(encode(other, "PNG"))) <= 16


def test_many_frames_are_thinned_evenly(encode):
    drawn = [Image.new("L", (16, 16), shade) for shade in range(1, 250)]
    for shade, image in enumerate(drawn):
        image.putpixel((shade % 16, 3), 255)
    data = encode(drawn[0], "GIF", save_all=True, append_images=drawn[1:])
    numbers = [one.frame for one in fingerprint(data, DecodeLimits(frames=9))[8:]]
    assert len(numbers) == 8
    gaps = np.diff([0, *numbers])
    assert numbers[-1] > 220
    assert gaps.max() <= 3 * gaps[1:].min()
    assert all(one.frame == 0 for one in fingerprint(data, DecodeLimits(frames=1)))


def test_full_colour_for_other_algorithms(coffee, encode):
    frame = next(Picture(encode(coffee, "PNG"), DecodeLimits()).frames())
    assert np.array_equal(frame.upright(), np.asarray(coffee))
    with io.BytesIO(encode(coffee, "JPEG")) as stream:
        seen = np.asarray(Image.open(stream))
        frame = next(Picture(stream.getvalue(), DecodeLimits()).frames())
        assert np.array_equal(frame.upright(), seen)
