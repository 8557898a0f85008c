"""A log that was tampered with is refused, and the first bad event is named.

The intruder owns the database file: the triggers that guard the log are dropped first.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import rfc8785
from sqlalchemy import Connection, delete, insert, select, update

from tutela.audit import checkpoint, log, reading, verify, walk
from tutela.audit.merkle import Frontier, leaf_hash
from tutela.audit.note import Verifier
from tutela.core import time
from tutela.core.settings import AuditSettings
from tutela.store import Database
from tutela.store.migrations import dialect
from tutela.store.tables.audit import AuditCheckpoint, AuditEvent, AuditHead, AuditText

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from log_writer import WHO

SIZE = 24
SIGNED = (8, 20)


@dataclass
class Log:
    """A log of 24 events, of which checkpoints 8 and 20 lie in the database and 20 elsewhere."""

    database: Database
    key: Verifier
    settings: AuditSettings
    kept: list[str]

    def verify(self, *, kept: bool = False) -> verify.Report:
        with self.database.read() as tx:
            return verify.verify(tx, self.key, self.kept if kept else ())

    def first(self, *, kept: bool = False) -> str:
        return str(self.verify(kept=kept).first)


@pytest.fixture
def made(database, tmp_path) -> Log:
    settings = AuditSettings(origin="tutela.example/audit", signing_key=tmp_path / "audit.key")
    checkpoint.create_key(settings.signing_key, settings.origin)
    kept = [_fill(database, settings, until) for until in SIGNED]
    _fill(database, settings, SIZE, sign=False)
    with database.write() as tx:
        dialect.unguard(tx)
    return Log(database, checkpoint.signing_key(settings).verifier, settings, kept[-1:])


def _fill(database, settings, until: int, *, sign: bool = True) -> str:
    with database.write() as tx:
        head = reading.head(tx)
        start = head.size if head else 0
        events = [
            log.Event("grade.given", f"media:{number}", {"case": 1, "code": "A"})
            for number in range(start, until)
        ]
        events[0] = log.Event("case.held", "case:1", {}, {"reason": f"invented {start}"})
        log.record_many(tx, WHO, events)
        return checkpoint.sign(tx, settings) if sign else ""


def rows(tx: Connection) -> list[dict]:
    found = tx.execute(select(AuditEvent.__table__).order_by(AuditEvent.seq))
    return [dict(row._mapping) for row in found]


def changed(row: dict, **changes: object) -> dict:
    """A row whose body says something else, and its columns and hash with it."""
    body = rfc8785.dumps(json.loads(row["body"]) | changes)
    said = json.loads(body)
    return row | {
        "body": body,
        "leaf_hash": leaf_hash(body),
        "action": said["act"],
        "subject": said["on"],
        "account_id": said["by"],
    }


def put(tx: Connection, *new: dict) -> None:
    for row in new:
        tx.execute(delete(AuditEvent).where(AuditEvent.seq == row["seq"]))
        tx.execute(insert(AuditEvent).values(**row))


def set_(tx: Connection, seq: int, /, **values: object) -> None:
    tx.execute(update(AuditEvent).where(AuditEvent.seq == seq).values(**values))


def rewrite(tx: Connection, start: int, kept: list[dict]) -> None:
    """Write events anew from `start`, each after the one before, and the head over them."""
    tx.execute(delete(AuditEvent).where(AuditEvent.seq >= start))
    tree = Frontier()
    last = b""
    for seq, row in enumerate(kept):
        if seq >= start:
            new = changed(row, prev=last[:8].hex(), seq=seq) | {"seq": seq}
            tx.execute(insert(AuditEvent).values(**new))
        else:
            new = row
        last = new["leaf_hash"]
        tree.push(last)
    tx.execute(update(AuditHead).values(size=tree.size, frontier=tree.packed, root=tree.root()))


def test_a_sound_log_verifies(made):
    report = made.verify(kept=True)
    assert report.sound
    assert report.first is None
    assert (report.size, report.checkpoints, report.kept) == (SIZE, 2, 1)
    assert (report.texts, report.erased, report.backwards_s) == (3, 0, 0)
    with made.database.read() as tx:
        assert reading.head(tx).root == report.root
        seen = []
        verify.verify(tx, made.key, progress=lambda done, all_: seen.append((done, all_)))
        assert seen == [(SIZE, SIZE)]


def test_an_empty_log_is_sound(embedded):
    with embedded.read() as tx:
        report = verify.verify(tx)
    assert report.sound
    assert report.size == 0


def test_batches_and_erased_words_make_no_difference(made, monkeypatch):
    with made.database.write() as tx:
        tx.execute(delete(AuditText).where(AuditText.seq == 8))
    monkeypatch.setattr(reading, "BATCH", 5)
    monkeypatch.setattr(reading, "_LEAVES", reading._LEAVES.limit(5))
    report = made.verify(kept=True)
    assert report.sound
    assert (report.size, report.texts, report.erased) == (SIZE, 2, 1)


def test_an_event_whose_body_was_changed_is_named(made):
    with made.database.write() as tx:
        body = rows(tx)[17]["body"]
        set_(tx, 17, body=body.replace(b'"A"', b'"B"'))
    assert made.first() == "event 17: the body was changed"
    with made.database.write() as tx:
        set_(tx, 17, body=body, leaf_hash=b"x" * 32)
    assert made.first() == "event 17: the hash was changed"
    with made.database.write() as tx:
        set_(tx, 17, body=body.replace(b'"A"', b'"B"'))
    assert made.first() == "event 17: the body was changed, and so was the hash"
    with made.database.write() as tx:
        set_(tx, 17, body=b"{}", leaf_hash=leaf_hash(b"{}"))
        assert [str(one) for one in verify.verify(tx, made.key).findings] == [
            "event 17: the body is no event"
        ]


def test_an_event_whose_body_and_hash_were_changed_is_named(made):
    for seq in (3, 17):
        with made.database.write() as tx:
            before = rows(tx)[seq]
            put(tx, changed(before, data={"case": 1, "code": "B"}))
        findings = [str(finding) for finding in made.verify(kept=True).findings]
        assert findings == [
            f"event {seq}: changed, body and hash: event {seq + 1} followed another"
        ]
        with made.database.write() as tx:
            put(tx, before)
    assert made.verify(kept=True).sound


def test_the_last_event_changed_with_its_hash_is_found_by_the_head(made):
    with made.database.write() as tx:
        set_(tx, SIZE - 1, leaf_hash=b"x" * 32)
    assert made.first() == f"event {SIZE - 1}: the body does not fit its hash"
    with made.database.write() as tx:
        body = rows(tx)[SIZE - 1]["body"]
        set_(tx, SIZE - 1, leaf_hash=leaf_hash(body))
        put(tx, changed(rows(tx)[SIZE - 1], act="grade.cleared"))
    assert made.first() == "events 20 to 23: written anew: the head was made over others"


def test_of_a_log_that_is_broken_everywhere_the_first_findings_are_kept(made, monkeypatch):
    monkeypatch.setattr(walk, "MOST_FINDINGS", 3)
    with made.database.write() as tx:
        tx.execute(update(AuditEvent).values(subject="media:99"))
    report = made.verify()
    what = "the column subject is not what the body says"
    assert [str(finding) for finding in report.findings] == [
        f"event {seq}: {what}" for seq in range(3)
    ]
    assert report.more == SIZE - 3


def test_a_column_that_does_not_say_what_the_body_says_is_named(made):
    with made.database.read() as tx:
        before = rows(tx)[11]
    for column, value in (
        ("action", "grade.cleared"),
        ("subject", "media:99"),
        ("account_id", 8),
        ("account_id", None),
        ("at", before["at"] - timedelta(microseconds=1)),
    ):
        with made.database.write() as tx:
            set_(tx, 11, **{column: value})
        findings = [str(finding) for finding in made.verify().findings]
        assert findings == [f"event 11: the column {column} is not what the body says"]
        with made.database.write() as tx:
            put(tx, before)


def test_events_deleted_in_the_middle_are_named(made):
    with made.database.write() as tx:
        tx.execute(delete(AuditEvent).where(AuditEvent.seq.in_([12, 13])))
    assert [str(one) for one in made.verify().findings] == ["events 12 to 13: missing"]
    with made.database.write() as tx:
        for seq in range(14, SIZE):
            set_(tx, seq, seq=seq - 2)
    assert made.first() == "event 12: the body is that of event 14"


def test_an_end_that_was_cut_off_is_seen_by_the_head(made):
    with made.database.write() as tx:
        tx.execute(delete(AuditEvent).where(AuditEvent.seq >= 21))
    assert made.first() == "events 21 to 23: missing: the head counts 24"
    with made.database.write() as tx:
        tx.execute(delete(AuditEvent).where(AuditEvent.seq >= 10))
        tx.execute(delete(AuditText).where(AuditText.seq >= 10))
    assert made.first() == "events 10 to 23: missing: the head counts 24"


def test_an_end_cut_off_with_its_head_is_seen_by_a_checkpoint(made):
    with made.database.write() as tx:
        rewrite(tx, 18, rows(tx)[:18])
        tx.execute(delete(AuditText).where(AuditText.seq >= 18))
    assert made.first() == "events 18 to 19: missing: checkpoint 20 counts 20"
    with made.database.write() as tx:
        tx.execute(delete(AuditCheckpoint).where(AuditCheckpoint.size == 20))
    # Nothing that lies in the database can tell any more.
    assert made.verify().sound
    assert made.first(kept=True).startswith("events 18 to 19: missing: the kept checkpoint 1")


def test_a_log_that_is_empty_again_is_seen_by_a_checkpoint(made):
    with made.database.write() as tx:
        for table in (AuditEvent, AuditHead, AuditText):
            tx.execute(delete(table))
    assert made.first() == "events 0 to 19: missing: checkpoint 20 counts 20"
    with made.database.write() as tx:
        tx.execute(delete(AuditCheckpoint))
    assert made.first(kept=True).startswith("events 0 to 19: missing")


def test_two_events_that_changed_places_are_named(made):
    with made.database.write() as tx:
        before = rows(tx)
        put(tx, before[6] | {"seq": 5}, before[5] | {"seq": 6})
    assert made.first() == "event 5: the body is that of event 6"


def test_an_event_that_was_added_is_named(made):
    with made.database.write() as tx:
        last = rows(tx)[-1]
        put(tx, changed(last, seq=SIZE) | {"seq": SIZE})
    assert made.first() == f"event {SIZE}: not in the tree: the head ends before"
    with made.database.write() as tx:
        put(tx, changed(last, seq=-1) | {"seq": -1})
    assert made.first() == "event -1: no event has such a number"
    with made.database.write() as tx:
        tx.execute(delete(AuditEvent).where(AuditEvent.seq.in_([-1, SIZE])))
        kept = rows(tx)
        rewrite(tx, 9, [*kept[:9], changed(kept[9], on="media:99"), *kept[9:]])
        tx.execute(delete(AuditText).where(AuditText.seq >= 9))
    assert made.first() == "events 8 to 19: written anew: checkpoint 20 was signed over others"


def test_a_log_written_anew_is_seen_by_a_checkpoint_kept_elsewhere(made):
    with made.database.write() as tx:
        kept = rows(tx)
        kept[13] = changed(kept[13], data={"case": 1, "code": "B"})
        rewrite(tx, 13, kept)
    assert [str(one) for one in made.verify().findings] == [
        "events 8 to 19: written anew: checkpoint 20 was signed over others"
    ]
    with made.database.write() as tx:
        tx.execute(delete(AuditCheckpoint).where(AuditCheckpoint.size == 20))
    assert made.verify().sound
    # Even who holds the signing key cannot take back what was given away.
    with made.database.write() as tx:
        checkpoint.sign(tx, made.settings)
    assert made.verify().sound
    assert [str(one) for one in made.verify(kept=True).findings] == [
        "events 8 to 19: written anew: the kept checkpoint 1 of 20 events was signed over others"
    ]


def test_a_checkpoint_that_was_replaced_is_named(made, tmp_path):
    with made.database.write() as tx:
        text = checkpoint.latest(tx, 20)
        table = update(AuditCheckpoint).where(AuditCheckpoint.size == 20)
        tx.execute(table.values(note=text.replace("\n20\n", "\n19\n")))
    assert made.first() == "checkpoint 20: the signature of tutela.example/audit is wrong"
    other = msgspec.structs.replace(made.settings, signing_key=tmp_path / "other.key")
    checkpoint.create_key(other.signing_key, other.origin)
    body = text.partition("\n\n")[0] + "\n"
    forged = f"{body}\n{checkpoint.signing_key(other).sign(body)}"
    with made.database.write() as tx:
        tx.execute(table.values(note=forged))
    assert made.first() == "checkpoint 20: no key that is trusted has signed this note"
    with made.database.write() as tx:
        tx.execute(table.values(note=checkpoint.latest(tx, 8)))
    assert made.first() == "checkpoint 20: its note is of size 8"
    with made.database.write() as tx:
        tx.execute(table.values(note="hello"))
    assert made.first() == "checkpoint 20: this is no signed note"
    with made.database.read() as tx:
        tx.execute(select(AuditHead))
        report = verify.verify(tx, made.key, [forged, text, "hello"])
    assert report.kept == 1
    assert [one.subject for one in report.findings] == [
        "checkpoint 20",
        "the kept checkpoint 1",
        "the kept checkpoint 3",
    ]


def test_a_head_that_was_changed_is_named(made):
    with made.database.write() as tx:
        before = reading.head(tx)
        tx.execute(update(AuditHead).values(root=b"x" * 32))
    assert made.first() == "the head: its root is not that of these events"
    with made.database.write() as tx:
        tx.execute(update(AuditHead).values(root=before.root, frontier=b"x" * 32))
    assert made.first() == "the head: it does not fit its size"
    with made.database.write() as tx:
        wrong = b"x" * 32 + before.frontier[32:]
        tx.execute(update(AuditHead).values(frontier=wrong))
    assert made.first() == "the head: it is not that of these events"
    with made.database.write() as tx:
        tx.execute(delete(AuditHead))
    assert made.first() == "events 0 to 19: missing: checkpoint 20 counts 20"


def test_words_that_were_changed_or_added_are_named(made):
    with made.database.write() as tx:
        tx.execute(update(AuditText).where(AuditText.seq == 8).values(text="another reason"))
        extra = {"seq": 10, "name": "note", "salt": b"s" * 16, "text": "never said"}
        tx.execute(insert(AuditText).values(**extra))
    report = made.verify()
    assert [str(finding) for finding in report.findings] == [
        "event 8: the text 'reason' was changed",
        "event 10: a text 'note' was added",
    ]
    with made.database.write() as tx:
        tx.execute(update(AuditText).where(AuditText.seq == 8).values(seq=SIZE + 1))
    assert str(made.verify().findings[-1]) == f"event {SIZE + 1}: a text without an event"


def test_a_clock_that_was_set_back_is_told_and_breaks_nothing(made, monkeypatch):
    monkeypatch.setattr(log, "now", lambda: time.now() - timedelta(hours=1))
    with made.database.write() as tx:
        log.record(tx, WHO, "case.released", "case:1")
    report = made.verify()
    assert report.sound
    assert 3500 <= report.backwards_s <= 3600


def test_events_that_come_while_a_log_is_verified_break_nothing(made, monkeypatch):
    """PostgreSQL shows them to the later statements of the same transaction."""
    whole = reading.head

    def head(tx):
        found = whole(tx)
        with made.database.write() as other:
            log.record(other, WHO, "case.held", "case:1", texts={"reason": "while verifying"})
            checkpoint.sign(other, made.settings)
        return found

    monkeypatch.setattr(reading, "head", head)
    assert made.verify().sound


def test_a_sqlite_value_of_another_type_is_no_event(embedded):
    with embedded.write() as tx:
        log.record(tx, WHO, "case.created", "case:1")
        dialect.unguard(tx)
        tx.exec_driver_sql("UPDATE audit_events SET body = 'text', leaf_hash = 7, at = 5")
    with embedded.read() as tx:
        assert str(verify.verify(tx).first) == "event 0: the body does not fit its hash"
