"""Published lists: who gets them, what contributors propose, and what members say of entries."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Connection

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.core.errors import UsageError
from tutela.core.ids import EntryId, FeedbackId
from tutela.core.principal import Principal
from tutela.edge.routes import reads
from tutela.exchange import changes as listed
from tutela.exchange import entries, feedback, generation, lists, members, proposals
from tutela.exchange.model import ListView, MemberPermission
from tutela.web import render
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes

MOST = 100
GENERATIONS = 10


class Decided(msgspec.Struct):
    """What becomes of proposals. One ticked entry arrives as text, several as a list."""

    entries: str | list[str] = ""
    decision: str = ""
    reason: str = ""


class Answered(msgspec.Struct):
    """What becomes of a member's word."""

    feedback: int
    decision: str = ""
    reason: str = ""


class Summary(msgspec.Struct, frozen=True):
    """A published list in the table of all; counts are None for whom they are not."""

    view: ListView
    entries: int | None
    proposals: int | None
    feedback: int | None


def summaries(tx: Connection, asker: Principal) -> list[Summary]:
    """Return the lists that the asker's organisation owns or is a member of, and what waits."""
    syncs, publishes = (
        allows(asker, one) for one in (Permission.LISTS_SYNC, Permission.LISTS_PUBLISH)
    )
    found = []
    for view in lists.mine(tx, asker):
        manages = publishes and view.permission is MemberPermission.MANAGE
        found.append(
            Summary(
                view,
                listed.count(tx, asker, view) if syncs else None,
                proposals.count(tx, asker, view) if publishes else None,
                feedback.waiting(tx, asker, view.id) if manages else None,
            )
        )
    return found


@reads("/lists/published/{name:str}", needs=Permission.LISTS_PUBLISH)
def published(request: Asked, name: FromPath[str]) -> Response[str]:
    """Show one list: its members and generations, what is proposed, what members say."""
    asker = who(request)
    with office(request).database.read() as tx:
        view = lists.view(tx, asker, name)
        manages = view.permission is MemberPermission.MANAGE
        contributes = view.permission is not MemberPermission.READ
        return render.page(
            request,
            "pages/tasks/published.html",
            list=view,
            manages=manages,
            entries=listed.count(tx, asker, view),
            members=members.of(tx, asker, view.id) if manages else [],
            generations=generation.latest(tx, view, GENERATIONS),
            proposals=proposals.waiting(tx, asker, view, MOST) if contributes else [],
            waiting=proposals.count(tx, asker, view),
            queue=feedback.queue(tx, asker, view.id, MOST) if manages else [],
            counts=feedback.statistics(tx, asker, view.id),
        )


@changes("/lists/published/{name:str}/proposals", needs=Permission.LISTS_PUBLISH, form=published)
def decide(request: Asked, name: FromPath[str], data: URLEncodedBody[Decided]) -> Redirect:
    """Take proposals onto the list, or decline them."""
    ticked = [data.entries] if isinstance(data.entries, str) else data.entries
    if not (numbers := [EntryId(int(one)) for one in ticked if one.isdecimal()]):
        raise UsageError("tick the proposals that you decide")
    with office(request).database.write() as tx:
        view = lists.view(tx, who(request), name)
        entries.decide(
            tx, who(request), view.id, numbers, accept=_accepts(data.decision), reason=data.reason
        )
    return Redirect(f"/lists/published/{name}", status_code=303)


@changes("/lists/published/{name:str}/feedback", needs=Permission.LISTS_PUBLISH, form=published)
def answer(request: Asked, name: FromPath[str], data: URLEncodedBody[Answered]) -> Redirect:
    """Accept what a member says, which withdraws the entry, or decline it."""
    with office(request).database.write() as tx:
        lists.view(tx, who(request), name)
        feedback.answer(
            tx,
            who(request),
            FeedbackId(data.feedback),
            accept=_accepts(data.decision),
            reason=data.reason,
        )
    return Redirect(f"/lists/published/{name}", status_code=303)


def _accepts(decision: str) -> bool:
    if decision not in {"accept", "decline"}:
        raise UsageError("accept or decline")
    return decision == "accept"


ROUTES = [published, decide, answer]
