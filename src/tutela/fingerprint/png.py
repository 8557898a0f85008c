"""PNG without the chunks that no viewer needs to show it."""

from __future__ import annotations

_SIGNATURE_BYTES = 8
_NOTES = frozenset((b"tEXt", b"zTXt", b"iTXt", b"iCCP"))


def without_notes(data: bytes) -> bytes:
    """Return the PNG file `data` without texts and colour profile.

    Pillow refuses a whole picture for a long text or a compressed text that is a bomb; viewers
    show it. Damaged structure is left as it is, for the decoder to judge.
    """
    kept: list[memoryview] = []
    view = memoryview(data)
    start = at = _SIGNATURE_BYTES
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")
        if bytes(view[at + 4 : at + 8]) in _NOTES:
            kept.append(view[start:at])
            start = end
        at = end
    return b"".join((view[:_SIGNATURE_BYTES], *kept, view[start:])) if kept else data
