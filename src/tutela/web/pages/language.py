"""The start, and the language of pages for those who are not signed in."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.edge.routes import PUBLIC, reads
from tutela.web import render
from tutela.web.language import NAMES
from tutela.web.office import Asked, who
from tutela.web.routes import changes

YEAR_S = 31_536_000


class Wanted(msgspec.Struct):
    """A language, and the page to go back to."""

    language: str
    next: str = "/"


def own_path(path: str) -> str:
    """Return `path` if it is one of ours, else the start: a link must not lead elsewhere."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours else "/"


@reads("/", needs=Permission.OWN)
def start(request: Asked) -> Redirect:
    """Go to the first place that the account is for."""
    for path, _name, needs in render.PLACES:
        if allows(who(request), needs):
            return Redirect(path, status_code=303)
    return Redirect("/account", status_code=303)


@changes("/language", needs=PUBLIC)
def language(
    data: URLEncodedBody[Wanted],
) -> Response[object]:
    """Keep a language in a cookie of the browser."""
    answer: Response[object] = Redirect(own_path(data.next), status_code=303)
    if data.language in NAMES:
        answer.set_cookie(
            Cookie(
                key="language", value=data.language, max_age=YEAR_S, httponly=True, samesite="lax"
            )
        )
    return answer


ROUTES = [start, language]
