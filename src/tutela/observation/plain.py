"""Makes what a reader gave fit to be kept: text that both databases take, whatever a page holds."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
REPLACED = "\ufffd"


def plain(value: T) -> T:
    """Return a value whose texts hold no NUL and no half of a surrogate pair.

    Nearly all pages are so already: one look at the whole finds out.
    """
    try:
        if b"\\u0000" not in msgspec.json.encode(value):
            return value
    except UnicodeEncodeError:
        pass
    changed = _plain(value)
    assert isinstance(changed, type(value))
    return changed


def _plain(value: object) -> object:
    if type(value) is str:  # and not a word of an enumeration
        return text(value)
    if isinstance(value, tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, msgspec.Struct):
        fields = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    return value


def text(words: str) -> str:
    """Return text without NUL and surrogates."""
    return words.replace("\0", REPLACED).encode("utf-8", "replace").decode()
