"""How a route says who may use it. A route that says nothing is refused when the app is built."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, TypeVar

import anyio.to_thread
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from tutela.access.model import Permission

# For nobody in particular: signing in, and the files that pages are made of.
PUBLIC: Final = "public"
# For somebody who gave a password and still owes the second factor.
HALF: Final = "half signed in"

Needs = Permission | str
P = ParamSpec("P")
R = TypeVar("R")


def reads(path: str, needs: Needs, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a handler that changes nothing (GET)."""
    return lambda handler: get(path, needs=needs, **options)(_threaded(handler))


def changes(path: str, needs: Needs, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a handler that changes something or leaves a trace (POST)."""
    options.setdefault("status_code", 200)
    return lambda handler: post(path, needs=needs, **options)(_threaded(handler))


def needs_of(handler: HTTPRouteHandler) -> Needs | None:
    """Return what a handler says it needs, or None where it says nothing."""
    found: Needs | None = handler.opt.get("needs")
    return found


def _threaded(handler: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """Run a handler in a thread, for it waits for the database.

    Litestar's own `sync_to_thread` wraps a handler once more for each other method of its path,
    and then answers with a coroutine (2.25).
    """

    @functools.wraps(handler)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return await anyio.to_thread.run_sync(functools.partial(handler, *args, **kwargs))

    return run
