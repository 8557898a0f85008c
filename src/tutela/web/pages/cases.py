"""Cases: the list, a new one, and the board of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Response
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import scheme as schemes
from tutela.casework.model import NewAuthority
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.time import now
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.language import N_
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes


class NewCase(msgspec.Struct):
    """The form of a new case."""

    number: str = ""
    title: str = ""
    scheme: str = "uk-abc"
    keeps_media: str = ""
    legal_basis: str = ""
    reference: str = ""
    scope: str = ""
    granted_by: str = ""
    valid_from: str = ""
    valid_until: str = ""


# The pages of a case, their names, and what it takes to open them.
TABS = (
    ("", N_("Board"), Permission.CASE_READ),
    ("/review", N_("Review"), Permission.CASE_READ),
    ("/items", N_("List"), Permission.CASE_READ),
    ("/hits", N_("Hits"), Permission.CASE_READ),
    ("/timeline", N_("Timeline"), Permission.CASE_READ),
    ("/map", N_("Map"), Permission.CASE_READ),
    ("/links", N_("Cameras and links"), Permission.CASE_READ),
    ("/series", N_("Series and victims"), Permission.SERIES),
    ("/second", N_("Second readings"), Permission.GRADE),
    ("/conversations", N_("Conversations"), Permission.CONVERSATIONS_READ),
    ("/leads", N_("Leads"), Permission.LEADS),
    ("/sites", N_("Sites"), Permission.LEADS),
    ("/graph", N_("Graph"), Permission.LEADS),
    ("/observed", N_("Observed"), Permission.LEADS),
    ("/team", N_("Team"), Permission.CASE_READ),
    ("/export", N_("Export"), Permission.EXPORT),
)


@reads("/cases", needs=Permission.CASE_LIST)
def list_(request: Asked) -> Response[str]:
    """Show the cases whose team the person is of."""
    asker = who(request)
    with office(request).database.read() as tx:
        counts = office(request).counts
        found = [(case, counts.states(tx, asker, case)) for case in cases.list_(tx, asker)]
    rows = [
        {
            "id": case.id,
            "number": case.number,
            "title": case.title,
            "state": case.state.value,
            "legal_hold": case.legal_hold,
            "created_at": case.created_at,
            "open": states["open"],
            "decided": states["graded"] + states["inferred"] + states["known"],
        }
        for case, states in found
    ]
    return render.page(
        request,
        "pages/cases/list.html",
        cases=rows,
        may_create=allows(asker, Permission.CASE_CREATE),
    )


@reads("/cases/new", needs=Permission.CASE_CREATE)
def new(request: Asked) -> Response[str]:
    """Ask for what a new case needs."""
    today = now().date()
    form = NewCase(
        valid_from=today.isoformat(), valid_until=(today + timedelta(days=90)).isoformat()
    )
    return _form(request, form, "")


@changes("/cases/new", needs=Permission.CASE_CREATE)
def create(request: Asked, data: URLEncodedBody[NewCase]) -> Response[str] | Redirect:
    """Open a case, or say what is missing."""
    try:
        with office(request).database.write() as tx:
            made = cases.create(
                tx,
                who(request),
                data.number.strip(),
                data.title.strip(),
                _authority(data),
                data.scheme,
                keeps_media=bool(data.keeps_media),
            )
    except UsageError as error:
        return _form(request, data, error.message)
    return Redirect(f"/cases/{made}", status_code=303)


def _authority(data: NewCase) -> NewAuthority:
    return NewAuthority(
        legal_basis=data.legal_basis,
        reference=data.reference,
        scope=data.scope,
        granted_by=data.granted_by,
        valid_from=_day(data.valid_from),
        valid_until=_day(data.valid_until, timedelta(days=1)),
    )


def _day(text: str, later: timedelta = timedelta()) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + later
    except (ValueError, OverflowError):
        raise UsageError("a date is missing", hint="write it as 2026-12-31") from None


def _form(request: Asked, form: NewCase, problem: str) -> Response[str]:
    with office(request).database.read() as tx:
        known = [schemes.load(tx, name) for name in schemes.names()]
    return render.page(
        request,
        "pages/cases/new.html",
        status=400 if problem else 200,
        form=form,
        schemes=[scheme for scheme in known if scheme.codes],
        problem=problem,
    )


def case_page(request: Asked, template: str, case_id: int, **context: Any) -> Response[str]:
    """Return a page of a case, with what all of them show."""
    if "case" not in context:
        with office(request).database.read() as tx:
            context["case"] = cases.info(tx, who(request), CaseId(case_id))
    tabs = [
        (f"/cases/{case_id}{path}", name)
        for path, name, needs in TABS
        if allows(who(request), needs)
    ]
    return render.page(request, template, tabs=tabs, **context)


ROUTES = [list_, new, create]
