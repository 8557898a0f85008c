"""Blurred thumbnails keep the large shapes and lose every detail."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tutela.core.errors import MediaError
from tutela.fingerprint.picture import DecodeLimits, Picture
from tutela.fingerprint.rehearsal import samples
from tutela.fingerprint.thumbnail import SIDE_PX, blurred, blurred_frame


def _file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _picture(data: bytes) -> Picture:
    return Picture(data, DecodeLimits())


def _seen(data: bytes) -> Image.Image:
    shown = Image.open(BytesIO(data))
    assert (shown.format, shown.mode) == ("JPEG", "L")
    return shown


def _stripes(period_px: int, width: int = 1600, height: int = 1200) -> Image.Image:
    row = (np.arange(width) // (period_px // 2) % 2 * 255).astype(np.uint8)
    return Image.fromarray(np.tile(row, (height, 1))).convert("RGB")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_stripes_finer_than_a_tenth_are_gone_and_large_shapes_stay(kind: str):
    fine = np.asarray(_seen(blurred(_picture(_file(_stripes(160), kind)))), dtype=float)
    coarse = np.asarray(_seen(blurred(_picture(_file(_stripes(800), kind)))), dtype=float)
    inner = fine[:, SIDE_PX // 8 : -SIDE_PX // 8]
    assert np.ptp(inner) < 12
    assert np.ptp(coarse) > 80


def test_fine_noise_comes_out_flat():
    noise = np.random.default_rng(7).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    assert np.ptp(np.asarray(_seen(blurred(_picture(_file(Image.fromarray(noise))))))) < 20


def test_contrast_is_lowered_around_middle_grey():
    for colour, level in (("black", 51), ("white", 204)):
        shown = np.asarray(_seen(blurred(_picture(_file(Image.new("RGB", (300, 200), colour))))))
        assert abs(int(shown.mean()) - level) <= 2


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), (160, 120)),
        ((300, 600), (80, 160)),
        ((50, 20), (50, 20)),
        ((9000, 3), (160, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_the_longer_side_is_160_px_at_most(size: tuple[int, int], expected: tuple[int, int]):
    assert _seen(blurred(_picture(_file(Image.new("RGB", size))))).size == expected


def test_it_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    half = Image.new("L", (400, 300), 255)
    half.paste(0, (0, 0, 200, 300))  # dark left half: turned clockwise, it is the upper one
    shown = np.asarray(_seen(blurred(_picture(_file(half.convert("RGB"), "JPEG", exif=exif)))))
    assert shown.shape == (160, 120)
    assert shown[:40].mean() < 80
    assert shown[-40:].mean() > 175


def test_every_kind_of_picture_has_one_and_a_decoded_frame_gives_the_same():
    for sample in samples():
        picture = _picture(sample)
        made = blurred(picture)
        assert _seen(made).size == (32, 32)
        assert made == blurred_frame(next(picture.frames(reduce_to=SIDE_PX)))


def test_nothing_of_the_file_but_pixels_is_kept():
    marked = _file(Image.new("RGB", (64, 64)), "JPEG", comment=b"do-not-keep", exif=b"Exif\0\0")
    assert b"do-not-keep" not in blurred(_picture(marked))


def test_a_damaged_picture_has_none():
    with pytest.raises(MediaError):
        blurred(_picture(_file(_stripes(160), "JPEG")[:400]))
