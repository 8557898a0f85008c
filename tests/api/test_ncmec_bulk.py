"""A hundred thousand entries come in one request, and cost the server no memory by the entry."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import api_support as support
from threatexchange.exchanges.impl.ncmec_api import NCMECCollabConfig, NCMECSignalExchangeAPI
from threatexchange.signal_type.pdq.signal import PdqSignal

from tutela.api.listing import walk
from tutela.api.protocols import ncmec
from tutela.api.protocols.paging import EPOCH, Place
from tutela.exchange import lists
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
        found = [delta for delta in api.fetch_iter([PdqSignal], None)]
        assert serving.requests == ["GET /ncmec/known/v2/entries"]
        assert [len(delta.updates) for delta in found] == [MANY]
        again = list(api.fetch_iter([PdqSignal], found[0].checkpoint))
    assert sum(len(delta.updates) for delta in again) == 0


def test_an_answer_takes_the_memory_of_a_few_thousand_entries(small):
    _fill(small, 30_000)
    asker = small.principal(small.members["platform"])
    until = datetime(2027, 1, 1, tzinfo=UTC)
    with small.database.read() as tx:
        view = lists.view(tx, asker, "known")
        tracemalloc.start()
        try:
            answer, size = ncmec.Answer(), 0
            for listed in walk(tx, asker, view, Place(EPOCH, 0), until, fresh=True):
                answer.add(listed)
            size = sum(map(len, answer.pieces()))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert answer.count == 30_000
    assert size > 8 << 20
    # 5,000 entries are read at once, and so much of the answer is kept in memory.
    assert peak < 25 << 20
