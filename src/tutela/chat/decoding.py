"""Values of JSON that may be damaged: decoded as they are, else after repair."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from tutela.chat.charset import text_of

_T = TypeVar("_T")

# What msgspec raises for bytes that it cannot read.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CONTROL: Final = bytes.maketrans(bytes(range(32)), b" " * 32)
# Halves of a pair of escapes that stand alone.
_LONE: Final = re.compile(
    r"(\\\\)|(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def decoded(decoder: msgspec.json.Decoder[_T], raw: bytes) -> tuple[_T, bool] | None:
    """Return a value, and whether its bytes had to be repaired; None where it cannot be read."""
    try:
        return decoder.decode(raw), False
    except _UNREADABLE:
        pass
    text, _ = text_of(raw.translate(_CONTROL))
    try:
        return decoder.decode(_LONE.sub(_whole, text)), True
    except _UNREADABLE:
        return None


def _whole(found: re.Match[str]) -> str:
    return found[0] if found[1] or found[2] else "\\ufffd"
