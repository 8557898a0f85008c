"""A conversation: the lines that counted, what speaks against it, and what people decide."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.edge.routes import reads
from tutela.observation import (
    conversation_decide,
    conversation_find,
    conversation_report,
    conversation_show,
)
from tutela.observation.conversation_lines import MOST_OPENED, Fold, Line, Span
from tutela.observation.conversation_model import Verdict
from tutela.observation.conversation_show import Shown, Wanted, label
from tutela.observation.sealing import Words
from tutela.web import chat_words as words
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.routes import changes

PATH = "/cases/{case_id:int}/conversations/{conversation_id:int}"
EXPORTS = "exports"  # beside the vault, for this user only
OPEN_SPANS = MOST_OPENED + 1
PAIRS = 3  # shown at once
TYPES = {"html": "text/html", "jsonl": "application/x-ndjson"}


class NamesForm(msgspec.Struct):
    """Why names are needed."""

    reason: str = ""


class JudgeForm(msgspec.Struct):
    """What one says of the whole, or of a message with a sign."""

    verdict: str = ""
    message: str = ""
    sign: str = ""


class DecideForm(msgspec.Struct):
    """What to do: `hand_over` (to another case's number, or none), `dismiss` or `reopen`."""

    act: str = ""
    reason: str = ""
    to: str = ""


class ReportForm(msgspec.Struct):
    """As what to export; `names` is why names are needed in it."""

    format: conversation_report.Format = "html"
    names: str = ""


@reads(PATH, needs=Permission.CONVERSATIONS_READ)
def page(
    request: Asked,
    case_id: FromPath[int],
    conversation_id: FromPath[int],
    open: FromQuery[str] = "",  # noqa: A002 the address's name
) -> Response[str]:
    """Show a conversation, with names masked; `open` are lines of folds, such as `3-20,40-60`."""
    return _page(request, case_id, conversation_id, Wanted(opened=_opened(open)))


@changes(f"{PATH}/names", needs=Permission.CONVERSATIONS_READ, form=page)
def names(
    request: Asked,
    case_id: FromPath[int],
    conversation_id: FromPath[int],
    data: URLEncodedBody[NamesForm],
) -> Response[str]:
    """Show it with the names of its speakers, once; the log says who asked and why."""
    if not data.reason.strip():
        raise UsageError("say why the names are needed")
    return _page(request, case_id, conversation_id, Wanted(names=data.reason))


@changes(f"{PATH}/judge", needs=Permission.CONVERSATIONS_WORK, form=page)
def judge(
    request: Asked,
    case_id: FromPath[int],
    conversation_id: FromPath[int],
    data: URLEncodedBody[JudgeForm],
) -> Redirect:
    """Say of the score, or of a line, that it is right, wrong, or unsure."""
    if data.verdict not in set(Verdict):
        raise UsageError("say whether the text supports the sign")
    about = data.message
    if about and not (about.isascii() and about.isdigit() and len(about) < 18):
        raise UsageError("a message is named by its number")
    with office(request).database.write() as tx:
        conversation_decide.judge(
            tx,
            who(request),
            CaseId(case_id),
            conversation_id,
            Verdict(data.verdict),
            message=int(about) if about else None,
            sign=data.sign,
        )
    return _back(case_id, conversation_id, f"m{about}" if about else "said")


@changes(f"{PATH}/decide", needs=Permission.CONVERSATIONS_WORK, form=page)
def decide(
    request: Asked,
    case_id: FromPath[int],
    conversation_id: FromPath[int],
    data: URLEncodedBody[DecideForm],
) -> Redirect:
    """Hand a conversation over, set it aside, or let it be decided again."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        if data.act == "hand_over":
            conversation_decide.hand_over(tx, asker, case, conversation_id, data.reason, data.to)
        elif data.act == "dismiss":
            conversation_decide.dismiss(tx, asker, case, conversation_id, data.reason)
        elif data.act == "reopen":
            conversation_decide.reopen(tx, asker, case, conversation_id, data.reason)
        else:
            raise UsageError("say what is to be done with the conversation")
    return _back(case_id, conversation_id, "decide")


@changes(f"{PATH}/export", needs=Permission.CONVERSATIONS_READ, form=page)
def export(
    request: Asked,
    case_id: FromPath[int],
    conversation_id: FromPath[int],
    data: URLEncodedBody[ReportForm],
) -> Response[bytes]:
    """Give a report of a conversation to the browser; it lies beside the vault for a moment."""
    place = office(request)
    folder = place.settings.vault.path.with_name(EXPORTS)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        out = Path(inside) / f"conversation.{data.format}"
        conversation_report.write(
            place.database,
            _words(request),
            who(request),
            CaseId(case_id),
            conversation_id,
            data.format,
            out,
            names=data.names,
        )
        written = out.read_bytes()
    name = f"conversation-{conversation_id}.{data.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(written, media_type=TYPES[data.format], headers=headers)


def _page(request: Asked, case_id: int, conversation_id: int, wanted: Wanted) -> Response[str]:
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:  # that somebody reads is logged
        found = conversation_show.show(tx, _words(request), asker, case, conversation_id, wanted)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        following = conversation_find.following(tx, asker, case, found.info)
        said = conversation_decide.feedback(tx, asker, case, conversation_id)
    return case_page(
        request,
        "pages/conversations/one.html",
        case_id,
        case=info,
        shown=found,
        lines=_rows(found),
        places={one.number for one in found.lines if isinstance(one, Line)},
        following=following,
        said=said,
        last_said={(one.message, one.sign): one.verdict.value for one in said},
        may_work=allows(asker, Permission.CONVERSATIONS_WORK),
        may_export=allows(asker, Permission.EXPORT),
        at_once=PAIRS,
        formats=list(conversation_report.FORMATS),
        label=label,
        words=words,
    )


def _rows(found: Shown) -> list[dict[str, Any]]:
    """Return lines and folds for the page, each fold with the address that opens it."""
    counted = [one.number for one in found.lines if isinstance(one, Line) and one.signs]
    following = dict(itertools.pairwise(counted))
    rows: list[dict[str, Any]] = []
    for one in found.lines:
        if isinstance(one, Fold):
            spans = (*found.opened, (one.first, one.last_at_once))
            rows.append({"line": None, "fold": one, "open": ",".join(f"{a}-{b}" for a, b in spans)})
        else:
            rows.append({"fold": None, "line": one, "next": following.get(one.number)})
    return rows


def _opened(text: str) -> tuple[Span, ...]:
    """Return spans of an address that got too long without those that were opened first."""
    some = text.split(",")[-OPEN_SPANS:] if text else []
    found = []
    for word in some:
        first, _, last = word.partition("-")
        if not all(one.isascii() and one.isdigit() and len(one) < 10 for one in (first, last)):
            raise UsageError("lines are opened by their numbers", hint="write them as 3-20,40-60")
        found.append((int(first), int(last)))
    return tuple(found)


def _words(request: Asked) -> Words:
    vault = office(request).vault
    if vault is None:
        raise UsageError("words are not kept here: there is no vault", code="no_vault")
    return Words(vault)


def _back(case_id: int, conversation_id: int, place: str) -> Redirect:
    return Redirect(f"/cases/{case_id}/conversations/{conversation_id}#{place}", status_code=303)


ROUTES = [page, names, judge, decide, export]
