"""Cases: made under an authority, seen by their team only, closed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import authority as authorities
from tutela.casework import blind
from tutela.casework import scheme as schemes
from tutela.casework.model import (
    CaseInfo,
    CaseState,
    ExhibitInfo,
    ExhibitState,
    MediaState,
    NewAuthority,
    Totals,
)
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId, CaseId, ExhibitId, OrganisationId
from tutela.core.principal import Principal, Via
from tutela.core.time import now
from tutela.store.tables.access import CaseMember
from tutela.store.tables.casework import Authority, Case, CaseMedia, Exhibit, Media

NUMBER_CHARACTERS = 100
TITLE_CHARACTERS = 300


def create(  # noqa: PLR0913, PLR0917 what a case is, and none of it may be guessed
    tx: Connection,
    who: Principal,
    number: str,
    title: str,
    authority: NewAuthority,
    scheme: str,
    *,
    keeps_media: bool = False,
    extra: dict[str, Any] | None = None,
) -> CaseId:
    """Make a case of the organisation of `who`, who is its team's first member.

    Raises:
        AccessError: `who` may not make cases.
        UsageError: the number is taken or empty, the scheme unknown, the authority incomplete.
    """
    require(tx, who, Permission.CASE_CREATE)
    if who.organisation_id is None:
        raise UsageError(
            f"{who.name} is of no organisation", hint="a case belongs to one: use an account of it"
        )
    _check(tx, number, title)
    schemes.load(tx, scheme)
    authority_id = authorities.record(tx, authority)
    made = tx.execute(
        insert(Case)
        .values(
            number=number,
            title=title,
            organisation_id=who.organisation_id,
            authority_id=authority_id,
            scheme=scheme,
            state=CaseState.OPEN,
            keeps_media=keeps_media,
            legal_hold=False,
            created_at=now(),
            created_by=who.account_id,
            generation=0,
            extra=extra or {},
        )
        .returning(Case.id)
    )
    case_id = CaseId(made.scalar_one())
    if who.account_id is not None:
        tx.execute(
            insert(CaseMember).values(
                case_id=case_id,
                account_id=who.account_id,
                added_at=now(),
                added_by=who.account_id,
            )
        )
    log.record(
        tx,
        who,
        "case.created",
        f"case:{case_id}",
        texts={"number": number, "title": title, **authorities.words(authority)},
        scheme=scheme,
        keeps_media=keeps_media,
        authority=authority_id,
        **authorities.validity(authority),
    )
    return case_id


def list_(tx: Connection, who: Principal) -> list[CaseInfo]:
    """Return the cases whose team `who` is of, the newest first.

    Raises:
        AccessError: `who` works on no cases at all.
    """
    require(tx, who, Permission.CASE_LIST)
    query = _selected().order_by(Case.id.desc())
    if who.via is not Via.BREAK_GLASS:
        query = query.where(
            Case.id.in_(select(CaseMember.case_id).where(CaseMember.account_id == who.account_id)),
            Case.state != CaseState.DELETED,
        )
    return [_info(row) for row in tx.execute(query)]


def info(tx: Connection, who: Principal, case_id: CaseId) -> CaseInfo:
    """Return a case.

    Raises:
        AccessError: it is not there, or `who` is not of its team: the same words for both.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    return _read(tx, case_id)


def by_number(tx: Connection, who: Principal, number: str) -> CaseInfo:
    """Return a case by the number people know it by.

    Raises:
        AccessError: it is not there, or `who` is not of its team: the same words for both.
    """
    found = tx.execute(select(Case.id).where(Case.number == number)).scalar_one_or_none()
    try:
        return info(tx, who, CaseId(-1 if found is None else found))
    except AccessError as error:
        if not allows(who, Permission.CASE_READ):
            raise
        raise AccessError(
            "there is no such case, or you are not on its team",
            code=error.code,
            hint="tutela case list shows yours; a supervisor or examiner of its team can add you",
        ) from None


def working(tx: Connection, case_id: CaseId) -> CaseInfo:
    """Return a case in which something may be added or seen now. Asks nobody's permission.

    Raises:
        UsageError: it is closed or deleted (code `case_closed`), or its authority does not allow
            work at this moment (code `authority`).
    """
    case = _read(tx, case_id)
    if case.state is not CaseState.OPEN:
        raise UsageError(
            f"case {case.number} is {case.state.value}",
            code="case_closed",
            hint="a supervisor or examiner of its team can open it again",
        )
    return _authorised(case)


def under_authority(tx: Connection, case_id: CaseId) -> CaseInfo:
    """Return a case, open or closed, whose authority is valid now. Asks nobody's permission.

    Raises:
        UsageError: code `authority`: it is not.
    """
    return _authorised(_read(tx, case_id))


def _authorised(case: CaseInfo) -> CaseInfo:
    if not case.authority.valid_at(now()):
        raise UsageError(
            f"the authority of case {case.number} is not valid at this moment",
            code="authority",
            hint="record a new authority for the case before anything is added or viewed",
        )
    return case


def close(tx: Connection, who: Principal, case_id: CaseId) -> None:
    """Close a case: nothing is added, graded or viewed until it is opened again."""
    _move(tx, who, case_id, CaseState.OPEN, CaseState.CLOSED)


def reopen(tx: Connection, who: Principal, case_id: CaseId) -> None:
    """Open a closed case again."""
    _move(tx, who, case_id, CaseState.CLOSED, CaseState.OPEN)


def stay_open(tx: Connection, case_id: CaseId) -> None:
    """Let nobody delete a case until the end of the transaction; call it after the last change.

    Raises:
        UsageError: it was closed or deleted since `working` was asked: nothing may be added.
    """
    state = tx.execute(
        select(Case.state).where(Case.id == case_id).with_for_update(read=True)
    ).scalar_one()
    if state != CaseState.OPEN:
        raise UsageError("the case was closed meanwhile", code="case_closed")


def touch(tx: Connection, case_id: CaseId) -> None:
    """Count the generation of a case up: its grades, stacks or members have changed.

    Raises:
        UsageError: it was closed or deleted since `working` was asked: nothing may be added.
    """
    touched = tx.execute(
        update(Case)
        .where(Case.id == case_id, Case.state == CaseState.OPEN)
        .values(generation=Case.generation + 1)
    )
    if touched.rowcount != 1:
        raise UsageError("the case was closed meanwhile", code="case_closed")


def exhibits(tx: Connection, who: Principal, case_id: CaseId) -> list[ExhibitInfo]:
    """Return the exhibits of a case, in the order in which they were added."""
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(Exhibit.__table__).where(Exhibit.case_id == case_id).order_by(Exhibit.id)
    )
    return [exhibit_info(row) for row in rows]


def exhibit_info(row: Any) -> ExhibitInfo:
    """Return the exhibit of a row of its table."""
    return ExhibitInfo(
        id=ExhibitId(row.id),
        case_id=CaseId(row.case_id),
        label=row.label,
        source=row.source,
        device=row.device,
        state=ExhibitState(row.state),
        seen=row.seen,
        hashed=row.hashed,
        skipped=row.skipped,
        failed=row.failed,
        size_bytes=row.size_bytes,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def progress(tx: Connection, who: Principal, case_id: CaseId) -> dict[str, int]:
    """Return how many media of a case stand in each state; quick, from an index alone."""
    require(tx, who, Permission.CASE_READ, case_id)
    counted = tx.execute(
        select(CaseMedia.state, func.count())
        .where(CaseMedia.case_id == case_id)
        .group_by(CaseMedia.state)
    )
    counts: dict[str, int] = dict.fromkeys((state.value for state in MediaState), 0)
    counts.update((state, count) for state, count in counted)
    return counts


def totals(tx: Connection, who: Principal, case_id: CaseId) -> Totals:
    """Return where the media of a case stand, without codes that `who` is yet to read blind."""
    require(tx, who, Permission.CASE_READ, case_id)
    counted = tx.execute(
        select(CaseMedia.state, CaseMedia.code, func.count())
        .where(CaseMedia.case_id == case_id)
        .group_by(CaseMedia.state, CaseMedia.code)
    ).all()
    by_state = dict.fromkeys((state.value for state in MediaState), 0)
    by_code: dict[str, int] = {}
    for state, code, count in counted:
        by_state[state] += count
        if code is not None:
            by_code[code] = by_code.get(code, 0) + count
    withheld = blind.counted(tx, who, case_id)
    for code, count in withheld.items():
        by_code[code] -= count
    pictures = tx.execute(
        select(func.count())
        .select_from(CaseMedia)
        .join(Media, Media.id == CaseMedia.media_id)
        .where(CaseMedia.case_id == case_id, Media.is_picture)
    ).scalar_one()
    return Totals(
        media=sum(by_state.values()),
        pictures=pictures,
        by_state=by_state,
        by_code={code: count for code, count in sorted(by_code.items()) if count},
        withheld=sum(withheld.values()),
    )


def _check(tx: Connection, number: str, title: str) -> None:
    for name, text, most in (
        ("number", number, NUMBER_CHARACTERS),
        ("title", title, TITLE_CHARACTERS),
    ):
        if len(text) > most or not text.isprintable():
            raise UsageError(f"the {name} of a case is one line of at most {most} characters")
    if not number.strip():
        raise UsageError("a case needs a number")
    if tx.execute(select(Case.id).where(Case.number == number)).first() is not None:
        raise UsageError(
            f"there is a case {number} already",
            code="case_exists",
            hint="numbers are unique in one installation, also those of other teams",
        )


def _move(
    tx: Connection, who: Principal, case_id: CaseId, before: CaseState, after: CaseState
) -> None:
    require(tx, who, Permission.CASE_CHANGE, case_id)
    moved = tx.execute(
        update(Case).where(Case.id == case_id, Case.state == before).values(state=after)
    )
    if not moved.rowcount:
        raise UsageError(f"the case is not {before.value}", code="case_state")
    action = "case.closed" if after is CaseState.CLOSED else "case.reopened"
    log.record(tx, who, action, f"case:{case_id}")


def _selected() -> Select[Any]:
    own = [column for column in Case.__table__.columns if column.key != "extra"]
    rest = [column for column in authorities.COLUMNS if column.key != "id"]
    return select(*own, *rest).join(Authority, Authority.id == Case.authority_id)


def _read(tx: Connection, case_id: CaseId) -> CaseInfo:
    row = tx.execute(_selected().where(Case.id == case_id)).one_or_none()
    if row is None:
        raise AccessError("there is no such case", code="refused")
    return _info(row)


def _info(row: Any) -> CaseInfo:
    return CaseInfo(
        id=CaseId(row.id),
        number=row.number,
        title=row.title,
        organisation_id=OrganisationId(row.organisation_id),
        authority=authorities.info(row),
        scheme=row.scheme,
        state=CaseState(row.state),
        keeps_media=row.keeps_media,
        legal_hold=row.legal_hold,
        created_at=row.created_at,
        created_by=None if row.created_by is None else AccountId(row.created_by),
        generation=row.generation,
    )
