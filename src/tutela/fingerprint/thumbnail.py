"""Blurred grey thumbnails: enough to tell pictures apart in a grid, too little to see anything.

A Gaussian of a 20th of the longer side leaves less than 1 % of the contrast of stripes finer than a
tenth of it; what is left of the contrast is then lowered. The thumbnail is all that a browser gets
before somebody asks for the clear picture, so what is lost here cannot be brought back there.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageFilter

from tutela.fingerprint.picture import Picture
from tutela.fingerprint.pixels import Frame

SIDE_PX = 160
# Standard deviation of the Gaussian, as a share of the longer side.
BLUR = 1 / 20
# What is left of the contrast around middle grey.
CONTRAST = 0.6
# Pictures are averaged down to no less than this many times the thumbnail before they are resized.
_OVERSAMPLING = 2
_QUALITY = 50

_LEVELS = [round(128 + (level - 128) * CONTRAST) for level in range(256)]


def blurred(picture: Picture) -> bytes:
    """Return the thumbnail of a picture's first frame: a grey JPEG of at most 160 x 160 px.

    About 1 kB. JPEG, since WebP takes ten times as long to save a third of it. A JPEG is decoded
    at the smallest scale that will do.

    Raises:
        MediaError: as `Picture.frames`.
    """
    return blurred_frame(next(picture.frames(reduce_to=SIDE_PX)))


def blurred_frame(frame: Frame) -> bytes:
    """Return the thumbnail of a frame that is decoded already; see `blurred`."""
    small = Image.fromarray(reduced(frame, _OVERSAMPLING * SIDE_PX).upright()).convert("L")
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    radius_px = max(small.size) * BLUR
    soft = small.filter(ImageFilter.GaussianBlur(radius_px)).point(_LEVELS)
    stream = BytesIO()
    soft.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def reduced(frame: Frame, side_px: int) -> Frame:
    """Return a plain frame averaged down, its longer side `side_px` at least; others as they are.

    Turning and blending a large picture whole would cost more than all the rest.
    """
    image = frame.image
    factor = max(image.size) // side_px
    if factor < 2 or image.mode not in ("L", "RGB") or image.has_transparency_data:
        return frame
    return replace(frame, image=image.reduce((min(factor, image.width), min(factor, image.height))))
