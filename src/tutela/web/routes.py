"""How a route says who may use it. A route that says nothing is refused when the app is built."""

from __future__ import annotations

from typing import Any, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from tutela.access.model import Permission

# For nobody in particular: signing in, and the files that pages are made of.
PUBLIC: Final = "public"
# For somebody who gave a password and still owes the second factor.
HALF: Final = "half signed in"

Needs = Permission | str


def reads(path: str, needs: Needs, **options: Any) -> Any:  # noqa: ANN401 Litestar's decorator
    """Return a decorator for a handler that changes nothing (GET)."""
    return get(path, sync_to_thread=True, needs=needs, **options)


def changes(path: str, needs: Needs, **options: Any) -> Any:  # noqa: ANN401 Litestar's decorator
    """Return a decorator for a handler that changes something or leaves a trace (POST)."""
    options.setdefault("status_code", 200)
    return post(path, sync_to_thread=True, needs=needs, **options)


def needs_of(handler: HTTPRouteHandler) -> Needs | None:
    """Return what a handler says it needs, or None where it says nothing."""
    found: Needs | None = handler.opt.get("needs")
    return found
