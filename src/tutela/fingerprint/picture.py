"""Pictures from hostile bytes: eight formats, decoded within limits.

Plug-ins are called by class, one for each format told by its first bytes, and never through
`Image.open`: none of Pillow's other forty formats can be reached, and its own pixel limit, which
does not know of scaled decoding, is replaced by `DecodeLimits`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from pi_heif import options as heif_options
from pi_heif.as_plugin import HeifImageFile
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from tutela.core.errors import MediaError
from tutela.fingerprint.jpeg import layout
from tutela.fingerprint.pixels import TURNS, Frame
from tutela.fingerprint.png import without_notes
from tutela.fingerprint.sniff import looks_like_picture
from tutela.fingerprint.truncation import cut_short

__all__ = ["DecodeLimits", "Frame", "Picture", "looks_like_picture"]

_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "heif": HeifImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}
# These two turn the pixels upright themselves.
_TURNED_BY_DECODER = frozenset(("tiff", "heif"))
_ORIENTATION = 0x0112

# One thread for each worker process: the pool shares out the cores, and a confined worker may be
# refused a thread.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
heif_options.DECODE_THREADS = 1
# Thumbnails, depth maps and masks are not what a viewer sees.
heif_options.THUMBNAILS = False
heif_options.DEPTH_IMAGES = False
heif_options.AUX_IMAGES = False


@dataclass(frozen=True)
class DecodeLimits:
    """What one picture may cost.

    `size_bytes` of the file; `pixels` of one decoded frame (a JPEG in one scan: after reduction);
    `frames` fingerprinted of one animation, `animation_frames` and `animation_pixels` decoded of
    it to get there.
    """

    pixels: int = 200_000_000
    frames: int = 16
    size_bytes: int = 256 << 20
    animation_frames: int = 4096
    animation_pixels: int = 200_000_000


class Picture:
    """A picture in one of our formats, whose frames decode on demand.

    Args:
        data: The whole file.
        limits: What decoding may cost.
        seen: Called with the first frame when that is decoded for the first time, before anybody
            else gets it: what else is wanted of it costs no second decoding.

    Raises:
        MediaError: `unsupported` (none of our formats) or `too_large` (in bytes).
    """

    def __init__(
        self, data: bytes, limits: DecodeLimits, seen: Callable[[Frame], None] | None = None
    ) -> None:
        self.format = looks_like_picture(data[:64])
        self.limits = limits
        self._data = data
        self._seen = seen
        if not self.format:
            raise MediaError("the bytes are no picture in a format we read", code="unsupported")
        if len(data) > limits.size_bytes:
            raise MediaError(
                f"a picture of {len(data)} bytes is over the limit of {limits.size_bytes}",
                code="too_large",
                hint="raise the size limit if it is to be trusted",
            )

    def frames(self, *, reduce_to: int | None = None) -> Iterator[Frame]:
        """Yield the first frame, then later ones; each is good until the next is asked for.

        How many there are is known at the end only, so later frames come at a stride that doubles
        as the animation goes on: more than `limits.frames`, of which `spread` picks.
        A later frame that cannot be decoded ends the frames; those before it stand.

        Args:
            reduce_to: None for full size and colour. Otherwise a JPEG may come as luminance, and
                at 1/2, 1/4 or 1/8 of its size as long as its shorter side keeps so many pixels.

        Raises:
            MediaError: the first frame is `truncated`, `too_large` or `undecodable`.
        """
        with self._decoding():
            data = without_notes(self._data) if self.format == "png" else self._data
            image = _PLUGINS[self.format](BytesIO(data))
            full = image.size
            scale = self._reduce(image, reduce_to) if self.format == "jpeg" else 1
            first = image.tell()
            frame = self._load(image, 0, full, scale)
        if self._seen is not None:
            seen, self._seen = self._seen, None
            seen(frame)
        yield frame
        yield from self._later(image, first)

    def _later(self, image: ImageFile.ImageFile, first: int) -> Iterator[Frame]:
        """Yield frames after the `first` (HEIF's primary picture may stand anywhere)."""
        stride, doubles_at = 1, 2 * self.limits.frames
        budget = self.limits.animation_pixels
        if self.limits.frames < 2:
            return
        for number in range(1, self.limits.animation_frames):
            budget -= image.width * image.height
            if budget < 0:
                return
            try:
                with self._decoding():
                    if not _advance(image, number if number > first else number - 1):
                        return
                    frame = self._load(image, number, image.size, 1)
            except MediaError:
                return
            if number % stride == 0:
                yield frame
            if number == doubles_at:
                stride, doubles_at = stride * 2, doubles_at * 2

    def _reduce(self, image: ImageFile.ImageFile, reduce_to: int | None) -> int:
        """Have a JPEG decoded at the largest reduction allowed, and return that."""
        coded = layout(self._data, image.size)
        if not coded.streamed:
            self._check(image.size)
        if reduce_to is None or not coded.reducible:
            return 1
        shorter = min(image.size)
        scale = next((s for s in (8, 4, 2) if shorter >= s * reduce_to), 1)
        image.draft("L", (image.width // scale, image.height // scale))
        return scale

    def _check(self, size: tuple[int, int]) -> None:
        """Refuse a frame whose header announces more pixels than the limit."""
        width, height = size
        if width * height > self.limits.pixels:
            raise MediaError(
                f"{width} x {height} pixels are over the limit of {self.limits.pixels}",
                code="too_large",
                hint="raise the pixel limit if the picture is to be trusted",
            )

    def _load(
        self, image: ImageFile.ImageFile, number: int, full: tuple[int, int], scale: int
    ) -> Frame:
        """Decode the frame at which `image` stands, if its header keeps the limits."""
        self._check(image.size)
        image.load()
        if self.format in _TURNED_BY_DECODER:
            full = image.size
        orientation = 1 if self.format in _TURNED_BY_DECODER else _orientation(image)
        return Frame(number, image, *full, scale, orientation, _white(image))

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Turn whatever a decoder raises into MediaError, and keep its warnings in."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            except MediaError:
                raise
            except (MemoryError, Image.DecompressionBombError) as error:
                raise MediaError("the picture needs too much memory", code="too_large") from error
            except Exception as error:  # hostile bytes make decoders raise anything
                if cut_short(self.format, self._data, error):
                    raise MediaError("the picture ends early", code="truncated") from error
                message = f"the {self.format} data cannot be decoded"
                raise MediaError(message, code="undecodable") from error


def _advance(image: ImageFile.ImageFile, index: int) -> bool:
    """Go to the frame at `index`; False where the file has no more."""
    try:
        image.seek(index)
    except EOFError:
        return False
    return True


def _white(image: ImageFile.ImageFile) -> int:
    """Return the stored value that means white in 16-bit modes, negative where zero does.

    Pillow gives 12 bits as they are, and passes over WhiteIsZero (TIFF 6.0, section 4) in deep
    modes only.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 65535
    depth = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0]
    white = 4095 if depth == 12 else 65535
    return white if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) else -white


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation, 1 where there is none that makes sense.

    Pillow's `getexif` would take it from XMP as well, which viewers do not.
    """
    block = image.info.get("exif")
    if not isinstance(block, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        value = exif.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 a broken EXIF block says nothing, and breaks no picture
        return 1
    return value if isinstance(value, int) and value in TURNS else 1
