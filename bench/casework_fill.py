"""Fills a database with millions of media by SQL alone: pages are measured in a crowd."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, insert, text

import casework_stage as stage
from tutela.core.ids import AccountId, CaseId
from tutela.store import Database
from tutela.store.tables.access import Account, AccountRole, CaseMember, Organisation
from tutela.store.tables.casework import Authority, Case, Exhibit

# Look-alikes stand together: of four pictures one is decided.
STACK = 4
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
# The same place in each table: four statements make a case.
TABLES = ("media", "stacks", "case_media", "sightings")


class Person(NamedTuple):
    """Somebody who works: the account, and the token of a session."""

    account_id: AccountId
    organisation_id: int
    token: str


class Filled(NamedTuple):
    """One case of `media` pictures, whose ids are `first` and those that follow."""

    id: CaseId
    first: int
    media: int


def staff(database: Database, people: int, role: str = "grader") -> list[Person]:
    """Insert an organisation and some people of one role, each signed in."""
    with database.write() as tx:
        office = tx.execute(
            insert(Organisation)
            .values(name=f"Bench {secrets.token_hex(4)}", country="GB", created_at=MOMENT)
            .returning(Organisation.id)
        ).scalar_one()
        return [_person(tx, office, number, role) for number in range(people)]


def _person(tx: Connection, office: int, number: int, role: str) -> Person:
    account = tx.execute(
        insert(Account)
        .values(
            organisation_id=office,
            name=f"{role}{number}.{office}",
            display_name=f"{role.title()} {number}",
            kind="person",
            state="active",
            created_at=MOMENT,
        )
        .returning(Account.id)
    ).scalar_one()
    tx.execute(insert(AccountRole).values(account_id=account, role=role))
    return Person(AccountId(account), office, stage.session(tx, account))


def fill(database: Database, people: list[Person], cases: int, each: int) -> list[Filled]:
    """Insert `cases` cases of `each` pictures, all with `people` as their team."""
    # Rows that point at each other are made right here; checking them would take most time. Digests
    # are random: in one transaction the pages of their indexes are written once, not once a case.
    with database.unchecked() if database.dialect == "sqlite" else database.write() as tx:
        if database.dialect == "sqlite":
            tx.execute(text("PRAGMA cache_size=-4000000"))
        else:
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        made = [
            Filled(_case(tx, number, people, number * each + 1, each), number * each + 1, each)
            for number in range(cases)
        ]
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # PostgreSQL does so by itself after a while; Tutela asks SQLite for nothing of the kind.
        if database.dialect == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        else:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return made


def _case(tx: Connection, number: int, people: list[Person], first: int, each: int) -> CaseId:
    authority = tx.execute(
        insert(Authority)
        .values(
            legal_basis="bench",
            reference="bench",
            scope="bench",
            granted_by="bench",
            valid_from=MOMENT,
            valid_until=MOMENT + timedelta(days=36500),
        )
        .returning(Authority.id)
    ).scalar_one()
    case = tx.execute(
        insert(Case)
        .values(
            number=f"BENCH/{number}",
            title="",
            organisation_id=1,
            authority_id=authority,
            scheme="uk-abc",
            state="open",
            keeps_media=False,
            legal_hold=False,
            created_at=MOMENT,
            generation=0,
            extra={},
        )
        .returning(Case.id)
    ).scalar_one()
    team = [{"case_id": case, "account_id": one.account_id, "added_at": MOMENT} for one in people]
    tx.execute(insert(CaseMember), team)
    values = {
        "first": first,
        "last": first + each - 1,
        "case": case,
        "exhibit": _exhibit(tx, case, each),
    }
    for table in TABLES if each else ():
        tx.execute(text(_statement(tx.dialect.name, table)), values)
    return CaseId(case)


def _exhibit(tx: Connection, case: int, each: int) -> int:
    made: int = tx.execute(
        insert(Exhibit)
        .values(
            case_id=case,
            label="E1",
            source="bench",
            device="",
            state="complete",
            seen=each,
            hashed=each,
            skipped=0,
            failed=0,
            size_bytes=0,
            started_at=MOMENT,
            extra={},
        )
        .returning(Exhibit.id)
    ).scalar_one()
    return made


def _statement(dialect: str, table: str) -> str:
    """Return the statement that makes the rows of a case in one table, from ids alone."""
    columns: dict[str, dict[str, str]] = {
        "media": {
            "id": "i",
            "sha256": "{random}",
            "md5": "{md5}",
            "size_bytes": "100000",
            "kind": "'jpeg'",
            "is_picture": "{true}",
            "width": "640",
            "height": "480",
            "pdq": "{random}",
            "pdq_quality": "100",
            "first_seen_at": "{moment}",
        },
        "stacks": {
            "id": "i",
            "case_id": ":case",
            "lead_media_id": "i",
            "size": f"{STACK}",
            "cutoff_bits": "16",
        },
        "case_media": {
            "case_id": ":case",
            "media_id": "i",
            "state": "'open'",
            "stack_id": f"(i - :first) / {STACK} * {STACK} + :first",
            "position": "i - :first",
            "priority": "0",
            "reasons": "{list}",
            "sightings": "1",
            "sampled": "{false}",
            "extra": "{object}",
        },
        "sightings": {
            "exhibit_id": ":exhibit",
            "media_id": "i",
            "ordinal": "i - :first",
            "place": "{random}",
            "path": "'DCIM/' || i || '.jpg'",
            "inside": "{list}",
            "status": "'hashed'",
            "reason": "''",
            "detail": "''",
            "size_bytes": "100000",
            "deleted": "{false}",
            "extra": "{object}",
        },
    }
    words, lead, source = _dialect(dialect)
    chosen = columns[table]
    values = ", ".join(words.get(value, value) for value in chosen.values())
    where = f" WHERE (i - :first) % {STACK} = 0" if table == "stacks" else ""
    return f"{lead}INSERT INTO {table} ({', '.join(chosen)}) SELECT {values} FROM {source}{where}"


def _dialect(name: str) -> tuple[dict[str, str], str, str]:
    """Return how a dialect writes some values, what a statement begins with, and its source."""
    if name == "sqlite":
        words = {
            "{random}": "randomblob(32)",
            "{md5}": "randomblob(16)",
            "{true}": "1",
            "{false}": "0",
            "{moment}": "'2026-01-01 00:00:00'",
            "{list}": "'[]'",
            "{object}": "'{}'",
        }
        numbers = "SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last"
        return words, f"WITH RECURSIVE n(i) AS ({numbers}) ", "n"
    words = {
        "{random}": "sha256(int8send(i))",
        "{md5}": "decode(md5(i::text), 'hex')",
        "{true}": "true",
        "{false}": "false",
        "{moment}": "timestamptz '2026-01-01'",
        "{list}": "'[]'::jsonb",
        "{object}": "'{}'::jsonb",
    }
    return words, "", "generate_series(cast(:first as bigint), cast(:last as bigint)) AS n(i)"
