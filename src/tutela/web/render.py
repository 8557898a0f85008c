"""Pages from templates, in the language of the one who asks."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import jinja2
from litestar import MediaType, Response
from markupsafe import Markup, escape

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.core.principal import Principal
from tutela.core.time import iso
from tutela.web.language import N_, NAMES, Language, chosen, language
from tutela.web.office import Asked, office
from tutela.web.refused import NOTHING

# What a person may go to, with what it takes; those of a case are in the case's own pages.
PLACES = (
    ("/cases", N_("Cases"), Permission.CASE_LIST),
    ("/disputes", N_("Disputes"), Permission.ADJUDICATE),
    ("/lists", N_("Lists"), Permission.LISTS_READ),
    ("/approvals", N_("Approvals"), Permission.APPROVE),
    ("/audit", N_("Audit"), Permission.AUDIT_READ),
    ("/administration", N_("Administration"), Permission.ACCOUNTS),
)


def page(request: Asked, template: str, /, status: int = 200, **context: Any) -> Response[str]:
    """Return the page that `template` makes of `context`."""
    speaks = language_of(request)
    text = (
        _environment(speaks.code)
        .get_template(template)
        .render(
            **context,
            language=speaks,
            languages=NAMES,
            asker=asker(request),
            navigation=_places(request),
            refused=request.state.get("refused") or NOTHING,
            here=request.url.path,
            static=static_path,
        )
    )
    return Response(text, status_code=status, media_type=MediaType.HTML)


def asker(request: Asked) -> Principal | None:
    """Return who is signed in, if anybody is."""
    found: Principal | None = request.state.get("who")
    return found


def language_of(request: Asked) -> Language:
    """Return the language of the one who asks: their choice, their browser's, ours."""
    own = request.state.get("language") or request.cookies.get("language")
    if own in NAMES:
        return language(own)
    header = request.headers.get("accept-language", "")
    return language(chosen(header.split(","), office(request).settings.web.language))


def _places(request: Asked) -> list[tuple[str, str]]:
    somebody = asker(request)
    if somebody is None:
        return []
    return [(path, name) for path, name, needs in PLACES if allows(somebody, needs)]


@cache
def _environment(code: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tutela.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    speaks = language(code)
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the extension
        speaks.gettext, speaks.ngettext, newstyle=True
    )
    environment.filters |= {
        "moment": _moment,
        "count": _count,
        "svg": Markup,
        # For texts that are data: unlike `_()` it neither formats them nor takes them for HTML.
        "translated": speaks.gettext,
    }
    return environment


def _moment(value: datetime | None) -> Markup:
    """Return a time for a person, with the machine's form beside it."""
    if value is None:
        return Markup("-")
    return Markup('<time datetime="{}">{}</time>').format(
        iso(value), escape(value.strftime("%Y-%m-%d %H:%M UTC"))
    )


def _count(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@cache
def static_files() -> tuple[str, dict[str, bytes]]:
    """Return the files that pages are made of, and the version of all of them together.

    One version for all, since our modules import each other by their bare names.
    """
    folder: Traversable = files("tutela.web") / "static"
    found = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    digest = hashlib.sha256()
    for name, data in sorted(found.items()):
        digest.update(f"{name} {len(data)} ".encode() + data)
    return digest.hexdigest()[:12], found


def static_path(name: str) -> str:
    """Return where a page finds one of our files; where any has changed all have another path."""
    version, found = static_files()
    assert name in found, name
    return f"/static/{version}/{name}"
