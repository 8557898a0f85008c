"""One small picture of every kind, so that decoders load what they need before confinement."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from tutela.fingerprint.heic import heic

_SIDE = 32


def samples() -> Iterator[bytes]:
    """Yield small drawn pictures: every format and every way its pixels reach us."""
    colour = Image.linear_gradient("L").resize((_SIDE, _SIDE)).convert("RGB")
    other = colour.transpose(Image.Transpose.ROTATE_90)
    clear = colour.convert("RGBA")
    clear.putalpha(128)
    palette = colour.quantize(8)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield _file(colour, "JPEG", exif=exif)
    yield _file(colour.convert("CMYK"), "JPEG")
    yield _file(colour, "PNG", exif=exif, save_all=True, append_images=[other])
    yield _file(colour.convert("I;16"), "PNG")
    yield _file(palette, "PNG", transparency=0)
    yield _file(palette, "GIF", save_all=True, append_images=[other.quantize(8)])
    yield _file(clear, "WEBP", exif=exif, save_all=True, append_images=[other])
    yield _file(colour, "TIFF", compression="tiff_lzw", save_all=True, append_images=[other])
    yield _file(colour.convert("F"), "TIFF")
    yield _file(palette, "BMP")
    yield _file(colour, "AVIF", exif=exif, speed=10)
    yield heic(colour)


def _file(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
