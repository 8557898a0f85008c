"""Forms that are shown again, with what was typed, where what a person asked for cannot be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import msgspec
from litestar.handlers import HTTPRouteHandler

from tutela.core.errors import AccessError, UsageError
from tutela.edge import routes
from tutela.edge.routes import Needs
from tutela.edge.status import status_of
from tutela.web import errors
from tutela.web.refused import Refused

P = ParamSpec("P")
R = TypeVar("R")


def changes(
    path: str, needs: Needs, *, form: HTTPRouteHandler | None = None, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a handler of a page that changes something (POST).

    `form` is the page that has the form: it is shown again, with what was typed, where what a
    person asked for cannot be.
    """
    decorate = routes.changes(path, needs=needs, **options)
    return lambda handler: decorate(_shown_again(handler, form) if form else handler)


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
            answer.status_code = status_of(error)
            return cast("R", answer)

    return run
