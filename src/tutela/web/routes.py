"""How a route says who may use it. A route that says nothing is refused when the app is built."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import anyio.to_thread
import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from tutela.access.model import Permission
from tutela.core.errors import AccessError, UsageError
from tutela.web import errors
from tutela.web.refused import Refused

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


def changes(
    path: str, needs: Needs, *, form: HTTPRouteHandler | None = None, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a handler that changes something or leaves a trace (POST).

    `form` is the page that has the form: it is shown again, with what was typed, where what a
    person asked for cannot be.
    """
    options.setdefault("status_code", 200)
    return lambda handler: post(path, needs=needs, **options)(
        _threaded(_shown_again(handler, form) if form else handler)
    )


def needs_of(handler: HTTPRouteHandler) -> Needs | None:
    """Return what a handler says it needs, or None where it says nothing."""
    found: Needs | None = handler.opt.get("needs")
    return found


def _shown_again(handler: Callable[P, R], form: HTTPRouteHandler) -> Callable[P, R]:
    page: Callable[..., Any] = inspect.unwrap(form.fn)
    asked = inspect.signature(page).parameters

    @functools.wraps(handler)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except UsageError as error:
            request: Any = kwargs["request"]
            # Who may not has no form to correct; a program wants no page.
            if isinstance(error, AccessError) or errors.wants_json(request):
                raise
            typed = msgspec.to_builtins(kwargs.get("data"))
            request.state.refused = Refused(error, request.url.path, typed or {})
            answer = page(**{name: value for name, value in kwargs.items() if name in asked})
            answer.status_code = errors.status_of(error)
            return cast("R", answer)

    return run


def _threaded(handler: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """Run a handler in a thread, for it waits for the database.

    Litestar's own `sync_to_thread` wraps a handler once more for each other method of its path,
    and then answers with a coroutine (2.25).
    """

    @functools.wraps(handler)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return await anyio.to_thread.run_sync(functools.partial(handler, *args, **kwargs))

    return run
