"""The legal basis of a case: recorded before anything is added, and asked before every act."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Row, insert, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework.model import AuthorityInfo, NewAuthority
from tutela.core.errors import UsageError
from tutela.core.ids import AuthorityId, CaseId
from tutela.core.principal import Principal
from tutela.store.tables.casework import Authority, Case

COLUMNS = (
    Authority.id,
    Authority.legal_basis,
    Authority.reference,
    Authority.scope,
    Authority.granted_by,
    Authority.valid_from,
    Authority.valid_until,
)
_WORDS = ("legal_basis", "reference", "scope", "granted_by")


def record(tx: Connection, authority: NewAuthority) -> AuthorityId:
    """Keep an authority and return its number; the caller writes it into the log.

    Raises:
        UsageError: a field is empty, or it ends before it begins.
    """
    _check(authority)
    made = tx.execute(
        insert(Authority).values(**msgspec.structs.asdict(authority)).returning(Authority.id)
    )
    return AuthorityId(made.scalar_one())


def renew(tx: Connection, who: Principal, case_id: CaseId, authority: NewAuthority) -> AuthorityId:
    """Put a case under a new authority; the old one stays recorded.

    Raises:
        AccessError: `who` may not change this case.
        UsageError: the authority is not complete.
    """
    require(tx, who, Permission.CASE_CHANGE, case_id)
    number = record(tx, authority)
    tx.execute(update(Case).where(Case.id == case_id).values(authority_id=number))
    log.record(
        tx,
        who,
        "case.authorised",
        f"case:{case_id}",
        texts=words(authority),
        authority=number,
        **validity(authority),
    )
    return number


def info(row: Row[tuple[object, ...]]) -> AuthorityInfo:
    """Return the authority of a row that holds `COLUMNS`."""
    keys = [column.key for column in COLUMNS]
    return AuthorityInfo(**{key: getattr(row, _LABELS.get(key, key)) for key in keys})


def words(authority: NewAuthority) -> dict[str, str]:
    """Return what the log only commits to."""
    return {name: getattr(authority, name) for name in _WORDS}


def validity(authority: NewAuthority) -> dict[str, str]:
    """Return from when to when it is valid, for the log."""
    return {
        "valid_from": authority.valid_from.isoformat(),
        "valid_until": authority.valid_until.isoformat(),
    }


# Names that a case's own columns have too.
_LABELS = {"id": "authority_id"}


def _check(authority: NewAuthority) -> None:
    missing = [name for name in _WORDS if not getattr(authority, name).strip()]
    if missing:
        raise UsageError(
            f"the authority lacks its {missing[0].replace('_', ' ')}",
            code="authority",
            hint="a case needs a legal basis, a reference, a scope and who granted it",
        )
    if any("\0" in getattr(authority, name) for name in _WORDS):
        raise UsageError("the authority's words are not text", code="authority")
    if authority.valid_from.tzinfo is None or authority.valid_until.tzinfo is None:
        raise UsageError("the authority's dates have no time zone", code="authority")
    if authority.valid_until <= authority.valid_from:
        raise UsageError("the authority ends before it begins", code="authority")
