"""Events for people: chosen, newest first, a page at a time, with the words that are kept."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, select, update

from tutela.audit import log, reading
from tutela.audit.find import Filter, each, find
from tutela.core.errors import IntegrityError
from tutela.core.time import now
from tutela.store.migrations import dialect
from tutela.store.tables.audit import AuditEvent, AuditText

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from log_writer import WHO

OTHER = msgspec.structs.replace(WHO, account_id=8)


def test_pages_go_back_from_the_newest_and_lose_nothing(database, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 7)
    with database.write() as tx:
        events = [log.Event("media.viewed", f"media:{number}") for number in range(23)]
        log.record_many(tx, WHO, events)
    with database.read() as tx:
        pages = [find(tx, Filter(), limit=10)]
        while pages[-1]:
            pages.append(find(tx, Filter(), before=pages[-1][-1].seq, limit=10))
        assert [len(page) for page in pages] == [10, 10, 3, 0]
        assert [one.seq for page in pages for one in page] == list(range(23))[::-1]
        assert [one.seq for one in each(tx, Filter())] == list(range(23))


def test_events_are_chosen_by_subject_action_account_and_time(database):
    words = {"reason": "an invented reason", "name": "an invented name"}
    with database.write() as tx:
        log.record(tx, WHO, "case.created", "case:1", texts=words, number=3)
        log.record(tx, WHO, "case.created", "case:12")
    between = now()
    with database.write() as tx:
        log.record(tx, OTHER, "grade.given", "media:1", code="A")
        log.record(tx, OTHER, "grade.cleared", "media:1", code="salted", more="salted:of nothing")
        tx.execute(delete(AuditText).where(AuditText.name == "name"))

    def chosen(**wanted) -> list[int]:
        with database.read() as tx:
            found = find(tx, Filter(**wanted))
            assert [one.seq for one in each(tx, Filter(**wanted))] == [
                one.seq for one in found[::-1]
            ]
        return [one.seq for one in found]

    assert chosen(subject="case:1") == [0]
    assert chosen(subject="case:") == [1, 0]
    assert chosen(subject="media:1") == [3, 2]
    assert chosen(subject="cas_:") == []
    assert chosen(action="grade.given") == [2]
    assert chosen(action="grade.") == [3, 2]
    assert chosen(action="grade.", subject="case:") == []
    assert chosen(account_id=8) == [3, 2]
    assert chosen(until=between) == [1, 0]
    assert chosen(since=between) == [3, 2]
    assert chosen(since=between, until=between - timedelta(seconds=1)) == []
    with database.read() as tx:
        *_, second, first = find(tx, Filter())
        cleared = find(tx, Filter(action="grade.cleared"))[0]
    assert first.texts == {"reason": "an invented reason", "name": None}
    assert first.data["number"] == 3
    assert (first.account_id, first.via, first.action) == (7, "cli", "case.created")
    assert first.at <= now()
    assert second.texts == {}
    assert cleared.texts == {"more": None}


def test_an_event_that_cannot_be_read_is_named(embedded):
    with embedded.write() as tx:
        log.record(tx, WHO, "case.created", "case:1")
        dialect.unguard(tx)
        tx.execute(update(AuditEvent).values(body=b"no event"))
        assert tx.execute(select(AuditEvent.body)).scalar_one() == b"no event"
        with pytest.raises(IntegrityError, match="event 0 cannot be read"):
            find(tx, Filter())
