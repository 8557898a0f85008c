"""Leads of a case: the ranking, leads on their way out, the graph, and what happened by day."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from tutela.access.model import Permission
from tutela.actors import export, linking, network, ranking, release
from tutela.actors.ranking import Desk
from tutela.casework import case as cases
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.edge.routes import reads
from tutela.observation import find
from tutela.observation.sealing import Words
from tutela.report import daily
from tutela.report import network as drawn
from tutela.report.drawing import Drawing, shortened
from tutela.web import lead_words as words
from tutela.web import render
from tutela.web.language import Language
from tutela.web.office import Asked, Office, office, who
from tutela.web.pages.cases import case_page
from tutela.web.routes import changes

MOST = 100
TYPES = {"jsonl": "application/x-ndjson", "html": "text/html", "pdf": "application/pdf"}


class LeadAct(msgspec.Struct):
    """What to do with a lead: `ask`, `release`, `withdraw`, `restore` or `export`."""

    act: str
    reason: str = ""
    format: export.Format = "html"


def desk(place: Office) -> Desk:
    """Return by what leads are worked on here."""
    opened = None if place.vault is None else Words(place.vault).opened
    return ranking.desk(place.settings.leads, place.sealer, opened)


@reads("/cases/{case_id:int}/leads", needs=Permission.LEADS)
def board(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show the newest ranking of a case, who is withheld by reason, and its leads."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        newest = ranking.latest(tx, asker, case)
        ranked = [] if newest is None else ranking.ranked(tx, asker, case, newest.id, MOST)
        leads = release.listed(tx, asker, case)
        numbers = {one.account_id for one in ranked} | {one.account_id for one in leads}
        accounts = find.accounts(tx, asker, case, sorted(numbers))
        granted = {one.id for one in leads if release.granted(tx, asker, one)}
    return case_page(
        request,
        "pages/leads/board.html",
        case_id,
        case=info,
        newest=newest,
        ranked=ranked,
        leads=leads,
        accounts=accounts,
        granted=granted,
        formats=["html", "pdf", "jsonl"],
        words=words,
        state_of={one.account_id: one.state for one in reversed(leads)},
    )


@changes("/cases/{case_id:int}/leads", needs=Permission.LEADS, form=board)
def rank(request: Asked, case_id: FromPath[int]) -> Redirect:
    """Rank the accounts of a case as they are known now."""
    place = office(request)
    ranking.rank(place.database, who(request), CaseId(case_id), desk(place))
    return Redirect(f"/cases/{case_id}/leads", status_code=303)


@changes("/cases/{case_id:int}/leads/{lead_id:int}", needs=Permission.LEADS, form=board)
def act(
    request: Asked, case_id: FromPath[int], lead_id: FromPath[int], data: URLEncodedBody[LeadAct]
) -> Response[bytes] | Redirect:
    """Ask for the release of a lead, release it as granted, take it back, undo that, export it."""
    place, asker, case = office(request), who(request), CaseId(case_id)
    if data.act == "export":
        return _file(request, case, lead_id, data.format)
    if data.act == "ask":
        release.ask(place.database, asker, case, lead_id, desk(place), data.reason)
        return Redirect("/approvals", status_code=303)
    if data.act == "release":
        release.release(place.database, asker, case, lead_id, desk(place))
    elif data.act in {"withdraw", "restore"}:
        with place.database.write() as tx:
            if data.act == "withdraw":
                release.withdraw(tx, asker, case, lead_id, data.reason)
            else:
                release.restore(tx, asker, case, lead_id)
    else:
        raise UsageError("say what is to be done with the lead")
    return Redirect(f"/cases/{case_id}/leads", status_code=303)


def _file(request: Asked, case: CaseId, lead_id: int, form: export.Format) -> Response[bytes]:
    """Return a released lead as a file; it holds no media, so it may lie in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="lead-") as folder:
        out = Path(folder) / f"lead.{form}"
        place = office(request)
        export.write(place.database, who(request), case, lead_id, form, out, by=desk(place))
        data = out.read_bytes()
    name = f"lead-{lead_id}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=TYPES[form], headers=headers)


@reads("/cases/{case_id:int}/graph", needs=Permission.LEADS)
def graph(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Draw what ties the first accounts of the ranking to each other, and list the same."""
    with office(request).database.read() as tx:
        found = network.network(tx, who(request), CaseId(case_id))
    speaks = render.language_of(request)
    _ = speaks.gettext
    parts = [
        {
            "title": "",
            "plot": _drawing(speaks, found) if found.accounts else "",
            "columns": [_("Account"), _("Tied to"), _("How"), _("Tier"), _("State")],
            "rows": _ties(speaks, case_id, found),
            "empty": _("Nothing ties the first accounts of the ranking to each other."),
        }
    ]
    intro = _("A tie is a reason to look. Larger circles stand higher in the ranking.")
    return case_page(
        request, "pages/cases/plot.html", case_id, heading=_("Graph"), intro=intro, parts=parts
    )


@reads("/cases/{case_id:int}/observed", needs=Permission.LEADS)
def observed(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show exchange events and known media found, day by day."""
    with office(request).database.read() as tx:
        found = find.days(tx, who(request), CaseId(case_id))
    speaks = render.language_of(request)
    _ = speaks.gettext
    kinds = [kind for kind in words.EVENTS if any(kind in day.counts for day in found)]
    counts = {
        _(words.EVENTS[kind]): {day.day: day.counts[kind] for day in found if kind in day.counts}
        for kind in kinds
    }
    plot = described(speaks, daily.strips(_("What happened by day"), counts)) if found else ""
    rows = [
        [str(day.day), *(str(day.counts.get(kind, 0)) for kind in kinds)] for day in reversed(found)
    ]
    parts = [
        {
            "title": "",
            "plot": plot,
            "columns": [_("Day"), *counts],
            "rows": rows,
            "empty": _("Nothing was observed yet."),
        }
    ]
    intro = _("Days are those that the sites say; a clock there may be wrong.")
    return case_page(
        request, "pages/cases/plot.html", case_id, heading=_("Observed"), intro=intro, parts=parts
    )


def described(speaks: Language, drawing: Drawing) -> Drawing:
    """Return a drawing whose words for who cannot see it are in the person's language."""
    if speaks.code == "en":
        return drawing
    said = speaks.gettext("The table after it has the same numbers.")
    return dataclasses.replace(drawing, description=said)


def _drawing(speaks: Language, found: network.Network) -> Drawing:
    last = max(found.places.values(), default=1)
    nodes = [
        drawn.Node(
            f"account {one.id}",
            one.handle,
            "alert" if one.id in found.places else "context",
            size=1 - (found.places[one.id] - 1) / last if one.id in found.places else 0.2,
            hint=f"{one.handle}, {one.host}",
        )
        for one in sorted(
            found.accounts.values(), key=lambda one: (found.places.get(one.id, last + 1), one.id)
        )
    ]
    shared = {name.entity_id: name for _, name in found.names}
    nodes += [
        drawn.Node(
            f"name {number}",
            speaks.gettext(words.NAMES[name.kind]),
            "warn",
            outer=False,
            size=0.2,
            hint=f"{speaks.gettext(words.NAMES[name.kind])}: {name.value}",
        )
        for number, name in shared.items()
    ]
    ties = [
        drawn.Tie(
            f"account {link.one_id}", f"account {link.other_id}", _LINES.get(link.tier, "grid")
        )
        for link in found.links
    ]
    ties += [drawn.Tie(f"account {a}", f"name {name.entity_id}") for a, name in found.names]
    return described(speaks, drawn.draw(speaks.gettext("Graph"), nodes, ties))


_LINES: dict[str, Any] = {"A": "alert", "B": "mark"}


def _ties(speaks: Language, case_id: int, found: network.Network) -> list[list[Any]]:
    _ = speaks.gettext

    def shown(number: int) -> dict[str, str]:
        one = found.accounts[number]
        text = f"{one.handle} ({one.host})"
        return {"href": f"/cases/{case_id}/accounts/{number}", "text": text}

    rows: list[list[Any]] = [
        [
            shown(link.one_id),
            shown(link.other_id),
            ", ".join(_(words.LINK_KINDS.get(one["kind"], one["kind"])) for one in link.evidence),
            link.tier,
            _(words.LINK_STATES[link.state]),
        ]
        for link in found.links
        if link.one_id in found.accounts and link.other_id in found.accounts
    ]
    rows += [
        [shown(account), shortened(name.value, 40), _(words.NAMES[name.kind]), "", ""]
        for account, name in found.names
    ]
    return rows


def link_rows(
    links: list[linking.LinkInfo], account_id: int, accounts: dict[int, find.AccountInfo]
) -> list[dict[str, Any]]:
    """Return links of an account for its page, each with the account beside it."""
    return [{"link": one, "beside": accounts.get(one.beside(account_id))} for one in links]


ROUTES = [board, rank, act, graph, observed]
