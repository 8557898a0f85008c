"""Appending: what a leaf says, in which form, and that it stands or falls with its transaction."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import threading
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tutela.audit import log
from tutela.audit.merkle import Frontier, leaf_hash, root_of
from tutela.core.time import iso_precise
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent, AuditHead, AuditText

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

import log_writer
from log_writer import WHO

NAMES = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)
FACTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-log.LARGEST_INTEGER, log.LARGEST_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, FACTS, max_size=6))
def test_facts_are_canonical_json_as_another_writer_makes_it(facts):
    assert log.canonical(facts) == rfc8785.dumps(facts)


@pytest.mark.parametrize(
    "value",
    [0.5, [1, 2.0], {"a": {"b": 1.5}}, 2**53, -(2**53), b"bytes", {1, 2}, "\ud800", {"\uffff": 1}],
)
def test_what_json_may_not_keep_is_refused(value):
    with pytest.raises(ValueError, match=r"audit event|surrogate"):
        log.canonical({"fact": value})


def test_leaves_say_what_happened_and_the_tree_commits_to_them(database):
    with database.write() as tx:
        assert log.record(tx, WHO, "case.created", "case:1", number=3, held=False) == 0
    events = [log.Event("media.viewed", f"media:{number}", {"case": 1}) for number in range(5)]
    with database.write() as tx:
        assert log.record_many(tx, WHO, events) == 1
    with database.write() as tx:
        assert log.record_many(tx, WHO, []) == 6
        texts = {"reason": "an invented reason"}
        assert log.record(tx, WHO, "case.held", "case:1", texts=texts, until=None) == 6
    with database.read() as tx:
        rows = tx.execute(select(AuditEvent).order_by(AuditEvent.seq)).all()
        head = tx.execute(select(AuditHead.size, AuditHead.frontier, AuditHead.root)).one()
        text = tx.execute(select(AuditText)).one()
    bodies = [json.loads(row.body) for row in rows]
    before = ""
    for number, (row, body) in enumerate(zip(rows, bodies, strict=True)):
        assert row.body == rfc8785.dumps(body)
        assert row.leaf_hash == leaf_hash(row.body)
        assert body["seq"] == row.seq == number
        assert (body["act"], body["on"]) == (row.action, row.subject)
        assert (body["by"], body["via"], body["v"]) == (row.account_id, "cli", 1) == (7, "cli", 1)
        assert body["at"] == iso_precise(row.at)
        assert body["prev"] == before
        before = row.leaf_hash[:8].hex()
    assert bodies[0]["data"] == {"held": False, "number": 3}
    committed = hashlib.sha256(text.salt + text.text.encode()).hexdigest()
    assert bodies[6]["data"] == {"until": None, "reason": f"salted:{committed}"}
    assert (text.seq, text.name, text.text) == (6, "reason", "an invented reason")
    assert head.size == 7
    assert head.root == root_of(row.leaf_hash for row in rows)
    assert Frontier(head.size, head.frontier).root() == head.root


def test_an_event_that_is_refused_leaves_no_trace(embedded):
    """Also when the transaction goes on without it."""
    with embedded.write() as tx:
        log.record(tx, WHO, "case.created", "case:1")
    with embedded.write() as tx:
        with pytest.raises(ValueError, match="65,"):
            log.record(tx, WHO, "case.created", "case:2", much="x" * log.LONGEST_BODY)
        good = log.Event("case.created", "case:3")
        with pytest.raises(ValueError, match="float"):
            log.record_many(tx, WHO, [good, log.Event("case.created", "case:4", {"size": 1.0})])
    with embedded.read() as tx:
        assert tx.execute(select(AuditEvent.subject)).scalars().all() == ["case:1"]
        assert tx.execute(select(AuditHead.size)).scalar_one() == 1


def test_what_is_rolled_back_was_never_logged(database):
    with database.write() as tx:
        log.record(tx, WHO, "case.created", "case:1")
    with pytest.raises(RuntimeError), database.write() as tx:
        log.record(tx, WHO, "case.created", "case:2", texts={"title": "an invented title"})
        raise RuntimeError("before the commit")
    with database.write() as tx:
        assert log.record(tx, WHO, "case.created", "case:3") == 1
    with database.read() as tx:
        found = tx.execute(select(AuditEvent.subject).order_by(AuditEvent.seq)).scalars().all()
        assert found == ["case:1", "case:3"]
        assert not tx.execute(select(AuditText)).all()


def test_a_process_killed_before_its_commit_leaves_no_trace(database):
    with database.write() as tx:
        log.record(tx, WHO, "case.created", "case:1")
    assert log_writer.start(database, "die").wait(60) == -signal.SIGKILL
    with database.write() as tx:
        assert log.record(tx, WHO, "case.created", "case:3") == 1
    assert subjects(database) == ["case:1", "case:3"]


def test_writers_at_once_leave_no_gap_and_nothing_twice(database):
    """Threads and processes, on a log that has no head yet: the first writers race for that too."""
    times = 12
    threads = [
        threading.Thread(target=log_writer.append, args=(database, worker, times))
        for worker in (1, 2)
    ]
    processes = [log_writer.start(database, "append", worker, times) for worker in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [process.wait(120) for process in processes] == [0, 0]
    expected = {
        subject
        for worker in (1, 2, 3, 4)
        for batch in log_writer.batches(worker, times)
        for subject in batch
    }
    found = subjects(database)
    assert len(found) == len(expected)
    assert set(found) == expected
    with database.read() as tx:
        rows = tx.execute(
            select(AuditEvent.seq, AuditEvent.body, AuditEvent.leaf_hash).order_by(AuditEvent.seq)
        ).all()
        head = tx.execute(select(AuditHead.size, AuditHead.root)).one()
    assert [row.seq for row in rows] == list(range(len(expected)))
    assert [json.loads(row.body)["prev"] for row in rows] == [
        "",
        *(row.leaf_hash[:8].hex() for row in rows[:-1]),
    ]
    assert head == (len(rows), root_of(row.leaf_hash for row in rows))


def subjects(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(AuditEvent.subject).order_by(AuditEvent.seq)).scalars())
