"""The audit log for those who audit: search, checkpoints, verification, proof of one event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from litestar import Response
from litestar.params import FromPath
from sqlalchemy import Connection

from tutela.access import accounts
from tutela.access.model import Permission
from tutela.audit import checkpoint, find, proof, verify
from tutela.core.errors import ServiceError, UsageError
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.office import Asked, office
from tutela.web.routes import changes

PAGE = 100


@reads("/audit", needs=Permission.AUDIT_READ)
def log(request: Asked) -> Response[str]:
    """Show the newest events that fit the address."""
    with office(request).database.read() as tx:
        return _page(request, tx, None)


@changes("/audit/verify", needs=Permission.AUDIT_READ)
def check(request: Asked) -> Response[str]:
    """Hold the whole log against its tree and its checkpoints."""
    place = office(request)
    with place.database.read() as tx:
        try:
            keys = [checkpoint.signing_key(place.settings.audit).verifier]
        except ServiceError:
            keys = []
        return _page(request, tx, verify.verify(tx, keys))


@reads("/audit/events/{seq:int}", needs=Permission.AUDIT_READ)
def event(request: Asked, seq: FromPath[int]) -> Response[str]:
    """Show one event and the proof that it is in the tree."""
    with office(request).database.read() as tx:
        found = find.find(tx, find.Filter(), before=seq + 1, limit=1)
        if not found or found[0].seq != seq:
            raise UsageError("there is no such event", code="not_found")
        shown = _proof(tx, seq)
    return render.page(
        request,
        "pages/tasks/event.html",
        event=found[0],
        data=msgspec.json.format(msgspec.json.encode(found[0].data), indent=2).decode(),
        proof=shown,
    )


def _proof(tx: Connection, seq: int) -> str:
    """Return the proof of an event, or nothing where no checkpoint covers it yet."""
    try:
        return proof.inclusion(tx, seq).text
    except UsageError:
        return ""


def _page(request: Asked, tx: Connection, report: verify.Report | None) -> Response[str]:
    given = dict(request.query_params)
    before = given.pop("before", "")
    wanted = _wanted(given)
    found = find.find(tx, wanted, before=_number(before), limit=PAGE)
    names = accounts.names(tx, {one.account_id for one in found if one.account_id is not None})
    erased = render.language_of(request).gettext("erased")
    older = urlencode(given | {"before": found[-1].seq}) if len(found) == PAGE else None
    return render.page(
        request,
        "pages/tasks/audit.html",
        events=[
            {
                "seq": one.seq,
                "at": one.at,
                "by": names.get(one.account_id, "-") if one.account_id else one.via,
                "via": one.via,
                "action": one.action,
                "subject": one.subject,
                "said": _said(one, erased),
            }
            for one in found
        ],
        older=older,
        given=given,
        report=report,
        signed=checkpoint.latest(tx),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _said(one: find.Found, erased: str) -> str:
    words = [f"{name}: {_plain(v)}" for name, v in one.data.items() if name not in one.texts]
    words += [f"{name}: {erased if text is None else text}" for name, text in one.texts.items()]
    return ", ".join(words)


def _plain(value: object) -> str:
    """Return a fact as the log has it: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _wanted(given: dict[str, str]) -> find.Filter:
    day = given.get("day", "")
    try:
        since = datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
        until = since + timedelta(days=1) if since else None
    except (ValueError, OverflowError):
        raise UsageError("a day is written 2026-12-31") from None
    return find.Filter(
        subject=given.get("subject", ""),
        action=given.get("action", ""),
        since=since,
        until=until,
    )


ROUTES = [log, check, event]
