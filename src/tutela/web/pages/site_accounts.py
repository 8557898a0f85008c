"""An account on a site: where it stands and why, what speaks against it, links, marks, posts."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from tutela.access.model import Permission
from tutela.actors import linking, marking, ranking, release, versus
from tutela.actors.marking import Mark
from tutela.casework import case as cases
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.edge.routes import reads
from tutela.observation import find, show
from tutela.observation.sealing import Words
from tutela.web import lead_words as words
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.pages.leads import desk, link_rows
from tutela.web.routes import changes

READ_AT_ONCE = 10
MOST_POSTS = 100
MOST_RIVALS = 50


class MarkForm(msgspec.Struct):
    """A mark to put, or one to undo by its number."""

    reason: str = ""
    kind: str = ""
    undo: int = 0


class LinkForm(msgspec.Struct):
    """What a person says of a link: `confirm` or `undo`."""

    link: int
    decision: str = ""
    reason: str = ""


class PostsForm(msgspec.Struct):
    """Posts whose words are to be shown, by their numbers."""

    posts: str = ""


@reads("/cases/{case_id:int}/accounts/{site_account_id:int}", needs=Permission.LEADS)
def page(
    request: Asked,
    case_id: FromPath[int],
    site_account_id: FromPath[int],
    against: FromQuery[int] = 0,
) -> Response[str]:
    """Show an account, without the words of its posts."""
    return _page(request, case_id, site_account_id, against, {})


@changes(
    "/cases/{case_id:int}/accounts/{site_account_id:int}/posts", needs=Permission.LEADS, form=page
)
def read(
    request: Asked,
    case_id: FromPath[int],
    site_account_id: FromPath[int],
    data: URLEncodedBody[PostsForm],
) -> Response[str]:
    """Show words of posts, each closed until asked for; the log says which were opened."""
    place = office(request)
    if place.vault is None:
        raise UsageError("words are not kept here: there is no vault", code="no_vault")
    wanted = _numbers(data.posts)
    with place.database.write() as tx:
        opened = Words(place.vault).opened
        found = show.words(tx, who(request), CaseId(case_id), site_account_id, wanted, opened)
    return _page(request, case_id, site_account_id, 0, found)


@changes(
    "/cases/{case_id:int}/accounts/{site_account_id:int}/propose", needs=Permission.LEADS, form=page
)
def propose(request: Asked, case_id: FromPath[int], site_account_id: FromPath[int]) -> Redirect:
    """Propose an account as a lead."""
    place = office(request)
    with place.database.write() as tx:
        release.propose(tx, who(request), CaseId(case_id), site_account_id, desk(place))
    return Redirect(f"/cases/{case_id}/leads", status_code=303)


@changes(
    "/cases/{case_id:int}/accounts/{site_account_id:int}/marks", needs=Permission.LEADS, form=page
)
def mark(
    request: Asked,
    case_id: FromPath[int],
    site_account_id: FromPath[int],
    data: URLEncodedBody[MarkForm],
) -> Redirect:
    """Mark an account, or undo a mark."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        if data.undo:
            marking.undo(tx, asker, case, data.undo, data.reason)
        elif data.kind in set(Mark):
            marking.put(tx, asker, case, site_account_id, Mark(data.kind), data.reason)
        else:
            raise UsageError("choose what to say of the account")
    return _back(case_id, site_account_id)


@changes(
    "/cases/{case_id:int}/accounts/{site_account_id:int}/links", needs=Permission.LEADS, form=page
)
def link(
    request: Asked,
    case_id: FromPath[int],
    site_account_id: FromPath[int],
    data: URLEncodedBody[LinkForm],
) -> Redirect:
    """Confirm a link of an account, or undo it."""
    if data.decision not in {"confirm", "undo"}:
        raise UsageError("say whether the link is confirmed or undone")
    decide = linking.confirm if data.decision == "confirm" else linking.undo
    with office(request).database.write() as tx:
        decide(tx, who(request), CaseId(case_id), data.link, data.reason)
    return _back(case_id, site_account_id)


def _page(
    request: Asked, case_id: int, account_id: int, against: int, opened: dict[int, str | None]
) -> Response[str]:
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        account = find.account(tx, asker, case, account_id)
        ranked = ranking.of_account(tx, asker, case, account_id)
        links = linking.listed(tx, asker, case, [account_id])
        beside = find.accounts(tx, asker, case, [one.beside(account_id) for one in links])
        other = ranking.of_account(tx, asker, case, against) if against else None
        other_account = find.account(tx, asker, case, against) if other else None
        rivals = ranking.ranked(tx, asker, case, ranked.ranking_id, MOST_RIVALS) if ranked else []
        posts = find.posts_of(tx, asker, case, account_id, MOST_POSTS)
        context = {
            "rivals": rivals,
            "rival_accounts": find.accounts(tx, asker, case, [one.account_id for one in rivals]),
            "marks": marking.listed(tx, asker, case, account_id),
            "names": find.names_of(tx, asker, case, account_id),
            "lead": release.open_lead(tx, asker, case, account_id),
            "members": find.accounts(tx, asker, case, list(ranked.members) if ranked else []),
        }
    return case_page(
        request,
        "pages/leads/account.html",
        case_id,
        case=info,
        account=account,
        ranked=ranked,
        links=link_rows(links, account_id, beside),
        posts=posts,
        opened=opened,
        unread=[str(one.id) for one in posts if one.readable and one.id not in opened],
        at_once=READ_AT_ONCE,
        mark_kinds=words.MARKS,
        words=words,
        other=other_account,
        comparison=versus.versus(ranked, other) if ranked and other else None,
        **context,
    )


def _numbers(text: str) -> list[int]:
    found = text.replace(",", " ").split()
    if not all(word.isascii() and word.isdigit() and len(word) < 18 for word in found):
        raise UsageError("posts are given by their numbers")
    return [int(word) for word in found]


def _back(case_id: int, account_id: int) -> Redirect:
    return Redirect(f"/cases/{case_id}/accounts/{account_id}", status_code=303)


ROUTES = [page, read, propose, mark, link]
