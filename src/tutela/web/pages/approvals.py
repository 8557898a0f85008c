"""What needs two persons: what was asked for, by whom and why; granted or refused by another."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Connection

from tutela.access import accounts, approvals
from tutela.access import changes as account_changes
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import hold
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import AccountId, ApprovalId, CaseId
from tutela.core.principal import Principal
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.language import N_
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes

# Texts of what can be asked for; `approvals.KINDS` has the same keys.
KINDS = {
    "case.export_media": N_("Export media of a case"),
    "case.delete": N_("Delete a case with its media"),
    "case.release": N_("Lift the legal hold of a case"),
    "crawl.authorise": N_("Let sites be crawled under a legal order"),
    "lead.release": N_("Release a lead about an account"),
    "account.roles": N_("Let an account hold these roles"),
    "account.close": N_("Close an administrator's account"),
    "account.reset": N_("Give somebody a new way in"),
    "audit.erase": N_("Erase words of the audit log"),
}
OF_AN_ACCOUNT = "account."


class Decision(msgspec.Struct):
    """What the second person says: `grant` or `refuse`."""

    approval: int
    decision: str = ""


@reads("/approvals", needs=Permission.OWN)
def waiting(request: Asked) -> Response[str]:
    """Show what waits for the person's decision, and what the person asked for."""
    return _page(request, None)


@changes("/approvals", needs=Permission.APPROVE)
def decide(
    request: Asked,
    data: URLEncodedBody[Decision],
) -> Response[str] | Redirect:
    """Grant or refuse. What was granted about an account or a hold is carried out at once."""
    if data.decision not in {"grant", "refuse"}:
        raise UsageError("say whether it is granted or refused")
    number, asker = ApprovalId(data.approval), who(request)
    granted = data.decision == "grant"
    try:
        with office(request).database.write() as tx:
            approvals.decide(tx, asker, number, granted)
            if granted:
                _carry_out(tx, asker, number)
    except ConflictError as error:
        return _page(request, error)
    return Redirect("/approvals", status_code=303)


def _carry_out(tx: Connection, asker: Principal, number: ApprovalId) -> None:
    """Change the account, or lift the hold; the rest is done from the pages of the case."""
    asked = approvals.find(tx, asker, number)
    about = int(asked.subject.partition(":")[2])
    if asked.kind.startswith(OF_AN_ACCOUNT):
        account_changes.carry_out(tx, asker, number, asked.kind, AccountId(about))
    elif asked.kind == hold.KIND:
        hold.lift(tx, asker, CaseId(about), number)


def _page(request: Asked, problem: UsageError | None) -> Response[str]:
    asker = who(request)
    with office(request).database.read() as tx:
        found = approvals.pending(tx, asker)
        names = _names(tx, asker)
    return render.page(
        request,
        "pages/administration/approvals.html",
        status=409 if problem else 200,
        problem=problem,
        to_decide=[one for one in found if one.may_decide],
        others=[one for one in found if not one.may_decide],
        kinds=KINDS,
        names=names,
    )


def _names(tx: Connection, asker: Principal) -> dict[str, str]:
    """Return names of accounts by subject, for those who may know them."""
    if not allows(asker, Permission.ACCOUNTS):
        return {}
    return {f"account:{one.id}": one.name for one in accounts.list_(tx, asker)}


ROUTES = [waiting, decide]
