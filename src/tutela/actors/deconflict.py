"""Identifiers that no lead may carry: of officers, victims, researchers; known to nobody here.

Each is kept as HMAC-SHA256 over its kind and normal form, under a key derived from the seal key,
which is not in the database: neither its reader nor who ranks learns one. What ranks asks for many
accounts at once and is told which must be left out, not by which identifier; the log says how many.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.access.seal import Sealer
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.observation import handles
from tutela.observation.model import EntityKind
from tutela.store.bulk import insert_rows
from tutela.store.tables.leads import Deconfliction

KEY_BYTES: Final = 32
MOST: Final = 100_000
_TOGETHER: Final = 500
# Kinds whose letters differ in case without naming another.
_FOLDED: Final = frozenset(
    {EntityKind.EMAIL, EntityKind.TELEGRAM, EntityKind.XMPP, EntityKind.ETHEREUM}
)
_UPPER: Final = frozenset({EntityKind.PGP_KEY, EntityKind.TOX})


class Identifier(NamedTuple):
    """What an account may be known by."""

    kind: EntityKind
    value: str


def key_of(sealer: Sealer) -> bytes:
    """Return the key of the hashes of this installation."""
    return sealer.derive("deconfliction", b"", KEY_BYTES)


def read(lines: Iterable[str]) -> list[Identifier]:
    """Read identifiers, one a line: its kind, a comma or blank, and the value.

    Empty lines and those that begin with `#` are left out.

    Raises:
        UsageError: a line is none; its number is named, and never what it says.
    """
    found = []
    for number, text in enumerate(lines, 1):
        words = text.strip()
        if not words or words.startswith("#"):
            continue
        kind, _, value = words.replace(",", " ", 1).partition(" ")
        if kind not in set(EntityKind) or not value.strip():
            raise UsageError(
                f"line {number} is no identifier",
                hint=f"write a kind and a value, such as `handle name`; kinds: "
                f"{', '.join(EntityKind)}",
            )
        found.append(Identifier(EntityKind(kind), value))
        if len(found) > MOST:
            raise UsageError(f"more than {MOST:,} identifiers in one file")
    return found


def add(tx: Connection, who: Principal, key: bytes, identifiers: Iterable[Identifier]) -> int:
    """Add identifiers and return how many were not there yet.

    Raises:
        AccessError: `who` does not set the rules of this installation.
    """
    require(tx, who, Permission.POLICY)
    before = _count(tx)
    same = {"added_at": now(), "added_by": who.account_id}
    rows = [{"digest": one, **same} for one in sorted(_digests(key, identifiers))]
    insert_rows(tx, Deconfliction, rows, ignore_existing=True)
    added = _count(tx) - before
    log.record(tx, who, "deconfliction.added", "installation", given=len(rows), added=added)
    return added


def remove(tx: Connection, who: Principal, key: bytes, identifiers: Iterable[Identifier]) -> int:
    """Take identifiers away and return how many were there.

    Raises:
        AccessError: `who` does not set the rules of this installation.
    """
    require(tx, who, Permission.POLICY)
    digests = sorted(_digests(key, identifiers))
    removed = sum(
        tx.execute(delete(Deconfliction).where(Deconfliction.digest.in_(part))).rowcount
        for part in _parts(digests)
    )
    given = len(digests)
    log.record(tx, who, "deconfliction.removed", "installation", given=given, removed=removed)
    return removed


def count(tx: Connection, who: Principal) -> int:
    """Return how many there are.

    Raises:
        AccessError: `who` does not set the rules of this installation.
    """
    require(tx, who, Permission.POLICY)
    return _count(tx)


def withheld(
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    key: bytes,
    accounts: Mapping[int, Iterable[Identifier]],
) -> frozenset[int]:
    """Return the accounts that must be left out, and note in the log that it was asked.

    Args:
        tx: A transaction that writes.
        who: Who ranks or releases.
        case_id: The case.
        key: `key_of` the installation.
        accounts: What each is known by.
    """
    by_digest: dict[bytes, set[int]] = {}
    for account_id, identifiers in accounts.items():
        for digest in _digests(key, identifiers):
            by_digest.setdefault(digest, set()).add(account_id)
    out: set[int] = set()
    for part in _parts(sorted(by_digest)):
        asked = select(Deconfliction.digest).where(Deconfliction.digest.in_(part))
        for digest in tx.execute(asked).scalars():
            out |= by_digest[bytes(digest)]
    about = f"case:{case_id}"
    log.record(tx, who, "deconfliction.asked", about, accounts=len(accounts), withheld=len(out))
    return frozenset(out)


def normal(one: Identifier) -> str:
    """Return the form by which two identifiers are compared; handles by how they look."""
    if one.kind is EntityKind.HANDLE:
        return handles.skeleton(one.value)
    value = unicodedata.normalize("NFKC", one.value).strip()
    if one.kind in _FOLDED:
        return value.casefold().removeprefix("@")
    return value.upper().replace(" ", "") if one.kind in _UPPER else value


def _digests(key: bytes, identifiers: Iterable[Identifier]) -> set[bytes]:
    return {
        hmac.digest(key, f"{one.kind}\0{normal(one)}".encode("utf-8", "replace"), "sha256")
        for one in identifiers
    }


def _parts(digests: list[bytes]) -> Iterable[list[bytes]]:
    return (digests[at : at + _TOGETHER] for at in range(0, len(digests), _TOGETHER))


def _count(tx: Connection) -> int:
    return tx.execute(select(func.count()).select_from(Deconfliction)).scalar_one()
