"""The one way in which Python functions become machine code here."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first use, keep the machine code on disk, and let other threads run meanwhile."""
    return cast("Callable[P, R]", njit(cache=True, nogil=True)(function))
