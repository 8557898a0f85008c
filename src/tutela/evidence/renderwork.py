"""What a confined worker of the renderer does: bytes of a picture in, a JPEG of ours out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Literal

import msgspec
from PIL import Image, ImageCms

from tutela.fingerprint.picture import DecodeLimits, Picture
from tutela.fingerprint.pixels import Frame
from tutela.fingerprint.rehearsal import samples
from tutela.fingerprint.thumbnail import blurred, reduced

MAX_PX = 1600
_QUALITY = 85
_HEADER_BYTES = 64
_SRGB = ImageCms.createProfile("sRGB")
# By EXIF orientation (Exif 2.32, tag 0x0112); 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_CONVERTED = frozenset(("RGB", "L", "CMYK"))


class Order(msgspec.Struct, frozen=True):
    """What is asked for."""

    kind: Literal["clear", "blurred"]
    max_px: int = MAX_PX


def request(order: Order, data: bytes) -> bytes:
    """Return the bytes of a request: the order in 64 bytes, then the picture."""
    return msgspec.json.encode(order).ljust(_HEADER_BYTES) + data


def handle(asked: bytes, _files: list[int], reply: Callable[[bytes], None]) -> None:
    """Serve one request, in a worker."""
    order = msgspec.json.decode(asked[:_HEADER_BYTES], type=Order)
    picture = Picture(asked[_HEADER_BYTES:], DecodeLimits())
    reply(blurred(picture) if order.kind == "blurred" else clear(picture, order.max_px))


def clear(picture: Picture, max_px: int) -> bytes:
    """Return the first frame upright and in sRGB, as JPEG with nothing but pixels.

    Raises:
        MediaError: as `Picture.frames`.
    """
    frame = next(picture.frames(reduce_to=None))
    image = _upright(_in_srgb(reduced(frame, 2 * max_px)), max_px)
    stream = BytesIO()
    # A fresh image: what the file said beside its pixels (comment, profile) stays behind.
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    bare.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _upright(frame: Frame, max_px: int) -> Image.Image:
    """Return the frame as a viewer shows it, its longer side `max_px` at most."""
    image, plain = frame.image, frame.image.mode in ("L", "RGB")
    if not plain or image.has_transparency_data:
        image, turn = Image.fromarray(frame.upright()), None
    else:  # made small before it is turned: a tenth of the time
        turn = _TURNS.get(frame.orientation)
    image.thumbnail((max_px, max_px), Image.Resampling.HAMMING)
    return image if turn is None else image.transpose(turn)


def _in_srgb(frame: Frame) -> Frame:
    """Return the frame in sRGB where it carries a colour profile that can be followed."""
    profile = frame.image.info.get("icc_profile")
    plain = frame.image.mode in _CONVERTED and not frame.image.has_transparency_data
    if not isinstance(profile, bytes) or not plain:
        return frame
    try:
        converted = ImageCms.profileToProfile(
            frame.image, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return frame  # a broken profile says nothing; the picture stands as it is
    return frame if converted is None else replace(frame, image=converted)


def warm_up() -> None:
    """Load every decoder, the encoder and the colour conversion: no file can be opened later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in samples():
            for kind in ("clear", "blurred"):
                handle(request(Order(kind), sample), [], lambda _reply: None)
        stream = BytesIO()
        profile = ImageCms.ImageCmsProfile(_SRGB).tobytes()
        Image.new("RGB", (8, 8)).save(stream, "JPEG", icc_profile=profile)
        handle(request(Order("clear"), stream.getvalue()), [], lambda _reply: None)
