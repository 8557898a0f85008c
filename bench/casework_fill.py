"""Fills a database with millions of media by SQL alone, so that pages can be measured in a crowd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, insert, text

from tutela.core.ids import AccountId, CaseId, OrganisationId
from tutela.store import Database
from tutela.store.tables.access import Account, AccountRole, CaseMember, Organisation
from tutela.store.tables.casework import Authority, Case, Exhibit

EACH = 100_000
# One picture in four has a near-duplicate before it: stacks of about four.
STACK = 4
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def staff(tx: Connection, graders: int) -> list[AccountId]:
    """Insert an organisation and `graders` accounts; return their ids."""
    office = tx.execute(
        insert(Organisation)
        .values(name="Bench", country="GB", created_at=MOMENT)
        .returning(Organisation.id)
    ).scalar_one()
    ids = []
    for number in range(graders):
        account = tx.execute(
            insert(Account)
            .values(
                organisation_id=OrganisationId(office),
                name=f"grader{number}",
                display_name=f"Grader {number}",
                kind="person",
                state="active",
                created_at=MOMENT,
            )
            .returning(Account.id)
        ).scalar_one()
        tx.execute(insert(AccountRole).values(account_id=account, role="grader"))
        ids.append(AccountId(account))
    return ids


def fill(database: Database, accounts: list[AccountId], cases: int) -> CaseId:
    """Insert `cases` cases of `EACH` pictures; return the one in the middle."""
    with database.write() as tx:
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
    made = []
    for number in range(cases):
        with database.write() as tx:
            made.append(_case(tx, number, authority, accounts))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return made[len(made) // 2]


def _case(tx: Connection, number: int, authority: int, accounts: list[AccountId]) -> CaseId:
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
    tx.execute(
        insert(CaseMember),
        [{"case_id": case, "account_id": account, "added_at": MOMENT} for account in accounts],
    )
    exhibit = tx.execute(
        insert(Exhibit)
        .values(
            case_id=case,
            label="E1",
            source="bench",
            device="",
            state="complete",
            seen=EACH,
            hashed=EACH,
            skipped=0,
            failed=0,
            size_bytes=0,
            started_at=MOMENT,
            extra={},
        )
        .returning(Exhibit.id)
    ).scalar_one()
    first = number * EACH + 1
    for statement in _statements(tx.dialect.name):
        tx.execute(
            text(statement),
            {"first": first, "last": first + EACH - 1, "case": case, "exhibit": exhibit},
        )
    return CaseId(case)


def _statements(dialect: str) -> list[str]:
    if dialect == "sqlite":
        numbers = (
            "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
        )
        source, sha, md5, moment = "n", "randomblob(32)", "randomblob(16)", "'2026-01-01 00:00:00'"
        empty, false, true, place = "'[]'", "0", "1", "randomblob(32)"
        none = "'{}'"
    else:
        numbers = ""
        source = "generate_series(cast(:first as bigint), cast(:last as bigint)) AS n(i)"
        sha, md5 = "sha256(int8send(i))", "decode(md5(i::text), 'hex')"
        moment, empty, false, true = "timestamptz '2026-01-01'", "'[]'::jsonb", "false", "true"
        none, place = "'{}'::jsonb", "sha256(int8send(i + 1))"
    lead = f"((i - :first) / {STACK} * {STACK} + :first)"
    return [
        f"{numbers}INSERT INTO media (id, sha256, md5, size_bytes, kind, is_picture, width, height, "
        f"pdq, pdq_quality, first_seen_at) SELECT i, {sha}, {md5}, 100000, 'jpeg', {true}, 640, "
        f"480, {sha}, 100, {moment} FROM {source}",
        f"{numbers}INSERT INTO stacks (id, case_id, lead_media_id, size, cutoff_bits) "
        f"SELECT i, :case, i, {STACK}, 16 FROM {source} WHERE (i - :first) % {STACK} = 0",
        f"{numbers}INSERT INTO case_media (case_id, media_id, state, stack_id, position, priority, "
        f"reasons, sightings, sampled, extra) SELECT :case, i, 'open', {lead}, i - :first, 0, "
        f"{empty}, 1, {false}, {none} FROM {source}",
        f"{numbers}INSERT INTO sightings (exhibit_id, media_id, ordinal, place, path, inside, "
        f"status, reason, detail, size_bytes, deleted, extra) SELECT :exhibit, i, i - :first, "
        f"{place}, 'DCIM/' || i || '.jpg', {empty}, 'hashed', '', '', 100000, {false}, {none} "
        f"FROM {source}",
    ]


def percentile(values: list[float], share: float) -> float:
    """Return a percentile of some times."""
    return float(np.percentile(values, share))
