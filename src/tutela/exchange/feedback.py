"""Feedback: what members say of entries, and what owners make of it.

A member says one thing of an entry (for each value that matched); what it says later replaces it.
Nothing about the upload is asked or kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.ids import EntryId, FeedbackId, ListId, OrganisationId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange import changes, entries, lists
from tutela.exchange.model import ListView, MemberPermission, Said, Verdict
from tutela.store.bulk import upsert_rows
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import Feedback

ALGORITHM_CHARACTERS = 40
NOTE_CHARACTERS = 2000
REASONS = 20
REASON_CHARACTERS = 100
_KEY = ("entry_id", "organisation_id", "algorithm")


class Count(msgspec.Struct, frozen=True):
    """How often a member said something of a list's entries, and how much of it waits."""

    organisation: str
    verdict: Verdict
    said: int
    waiting: int


def submit(  # noqa: PLR0913 what is said, of what, and why
    tx: Connection,
    who: Principal,
    list_id: ListId,
    entry_id: EntryId,
    verdict: Verdict,
    *,
    algorithm: str = "",
    reasons: Sequence[str] = (),
    note: str = "",
) -> None:
    """Say something of an entry that one's organisation gets; the same again changes nothing.

    Raises:
        AccessError: `who` may give no feedback, or (code `not_found`) the entry is not for them.
        UsageError: too many or too long words.
    """
    require(tx, who, Permission.LISTS_FEEDBACK)
    view = lists.read(tx, who, list_id)
    if changes.one(tx, who, [view], entry_id) is None:
        raise AccessError("there is no such entry for you", code="not_found")
    longest = max(map(len, reasons), default=0)
    if (
        len(algorithm) > ALGORITHM_CHARACTERS
        or len(note) > NOTE_CHARACTERS
        or len(reasons) > REASONS
        or longest > REASON_CHARACTERS
    ):
        raise UsageError(
            f"feedback has up to {REASONS} reasons of {REASON_CHARACTERS} characters and a note "
            f"of {NOTE_CHARACTERS}"
        )
    row = {
        "list_id": list_id,
        "entry_id": entry_id,
        "organisation_id": who.organisation_id,
        "account_id": who.account_id,
        "algorithm": algorithm,
        "verdict": verdict.value,
        "reasons": list(reasons),
        "note": note,
        "at": now(),
        # A confirmation asks for nothing.
        "state": "accepted" if verdict is Verdict.CONFIRM else "open",
        "answered_by": None,
        "answered_at": None,
    }
    if _said_before(tx, row):
        return
    upsert_rows(tx, Feedback, [row], _KEY)
    log.record(
        tx,
        who,
        "feedback.given",
        f"entry:{entry_id}",
        list=list_id,
        organisation=who.organisation_id,
        verdict=verdict.value,
    )


def queue(tx: Connection, who: Principal, list_id: ListId, limit: int = 200) -> list[Said]:
    """Return what waits for the owner's answer, the oldest first.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    asked = _said().where(Feedback.list_id == list_id, Feedback.state == "open")
    return _all(tx, asked.order_by(Feedback.id).limit(limit))


def waiting(tx: Connection, who: Principal, list_id: ListId) -> int:
    """Return how much waits for the owner's answer.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    asked = select(func.count()).where(Feedback.list_id == list_id, Feedback.state == "open")
    return tx.execute(asked).scalar_one()


def of_entries(
    tx: Connection, who: Principal, views: Sequence[ListView], wanted: Sequence[EntryId]
) -> dict[EntryId, list[Said]]:
    """Return what was said of some entries: by all for who manages, else by the own organisation.

    Raises:
        AccessError: `who` may not sync lists.
    """
    require(tx, who, Permission.LISTS_SYNC)
    managed = [v.id for v in views if v.permission is MemberPermission.MANAGE]
    theirs = Feedback.organisation_id == who.organisation_id
    asked = _said().where(
        Feedback.entry_id.in_(wanted),
        Feedback.list_id.in_([view.id for view in views]),
        theirs | Feedback.list_id.in_(managed),
    )
    found: dict[EntryId, list[Said]] = {}
    for said in _all(tx, asked.order_by(Feedback.id)):
        found.setdefault(said.entry_id, []).append(said)
    return found


def answer(
    tx: Connection, who: Principal, feedback_id: FeedbackId, *, accept: bool, reason: str
) -> None:
    """Accept or decline what a member said; an accepted dispute or false positive withdraws.

    Raises:
        AccessError: code `not_found`: there is none, or `who` does not manage its list.
        UsageError: there is no reason.
        ConflictError: it was answered meanwhile.
    """
    require(tx, who, Permission.LISTS_PUBLISH)
    row = tx.execute(_said().where(Feedback.id == feedback_id)).one_or_none()
    managed = MemberPermission.MANAGE
    theirs = {one.id for one in lists.mine(tx, who) if one.permission is managed}
    if row is None or row.list_id not in theirs:
        raise AccessError("there is no such feedback for you", code="not_found")
    done = tx.execute(
        update(Feedback)
        .where(Feedback.id == feedback_id, Feedback.state == "open")
        .values(
            state="accepted" if accept else "declined",
            answered_by=who.account_id,
            answered_at=now(),
        )
    )
    if done.rowcount != 1:
        raise ConflictError("this feedback was answered meanwhile", code="answered")
    if accept:
        entries.withdraw(tx, who, ListId(row.list_id), [EntryId(row.entry_id)], reason)
    elif not reason.strip():
        raise UsageError("say why you decline it", code="reason")
    log.record(
        tx,
        who,
        "feedback.answered",
        f"entry:{row.entry_id}",
        texts={"reason": reason},
        list=row.list_id,
        organisation=row.organisation_id,
        accepted=accept,
    )


def statistics(tx: Connection, who: Principal, list_id: ListId) -> list[Count]:
    """Return how often who said what of a list; a member that does not manage sees its own.

    Raises:
        AccessError: the list is not for `who`.
    """
    view = lists.read(tx, who, list_id)
    asked = (
        select(
            Organisation.name,
            Feedback.verdict,
            func.count(),
            func.count().filter(Feedback.state == "open"),
        )
        .join(Organisation, Organisation.id == Feedback.organisation_id)
        .where(Feedback.list_id == list_id)
        .group_by(Organisation.name, Feedback.verdict)
        .order_by(Organisation.name, Feedback.verdict)
    )
    if view.permission is not MemberPermission.MANAGE:
        asked = asked.where(Feedback.organisation_id == who.organisation_id)
    return [
        Count(name, Verdict(verdict), said, waiting)
        for name, verdict, said, waiting in tx.execute(asked)
    ]


def _said_before(tx: Connection, row: Mapping[str, Any]) -> bool:
    """Tell whether these are the very words of the last time: clients send them at each sync."""
    asked = select(Feedback.verdict, Feedback.reasons, Feedback.note).where(
        *(getattr(Feedback, name) == row[name] for name in _KEY)
    )
    old = tx.execute(asked).one_or_none()
    return old is not None and tuple(old) == (row["verdict"], row["reasons"], row["note"])


def _said() -> Select[Any]:
    return select(Feedback.__table__, Organisation.name.label("organisation")).join(
        Organisation, Organisation.id == Feedback.organisation_id
    )


def _all(tx: Connection, asked: Select[Any]) -> list[Said]:
    return [
        Said(
            id=FeedbackId(row.id),
            list_id=ListId(row.list_id),
            entry_id=EntryId(row.entry_id),
            organisation_id=OrganisationId(row.organisation_id),
            organisation=row.organisation,
            algorithm=row.algorithm,
            verdict=Verdict(row.verdict),
            reasons=tuple(row.reasons),
            note=row.note,
            at=row.at,
            state=row.state,
        )
        for row in tx.execute(asked)
    ]
