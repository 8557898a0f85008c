"""Contract of the database: the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from tutela.store import Database
from tutela.store.tables.access import Organisation

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def _add(tx, name, at=MOMENT):
    tx.execute(insert(Organisation).values(name=name, country="GB", created_at=at))


def test_what_is_written_is_read_again_with_its_time_zone(database: Database):
    with database.write() as tx:
        _add(tx, "North")
    with database.read() as tx:
        assert tx.execute(select(Organisation.created_at)).scalar_one() == MOMENT


def test_a_time_without_a_zone_is_refused(database: Database):
    with pytest.raises(StatementError, match="time zone"), database.write() as tx:
        _add(tx, "North", MOMENT.replace(tzinfo=None))


def test_an_error_in_the_block_takes_everything_back(database: Database):
    with pytest.raises(KeyError), database.write() as tx:
        _add(tx, "North")
        raise KeyError
    with database.read() as tx:
        assert tx.execute(select(Organisation.id)).all() == []
