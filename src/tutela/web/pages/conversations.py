"""Conversations of a case in the order of work: points, signs, and how far people are."""

from __future__ import annotations

from typing import get_args

from litestar import Response
from litestar.params import FromPath, FromQuery

from tutela.access.model import Permission
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.edge.routes import reads
from tutela.observation import conversation_find
from tutela.observation.conversation_find import Which
from tutela.web import chat_words as words
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page

AT_ONCE = 100
MOST_BUDGET = 100_000
MOST_PAGES = 100_000
BUDGET = 50  # conversations that people can read, where nobody says how many


@reads("/cases/{case_id:int}/conversations", needs=Permission.CONVERSATIONS_READ)
def board(
    request: Asked,
    case_id: FromPath[int],
    which: FromQuery[str] = "undecided",
    budget: FromQuery[int] = BUDGET,
    page: FromQuery[int] = 1,
) -> Response[str]:
    """List conversations, those with most points first, with a line where the budget ends."""
    if not (0 <= budget <= MOST_BUDGET and 1 <= page <= MOST_PAGES):
        raise UsageError("there is no such page")
    asker, case = who(request), CaseId(case_id)
    chosen = _which(which)
    start = (page - 1) * AT_ONCE
    with office(request).database.read() as tx:
        counts = conversation_find.counts(tx, asker, case)
        rows = conversation_find.find(tx, asker, case, chosen, start=start, limit=AT_ONCE)
        sources = conversation_find.imports(tx, asker, case)
    total = getattr(counts, chosen)
    return case_page(
        request,
        "pages/conversations/list.html",
        case_id,
        rows=rows,
        counts=counts,
        total=total,
        start=start,
        which=chosen,
        budget=budget,
        page=page,
        last=max(1, -(-total // AT_ONCE)),
        sources=sources,
        words=words,
    )


def _which(word: str) -> Which:
    for one in get_args(Which):
        if one == word:
            chosen: Which = one
            return chosen
    raise UsageError("choose undecided, alert or all")


ROUTES = [board]
