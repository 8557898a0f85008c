"""Cases and media for tests of the vault, put into the database as plain rows."""

from __future__ import annotations

import hashlib

from sqlalchemy import insert

from tutela.core.ids import AccountId, CaseId, MediaId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.evidence.vault import Vault, objects
from tutela.evidence.vault.objects import NewObject
from tutela.store import Database
from tutela.store.tables.access import Account, CaseMember, Organisation
from tutela.store.tables.casework import Authority, Case, CaseMedia, Media

ROLES = frozenset({Role.EXAMINER, Role.SUPERVISOR})
EXAMINER = Principal(AccountId(1), OrganisationId(1), "examiner", ROLES, Via.WEB)
STRANGER = Principal(AccountId(2), OrganisationId(1), "stranger", ROLES, Via.WEB)
OPERATOR = Principal(None, None, "operator", frozenset(), Via.BREAK_GLASS)


def case_row(number: int, **changed: object) -> dict[str, object]:
    return {
        "id": number,
        "number": f"OP-{number}",
        "title": "invented",
        "organisation_id": 1,
        "authority_id": 1,
        "scheme": "uk",
        "state": "open",
        "keeps_media": True,
        "legal_hold": False,
        "created_at": now(),
        "generation": 0,
        "extra": {},
    } | changed


def media_row(number: int, content: bytes) -> dict[str, object]:
    return {
        "id": number,
        "sha256": hashlib.sha256(content).digest(),
        "size_bytes": len(content),
        "kind": "jpeg",
        "is_picture": True,
        "first_seen_at": now(),
    }


def fill(database: Database, cases: list[dict[str, object]], media: dict[int, list[int]]) -> None:
    """Put cases in, and media by number with the cases that have them."""
    with database.write() as tx:
        tx.execute(insert(Organisation).values(id=1, name="Agency", country="XX", created_at=now()))
        for number in (1, 2):
            tx.execute(
                insert(Account).values(
                    id=number,
                    organisation_id=1,
                    name=f"account{number}",
                    display_name="",
                    kind="person",
                    state="active",
                    created_at=now(),
                )
            )
        tx.execute(
            insert(Authority).values(
                id=1,
                legal_basis="invented",
                reference="",
                scope="",
                granted_by="",
                valid_from=now(),
                valid_until=now(),
            )
        )
        for row in cases:
            tx.execute(insert(Case).values(**row))
            tx.execute(insert(CaseMember).values(case_id=row["id"], account_id=1, added_at=now()))
        for number, held_by in media.items():
            tx.execute(insert(Media).values(**media_row(number, content(number))))
            for case in held_by:
                tx.execute(
                    insert(CaseMedia).values(
                        case_id=case,
                        media_id=number,
                        state="open",
                        priority=0,
                        reasons=[],
                        sightings=1,
                        sampled=False,
                        extra={},
                    )
                )


def content(number: int) -> bytes:
    return b"invented content %d" % number


def keep(database: Database, vault: Vault, numbers: list[int]) -> dict[tuple[int, str], str]:
    """Put original and thumbnail of media in, and return their ids."""
    kept = {
        (number, kind): vault.put(kind, content(number) if kind == "original" else b"small")
        for number in numbers
        for kind in ("original", "thumbnail")
    }
    vault.flush()
    rows = [
        NewObject(MediaId(number), kind, one, len(content(number)) if kind == "original" else 5)
        for (number, kind), one in kept.items()
    ]
    with database.write() as tx:
        assert objects.record(tx, EXAMINER, CaseId(1), rows) == []
    return kept
