"""Moving many rows gives what one plain statement for each row gives, on both databases."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from tutela.store import Database, bulk
from tutela.store.tables.access import Organisation, Policy
from tutela.store.tables.casework import Media

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
# PostgreSQL keeps no NUL in text; half a surrogate pair is no text at all.
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
WHOLE = st.integers(-(2**63), 2**63 - 1)
# As far as either database goes, in a zone of its own.
MOMENTS = st.integers(-62_135_500_000, 253_402_200_000).map(
    lambda seconds: (
        datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=5)))
        + timedelta(seconds=seconds, microseconds=seconds % 1_000_000)
    )
)
MEDIA = st.fixed_dictionaries(
    {
        "sha256": st.none() | st.binary(min_size=32, max_size=32),
        "size_bytes": WHOLE,
        "kind": WORDS,
        "is_picture": st.booleans(),
        "width": st.none() | WHOLE,
        "camera_make": st.none() | WORDS,
        "captured_at": st.none() | MOMENTS,
        "latitude": st.none() | st.floats(allow_nan=False),
        "first_seen_at": MOMENTS,
    }
)
JSON = st.recursive(
    # Beyond 64 bits SQLite makes a bare number a float; no policy is such a one.
    st.none() | st.booleans() | WHOLE | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
# Few names, so that some are there already and some come twice.
POLICIES = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", '"c"', "d\\e", "{f}", "é,", "NULL"]), "value": JSON}
    ),
    max_size=8,
)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class RollBackError(Exception):
    """Ends a trial without leaving anything behind."""


def rows_of(tx, table):
    columns = [column for column in table.__table__.c if column.name != "id"]
    return tx.execute(select(*columns).order_by(table.__table__.c[0])).all()


@quick
@given(st.lists(MEDIA, max_size=6, unique_by=lambda row: row["sha256"] or object()))
def test_inserted_rows_are_those_that_plain_statements_insert(database: Database, rows):
    with pytest.raises(RollBackError), database.write() as tx:
        for row in rows:
            tx.execute(insert(Media).values(row))
        plain = rows_of(tx, Media)
        tx.execute(delete(Media))
        ids = bulk.insert_returning(tx, Media, rows)
        assert rows_of(tx, Media) == plain
        assert tx.execute(select(Media.id).order_by(Media.id)).scalars().all() == ids
        raise RollBackError


@quick
@given(POLICIES, POLICIES)
def test_a_row_that_is_there_stays_or_is_set(database: Database, before, after):
    first: dict = {}
    for row in [*before, *after]:
        first.setdefault(row["name"], row["value"])
    last = {row["name"]: row["value"] for row in [*before, *after]}
    with pytest.raises(RollBackError), database.write() as tx:
        bulk.insert_rows(tx, Policy, before, ignore_existing=True)
        bulk.insert_rows(tx, Policy, after, ignore_existing=True)
        assert dict(tx.execute(select(Policy.name, Policy.value)).all()) == first
        tx.execute(delete(Policy))
        bulk.upsert_rows(tx, Policy, before)
        bulk.upsert_rows(tx, Policy, after, key=("name",))
        assert dict(tx.execute(select(Policy.name, Policy.value)).all()) == last
        raise RollBackError


@quick
@given(POLICIES, POLICIES)
def test_updated_rows_are_those_that_plain_statements_update(database: Database, before, after):
    with pytest.raises(RollBackError), database.write() as tx:
        bulk.upsert_rows(tx, Policy, before)
        there = {row["name"] for row in before}
        assert bulk.update_rows(tx, Policy, after) == len(there & {row["name"] for row in after})
        changed = rows_of(tx, Policy)
        tx.execute(delete(Policy))
        bulk.upsert_rows(tx, Policy, before)
        for row in after:
            tx.execute(update(Policy).where(Policy.name == row["name"]).values(value=row["value"]))
        assert rows_of(tx, Policy) == changed
        raise RollBackError


def media(number: int) -> dict:
    return {
        "sha256": number.to_bytes(32),
        "size_bytes": number,
        "kind": "jpeg",
        "is_picture": True,
        "first_seen_at": MOMENT,
    }


def test_more_rows_than_one_statement_takes_get_ids_in_their_order(database: Database):
    count = 2 * bulk.ROWS_AT_ONCE + 1
    with database.write() as tx:
        ids = bulk.insert_returning(tx, Media, [media(number) for number in range(count)])
        assert ids == sorted(set(ids))
        bulk.update_rows(tx, Media, [{"id": id_, "width": at} for at, id_ in enumerate(ids)][::-1])
        assert (
            tx.execute(
                select(func.count()).where(Media.width == Media.size_bytes, Media.id.in_(ids[-5:]))
            ).scalar()
            == 5
        )
        assert tx.execute(select(func.count()).where(Media.width == Media.size_bytes)).scalar() == (
            count
        )


def test_a_number_is_never_given_again(database: Database):
    with database.write() as tx:
        first, second = bulk.insert_returning(tx, Media, [media(1), media(2)])
    with database.write() as tx:
        tx.execute(delete(Media).where(Media.id == second))
    with database.write() as tx:
        (third,) = bulk.insert_returning(tx, Media, [media(3)])
        fourth = tx.execute(insert(Media).values(media(4)).returning(Media.id)).scalar_one()
    assert first < second < third < fourth


def test_what_the_database_refuses_is_said_as_by_a_plain_statement(database: Database):
    with database.write() as tx:
        bulk.insert_rows(tx, Media, [media(1)])
    with pytest.raises(IntegrityError), database.write() as tx:
        bulk.insert_rows(tx, Media, [media(2), media(1)])
    with database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Media)).scalar() == 1
    naive = {"name": "North", "country": "GB", "created_at": MOMENT.replace(tzinfo=None)}
    with pytest.raises((ValueError, StatementError), match="time zone"), database.write() as tx:
        bulk.insert_rows(tx, Organisation, [naive])


def test_nothing_to_do_is_no_error(database: Database):
    with database.write() as tx:
        bulk.insert_rows(tx, Media, [])
        bulk.upsert_rows(tx, Media, [])
        assert bulk.insert_returning(tx, Media, []) == []
        assert bulk.update_rows(tx, Media, []) == 0
        with pytest.raises(TypeError, match="numbers no rows"):
            bulk.insert_returning(tx, Policy, [{"name": "a", "value": {}}])


LATE = """
from tutela.store import Database
with Database({url!r}) as database, database.write() as tx:
    from tutela.store.bulk import insert_rows
    from tutela.store.tables.access import Policy
    insert_rows(tx, Policy, [{{"name": "late", "value": 1}}])
"""


def test_a_command_that_loads_bulk_after_the_database_was_opened_can_write(database: Database):
    program = LATE.format(url=database.url.render_as_string(hide_password=False))
    subprocess.run([sys.executable, "-c", program], check=True)
    with database.read() as tx:
        assert tx.execute(select(Policy.value).where(Policy.name == "late")).scalar_one() == 1


@quick
@given(st.lists(MEDIA, min_size=1, max_size=6, unique_by=lambda row: row["sha256"] or object()))
def test_rows_by_column_are_those_by_row(database: Database, rows):
    """What is the same in all rows is said once; in whatever order the columns stand."""
    same = {name: rows[0][name] for name in ("kind", "captured_at", "latitude", "width")}
    with pytest.raises(RollBackError), database.write() as tx:
        bulk.insert_returning(tx, Media, [{**row, **same} for row in rows])
        plain = rows_of(tx, Media)
        tx.execute(delete(Media))
        each = {name: [row[name] for row in rows] for name in rows[0] if name not in same}
        ids = bulk.insert_returning(tx, Media, bulk.Columns(each, same))
        assert rows_of(tx, Media) == plain
        changed = bulk.Columns({"id": ids[::-1]}, {"kind": "x", "latitude": None})
        assert bulk.update_rows(tx, Media, changed) == len(ids)
        assert set(tx.execute(select(Media.kind, Media.latitude)).all()) == {("x", None)}
        raise RollBackError


def test_columns_of_one_key_are_set_in_its_order_and_the_last_counts(database: Database):
    with pytest.raises(RollBackError), database.write() as tx:
        names = ["b", "a", "b"]
        bulk.upsert_rows(tx, Policy, bulk.Columns({"name": names, "value": [1, 2, 3]}))
        assert dict(tx.execute(select(Policy.name, Policy.value)).all()) == {"a": 2, "b": 3}
        bulk.upsert_rows(tx, Policy, bulk.Columns({"name": ["a", "b"]}, {"value": {"x": 1}}))
        assert dict(tx.execute(select(Policy.name, Policy.value)).all()) == {
            "a": {"x": 1},
            "b": {"x": 1},
        }
        assert bulk.update_rows(tx, Policy, bulk.Columns({"value": [5]}, {"name": "b"})) == 1
        assert dict(tx.execute(select(Policy.name, Policy.value)).all())["b"] == 5
        raise RollBackError
