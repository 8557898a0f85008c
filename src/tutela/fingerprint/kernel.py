"""How a Python function becomes machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(
    *, fastmath: bool = False, entry: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile on first use, keep the machine code on disk, let other threads run meanwhile.

    The code lies beside the source or, where an installation is read-only, in the user's cache
    folder (numba's rule; `NUMBA_CACHE_DIR` names another). Where neither can be written, each
    process compiles anew. `fastmath` lets sums be reordered; results may differ in the last place.

    With `entry` false the function is called by other kernels only and is kept inside them. So must
    all that take classes of ours be: numba loads the classes of kept signatures before it looks
    whether the source has changed, and fails where a later version has no such class.
    """

    def compiled(function: Callable[P, R]) -> Callable[P, R]:
        try:
            machine = njit(cache=entry, nogil=True, fastmath=fastmath)(function)
        except RuntimeError:  # numba finds no folder for its cache
            machine = njit(nogil=True, fastmath=fastmath)(function)
        return cast("Callable[P, R]", machine)

    return compiled
