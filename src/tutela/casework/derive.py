"""Codes of one scheme derived from a grade under another: only by a table that somebody signed.

The table is `schemes/derivations.toml`. An answer is given where every row that the grade could be
has the same one code under the other scheme; else there is none, and nothing is guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import policy as policies
from tutela.casework import scheme as schemes
from tutela.casework.model import Item
from tutela.casework.policy import Policy, Reviewed
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.grading import Grade

TABLE = schemes.DERIVATIONS


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of content: `when` it is that kind, by facets, and what it is under each scheme."""

    name: str
    when: dict[str, tuple[str, ...]]
    codes: dict[str, tuple[str, ...]]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table; `reviewed_by` is empty as it is shipped, and no signature of an installation."""

    source: str
    reviewed_by: str
    rows: tuple[Row, ...]


class Derived(msgspec.Struct, frozen=True):
    """A derived code, the rows it came from, and who answers for the table."""

    scheme: str
    code: str
    rows: tuple[str, ...]
    source: str
    reviewed_by: str


@cache
def table() -> Table:
    """Return the table as its file says, signed or not."""
    return msgspec.toml.decode(schemes.text(TABLE), type=Table)


def sha256() -> str:
    """Return the SHA-256 (hex) of the file: what is signed."""
    return hashlib.sha256(schemes.text(TABLE)).hexdigest()


def sign(tx: Connection, who: Principal, reviewer: str) -> Reviewed:
    """Record who with legal knowledge has reviewed the table as it is now.

    Raises:
        AccessError: `who` may not change rules.
        UsageError: the reviewer has no name.
    """
    if not reviewer.strip():
        raise UsageError("say who reviewed the table", code="reviewer")
    signed = Reviewed(by=reviewer.strip(), at=now(), sha256=sha256())
    others = policies.read(tx).reviewed_derivations
    policies.change(tx, who, reviewed_derivations={**others, TABLE: signed})
    return signed


def withdraw(tx: Connection, who: Principal) -> None:
    """Take the signature back: nothing is derived from now on."""
    others = policies.read(tx).reviewed_derivations
    kept = {name: signed for name, signed in others.items() if name != TABLE}
    policies.change(tx, who, reviewed_derivations=kept)


def reviewer(rules: Policy) -> str | None:
    """Return who signed the table as it is now, or None."""
    signed = rules.reviewed_derivations.get(TABLE)
    if signed is not None and signed.sha256 == sha256():
        return signed.by
    return None


def derive(
    rules: Policy, scheme_from: str, code: str, facets: Mapping[str, str], scheme_to: str
) -> Derived | None:
    """Return a grade's code under another scheme, or None where that is not certain.

    None too where the table is not signed, or speaks of one of the schemes nowhere.

    Raises:
        UsageError: a scheme, the code or a facet is unknown.
    """
    schemes.check_facets(facets)
    schemes.published(scheme_to)
    origin = schemes.published(scheme_from)
    signed = reviewer(rules)
    if signed is None or not any(
        {scheme_from, scheme_to} <= set(row.codes) for row in table().rows
    ):
        return None
    illegal = origin.code(code).illegal
    telling = {name: value for name, value in facets.items() if not _says_nothing(name, value)}
    possible = [row for row in table().rows if _possible(row, scheme_from, code, telling, illegal)]
    answers = {row.codes.get(scheme_to, ()) for row in possible}
    if len(answers) != 1 or len(answer := answers.pop()) != 1:
        return None
    return Derived(
        scheme=scheme_to,
        code=answer[0],
        rows=tuple(row.name for row in possible),
        source=table().source,
        reviewed_by=signed,
    )


def of_item(
    tx: Connection, who: Principal, case_id: CaseId, item: Item, scheme_from: str
) -> list[Derived]:
    """Return what the grade of an item, as it is shown to `who`, is under other schemes.

    Raises:
        AccessError: `who` may not read the case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    if item.code is None:
        return []
    facets = tx.execute(
        select(Grade.facets)
        .where(
            Grade.media_id == item.media_id,
            Grade.scheme == scheme_from,
            # What others said of it is not told by a detour.
            Grade.organisation_id == who.organisation_id,
        )
        .order_by(Grade.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    rules = policies.read(tx)
    wanted = [
        name for name in schemes.names() if name != scheme_from and schemes.published(name).codes
    ]
    found = (derive(rules, scheme_from, item.code, facets or {}, name) for name in wanted)
    return [one for one in found if one is not None]


def _possible(
    row: Row,
    scheme: str,
    code: str,
    facets: Mapping[str, str],
    illegal: bool,  # noqa: FBT001 a fact about the code
) -> bool:
    """Tell whether a grade may be of this row: no facet speaks against it, nor does the code.

    A row for which the scheme has no code is one that an illegal code rules out, and that any
    other leaves possible.
    """
    if any(facets.get(name, allowed[0]) not in allowed for name, allowed in row.when.items()):
        return False
    known = row.codes.get(scheme, ())
    return code in known if known else not illegal


def _says_nothing(name: str, value: str) -> bool:
    return any(
        choice.name == value and choice.says_nothing
        for facet in schemes.facets()
        if facet.name == name
        for choice in facet.choices
    )
