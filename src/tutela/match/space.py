"""Spaces: the kinds of values that an index holds, and how each is compared.

`pdq` is searched by distance. Everything else is compared for equality: the three digests as they
are, and every other name (`photodna`, a licensee's algorithm) by the SHA-256 of its values, of
whatever width.
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tutela.core.errors import UsageError
from tutela.core.media import PDQ

T = TypeVar("T", bound=np.generic)

CODE_BYTES = 32
DIGEST_BYTES = {"sha256": 32, "sha1": 20, "md5": 16}
_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,31}")


def is_radius_space(space: str) -> bool:
    """Tell whether values of a space are searched by distance.

    Raises:
        UsageError: the name is not one that a space can have.
    """
    if not _NAME.fullmatch(space):
        raise UsageError(f"{space!r} is not a name of a space", hint="a-z, 0-9, and . _ + - only")
    return space == PDQ


def codes(values: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Check codes (n, 32) of a radius space and return them as chunks (n, 16)."""
    return _plain(_matrix(values, CODE_BYTES, PDQ).view(np.uint16))


def exact_values(space: str, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is stored for `values` (n, w) of an exact space: (n, 32), (n, 20) or (n, 16)."""
    if space in DIGEST_BYTES:
        return _plain(_matrix(values, DIGEST_BYTES[space], space))
    rows = _matrix(values, None, space)
    hashed = b"".join(hashlib.sha256(row).digest() for row in rows)
    return _plain(np.frombuffer(hashed, np.uint8).reshape(len(rows), 32))


def _matrix(values: NDArray[np.uint8], width: int | None, space: str) -> NDArray[np.uint8]:
    if values.ndim != 2 or values.dtype != np.uint8 or width not in (None, values.shape[1]):
        wanted = "any number of" if width is None else width
        raise UsageError(
            f"values of {space} have shape (n, {wanted}) and type uint8, "
            f"not {values.shape} and {values.dtype}"
        )
    return np.ascontiguousarray(values)


def _plain(values: NDArray[T]) -> NDArray[T]:
    """Return an array of the one kind that kernels are compiled for: writable and aligned."""
    return values if values.flags.carray else values.copy()
