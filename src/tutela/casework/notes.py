"""What people write about a case, a media, a series or a victim; never changed, only added to."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.belonging import of_case
from tutela.casework.facts import storable
from tutela.casework.model import NoteInfo
from tutela.core.errors import UsageError
from tutela.core.ids import AccountId, CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.casework import Note

CHARACTERS = 10_000
SUBJECTS = ("case", "media", "stack", "series", "victim", "exhibit")


def write(tx: Connection, who: Principal, case_id: CaseId, subject: str, text: str) -> int:
    """Write a note about something (`case:3`, `media:12`, ...) within a case; return its number.

    Raises:
        AccessError: `who` may neither grade nor change this case.
        UsageError: the note is empty or too long, or there is no such thing in the case.
    """
    changes = allows(who, Permission.CASE_CHANGE)
    require(tx, who, Permission.CASE_CHANGE if changes else Permission.GRADE, case_id)
    cases.working(tx, case_id)
    kind, _, number = subject.partition(":")
    if kind not in SUBJECTS or not number.isascii() or not number.isdigit():
        raise UsageError(f"{subject[:40]!r} is nothing to write a note about")
    if kind == "media":
        of_case(tx, case_id, [int(number)])
    if not text.strip() or len(text) > CHARACTERS:
        raise UsageError(f"a note has 1 to {CHARACTERS:,} characters")
    written = storable(text)
    made = tx.execute(
        insert(Note)
        .values(
            case_id=case_id,
            subject=subject,
            text=written,
            written_by=who.account_id,
            written_at=now(),
        )
        .returning(Note.id)
    ).scalar_one()
    cases.stay_open(tx, case_id)
    log.record(tx, who, "note.written", subject, texts={"text": written}, case=case_id, note=made)
    return made


def list_(
    tx: Connection, who: Principal, case_id: CaseId, subject: str | None = None
) -> list[NoteInfo]:
    """Return the notes of a case, or those about one thing in it, in the order of writing.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    query = select(Note.__table__).where(Note.case_id == case_id).order_by(Note.id)
    if subject is not None:
        query = query.where(Note.subject == subject)
    return [
        NoteInfo(
            id=row.id,
            subject=row.subject,
            text=row.text,
            written_by=None if row.written_by is None else AccountId(row.written_by),
            written_at=row.written_at,
        )
        for row in tx.execute(query)
    ]
