"""A case's team and its exports."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from tutela.access import accounts, teams
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import hold
from tutela.core.ids import AccountId, CaseId
from tutela.edge.routes import reads
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.pages.export import Reason
from tutela.web.routes import changes


class Member(msgspec.Struct):
    """Somebody to add or take away."""

    name: str = ""
    account: int = 0


class Move(msgspec.Struct):
    """What to do with a case: close, reopen, hold."""

    act: str


@reads("/cases/{case_id:int}/team", needs=Permission.CASE_READ)
def team(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show who is of the team, and what may be done with the case as a whole."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        members = teams.members(tx, asker, case)
    return case_page(
        request,
        "pages/cases/team.html",
        case_id,
        case=info,
        members=members,
        may_change=allows(asker, Permission.CASE_CHANGE),
    )


@changes("/cases/{case_id:int}/team/add", needs=Permission.CASE_CHANGE, form=team)
def add(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Member]) -> Redirect:
    """Add somebody of the same organisation by their account's name."""
    with office(request).database.write() as tx:
        wanted = accounts.by_name(tx, who(request), data.name)
        teams.add(tx, who(request), CaseId(case_id), wanted)
    return Redirect(f"/cases/{case_id}/team", status_code=303)


@changes("/cases/{case_id:int}/team/remove", needs=Permission.CASE_CHANGE, form=team)
def remove(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Member]) -> Redirect:
    """Take somebody out of the team."""
    with office(request).database.write() as tx:
        teams.remove(tx, who(request), CaseId(case_id), AccountId(data.account))
    return Redirect(f"/cases/{case_id}/team", status_code=303)


@changes("/cases/{case_id:int}/move", needs=Permission.CASE_CHANGE, form=team)
def move(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Move]) -> Redirect:
    """Close or reopen a case, or put it under legal hold."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        if data.act == "close":
            cases.close(tx, asker, case)
        elif data.act == "reopen":
            cases.reopen(tx, asker, case)
        elif data.act == "hold":
            hold.put(tx, asker, case)
    return Redirect(f"/cases/{case_id}/team", status_code=303)


@changes("/cases/{case_id:int}/release/ask", needs=Permission.CASE_CHANGE)
def ask_release(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Reason]) -> Redirect:
    """Ask that the legal hold of a case be lifted; another person decides."""
    with office(request).database.write() as tx:
        hold.ask(tx, who(request), CaseId(case_id), data.reason)
    return Redirect("/approvals", status_code=303)


ROUTES = [team, add, remove, move, ask_release]
