from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tutela.fingerprint.content import fingerprint
from tutela.fingerprint.heic import heic

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    if kind == "HEIF":
        return heic(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.fixture(scope="session")
def encode():
    """Write a picture in a format: (image, kind, **options of Pillow) to bytes."""
    return written


@pytest.fixture(scope="session")
def apart():
    """Count the bits in which two fingerprints differ."""
    return distance


@pytest.fixture(scope="session")
def bits_of():
    """Give the first fingerprint's bits of a file."""
    return lambda data: fingerprint(data)[0].bits


@pytest.fixture(scope="session")
def near():
    """Hold the file's hash against that of the picture it should show."""

    def hold(shown: Image.Image, data: bytes, limit: int = 10) -> None:
        expected = fingerprint(written(shown, "BMP"))[0].bits
        assert distance(fingerprint(data)[0].bits, expected) <= limit

    return hold


@pytest.fixture(scope="session", params=PHOTOGRAPHS)
def photograph(request):
    return Image.fromarray(getattr(skimage.data, request.param)())


@pytest.fixture(scope="session")
def coffee():
    return Image.fromarray(skimage.data.coffee())


@pytest.fixture(scope="session")
def small_pictures():
    """One small file of every kind that the decoders meet, by name."""
    one = Image.fromarray(skimage.data.coffee()).resize((96, 64))
    two = one.transpose(Image.Transpose.ROTATE_180)
    moving = {"save_all": True, "append_images": [two, one]}
    clear = one.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(one.size))
    deep = Image.fromarray(np.asarray(one.convert("L")).astype(np.uint16) * 257)
    return {
        "jpeg": written(one, "JPEG"),
        "jpeg_progressive": written(one, "JPEG", progressive=True),
        "jpeg_cmyk": written(one.convert("CMYK"), "JPEG"),
        "png": written(one, "PNG"),
        "png_palette": written(one.quantize(16), "PNG", transparency=3),
        "png_deep": written(deep, "PNG"),
        "png_moving": written(one, "PNG", **moving),
        "gif": written(one, "GIF"),
        "gif_moving": written(one, "GIF", **moving),
        "webp": written(one, "WEBP"),
        "webp_lossless": written(clear, "WEBP", lossless=True),
        "webp_moving": written(one, "WEBP", **moving),
        "tiff": written(one, "TIFF"),
        "tiff_lzw": written(one, "TIFF", compression="tiff_lzw"),
        "tiff_jpeg": written(one, "TIFF", compression="jpeg"),
        "tiff_fax": written(one.convert("1"), "TIFF", compression="group4"),
        "tiff_pages": written(one, "TIFF", **moving),
        "bmp": written(one, "BMP"),
        "bmp_palette": written(one.quantize(16), "BMP"),
        "avif": written(one, "AVIF", speed=10),
        "avif_moving": written(one, "AVIF", speed=10, **moving),
        "heif": written(one, "HEIF"),
    }
