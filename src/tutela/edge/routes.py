"""How a route says who may use it. A route that says nothing is refused when the app is built."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, TypeVar

import anyio.to_thread
from litestar import Litestar, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from tutela.access.model import Permission

# For nobody in particular: signing in, and the files that pages are made of.
PUBLIC: Final = "public"

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


def replaces(path: str, needs: Needs, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a handler that puts something in the place of what was there (PUT)."""
    options.setdefault("status_code", 200)
    return lambda handler: put(path, needs=needs, **options)(_threaded(handler))


def removes(path: str, needs: Needs, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a handler that takes something away (DELETE)."""
    options.setdefault("status_code", 200)
    return lambda handler: delete(path, needs=needs, **options)(_threaded(handler))


def refuse_unsaid(app: Litestar) -> None:
    """Make sure that every route says who may use it.

    Raises:
        RuntimeError: one does not (a defect of ours).
    """
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if not isinstance(handler, HTTPRouteHandler) or needs_of(handler) is not None:
                continue
            # The framework adds OPTIONS by itself, which answers with methods only.
            if handler.http_methods != {"OPTIONS"}:
                raise RuntimeError(f"{route.path} does not say who may use it")
            handler.opt["needs"] = PUBLIC


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
