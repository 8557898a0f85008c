"""A hundred thousand entries come in one request, and cost the server no memory by the entry."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import api_support as support
import httpx
import pytest
from sqlalchemy import event
from threatexchange.exchanges.impl.ncmec_api import NCMECCollabConfig, NCMECSignalExchangeAPI
from threatexchange.signal_type.pdq.signal import PdqSignal

from tutela.api.protocols import ncmec
from tutela.api.protocols.paging import EPOCH, Place
from tutela.api.routes import ncmec as routes
from tutela.core.errors import AccessError
from tutela.exchange import changes, lists, members
from tutela.store.bulk import insert_rows
from tutela.store.tables.exchange import EntryCode, ListedEntry

MANY = 100_000


def _fill(exchange: support.Exchange, count: int) -> None:
    """Write entries as an import long ago did, without its log."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "id": number,
            "list_id": exchange.list_id,
            "identity": number.to_bytes(32),
            "content": "image",
            "md5": number.to_bytes(16),
            "pdq": number.to_bytes(32),
            "pdq_quality": 100,
            "others": {},
            "tags": [],
            "state": "active",
            "source_id": exchange.owner_id,
            "origin": "import",
            "reference": "",
            "change": number,
            "changed_at": first + timedelta(seconds=number // 10),
            "created_at": first,
            "extra": {},
        }
        for number in range(1, count + 1)
    ]
    codes = [
        {"entry_id": row["id"], "jurisdiction": "US", "scheme": "ncmec", "code": "A1"}
        for row in rows
    ]
    with exchange.database.write() as tx:
        insert_rows(tx, ListedEntry, rows)
        insert_rows(tx, EntryCode, codes)


def test_the_client_gets_a_hundred_thousand_entries_in_one_request(small):
    _fill(small, MANY)
    member = small.members["platform"]
    with (serving := support.Serving(small)) as base:
        environment = SimpleNamespace(value=f"{base}/ncmec/known")
        collab = NCMECCollabConfig(name="known", environment=environment)
        api = NCMECSignalExchangeAPI(collab, member.name, member.token)
        found = list(api.fetch_iter([PdqSignal], None))
        assert serving.requests == ["GET /ncmec/known/v2/entries"]
        assert [len(delta.updates) for delta in found] == [MANY]
        again = list(api.fetch_iter([PdqSignal], found[0].checkpoint))
    assert sum(len(delta.updates) for delta in again) == 0


def test_an_answer_takes_the_memory_of_a_few_entries(small, monkeypatch):
    _fill(small, 4_000)
    monkeypatch.setattr(routes, "STEP", 250)
    monkeypatch.setattr(ncmec, "IN_MEMORY", 64 << 10)
    asker = small.principal(small.members["platform"])
    answer, until = ncmec.Answer(), datetime(2027, 1, 1, tzinfo=UTC)
    window = routes._Window(Place(EPOCH, 0), until, 10_000, fresh=True, words=("", ""))
    gathering = routes._gather(small.desk, asker, "known", window, until, answer)
    next(gathering)  # what is loaded once is loaded
    tracemalloc.start()
    try:
        size = sum(map(len, answer.pieces(gathering)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.count == 4_000
    assert size > 1_000_000
    assert peak < size


def test_bytes_come_while_entries_are_gathered(small, monkeypatch):
    """The client waits a minute for a byte; a list of millions takes longer to gather."""
    monkeypatch.setattr(routes, "STEP", 100)
    _fill(small, 1_000)
    member = small.members["platform"]
    with support.Serving(small) as base:
        address = f"{base}/ncmec/known/v2/entries"
        with httpx.stream("GET", address, headers=member.bearer) as answer:
            pieces = list(answer.iter_raw())
    text = b"".join(pieces)
    head = text[: text.index(b"<images")]
    assert head.count(b"\n") >= 9
    assert text.count(b"<image>") == 1_000


def test_a_member_that_is_removed_while_it_syncs_gets_no_more(small, monkeypatch):
    monkeypatch.setattr(routes, "STEP", 100)
    _fill(small, 300)
    member = small.members["platform"]
    asker = small.principal(member)
    answer, until = ncmec.Answer(), datetime(2027, 1, 1, tzinfo=UTC)
    window = routes._Window(Place(EPOCH, 0), until, 10_000, fresh=True, words=("", ""))
    pieces = answer.pieces(routes._gather(small.desk, asker, "known", window, until, answer))
    next(pieces)
    next(pieces)
    with small.database.write() as tx:
        members.remove(tx, small.owner, small.list_id, member.organisation_id)
    with pytest.raises(AccessError):
        list(pieces)


def test_a_range_is_read_in_its_order_and_the_list_is_not_sorted(small):
    """Whoever asks what is new pays for what is new, however long the list."""
    asker, plans = small.principal(small.members["platform"]), []

    def explain(connection, _cursor, statement, parameters, *_: object) -> None:
        if "listed_entries" in statement:
            plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(" ".join(row[-1] for row in plan))

    with small.database.read() as tx:
        view = lists.view(tx, asker, "known")
        event.listen(small.database.engine, "before_cursor_execute", explain)
        try:
            changes.between(tx, asker, [view], (EPOCH, 0), datetime.now(UTC), 10)
            changes.since(tx, asker, view, 1, 10)
        finally:
            event.remove(small.database.engine, "before_cursor_execute", explain)
    assert len(plans) == 2
    assert not any("TEMP B-TREE" in plan for plan in plans)
    assert "(list_id=? AND changed_at>? AND changed_at<?)" in plans[0]
