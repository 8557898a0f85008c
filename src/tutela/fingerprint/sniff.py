"""Tell a picture by its first bytes, never by its name."""

from __future__ import annotations

HEAD_BYTES = 64

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),  # BigTIFF
    (b"MM\0+", "tiff"),
)
# Sizes of the header that follows the 14-byte file header, one for each version of the format.
_BMP_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def looks_like_picture(head: bytes) -> str:
    """Return the picture format that `head`, the first 64 bytes of a file, announces.

    One of "jpeg", "png", "gif", "webp", "tiff", "bmp", "heif" and "avif"; "" for anything else.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if head[4:8] == b"ftyp":
        return _brand(head)
    return ""


def _brand(head: bytes) -> str:
    """Return the format of an ISO base media file by its major and compatible brands."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heif" if brands & _HEIF_BRANDS else ""
