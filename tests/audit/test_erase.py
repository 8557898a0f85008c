"""Words go, and the log still verifies; what is left in the files of the database is looked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

import databases
from tutela.audit import erase, find, log, verify
from tutela.audit.log import Event
from tutela.core.errors import UsageError
from tutela.store import Database
from tutela.store.scrub import scrub
from tutela.store.tables.audit import AuditEvent, AuditText

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from log_writer import WHO

SECRET = "Quillon Verrastine of Umberfold"
WHY = {"reason": "asked by the person named", "authority": "Invented Act, s. 47"}


def fill(database: Database) -> None:
    """Write forty events with words; the eleventh and twelfth hold what is to go."""
    with database.write() as tx:
        events = [Event("case.held", "case:1", {}, {"reason": f"reason {n}"}) for n in range(40)]
        events[10] = Event("note.written", "media:3", {"case": 1}, {"text": f"saw {SECRET} there"})
        events[11] = Event("team.joined", "case:1", {}, {"name": SECRET, "other": "kept words"})
        log.record_many(tx, WHO, events)


def test_words_go_and_the_log_verifies(database: Database):
    fill(database)
    with database.read() as tx:
        bodies = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq)).scalars().all()
    with database.write() as tx:
        erase.erase(tx, WHO, erase.words(tx, [11], ["name"]), **WHY)
        erase.erase(tx, WHO, erase.words(tx, [10, 12]), **WHY)
    with database.read() as tx:
        report = verify.verify(tx)
        assert report.sound
        assert (report.size, report.erased, report.texts) == (43, 3, 38 + 6)
        now = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq)).scalars().all()
        assert now[:40] == bodies, "no event was touched"
        by = {one.seq: one for one in find.each(tx, find.Filter())}
        assert by[10].texts == {"text": None}
        assert by[11].texts == {"name": None, "other": "kept words"}
        told = [by[seq] for seq in (40, 41, 42)]
        assert [one.subject for one in told] == ["event:11", "event:10", "event:12"]
        assert [one.data["words"] for one in told] == [["name"], ["text"], ["reason"]]
        assert all((one.action, one.texts) == ("audit.erased", WHY) for one in told)
        assert all(one.account_id == WHO.account_id for one in told)
        left = tx.execute(select(func.count()).where(AuditText.text.contains("Quillon")))
        assert left.scalar_one() == 0


@pytest.mark.parametrize(
    ("seqs", "names", "code"),
    [
        ([], [], "usage"),
        ([99], [], "not_found"),
        ([-1], [], "not_found"),
        ([11], ["nothing"], "nothing_kept"),
        ([3], [], "nothing_kept"),
        ([40], [], "erasure"),
        (range(2000), [], "usage"),
    ],
)
def test_what_cannot_be_erased(embedded: Database, seqs: list[int], names: list[str], code: str):
    fill(embedded)
    with embedded.write() as tx:
        erase.erase(tx, WHO, erase.words(tx, [3]), **WHY)
    with embedded.read() as tx, pytest.raises(UsageError) as refused:
        erase.words(tx, seqs, names)
    assert refused.value.code == code


def bytes_of(database: Database, server: databases.Server | None) -> bytes:
    """Return all that the files of the database hold of the words of the log."""
    if database.dialect == "sqlite":
        path = Path(str(database.url.database))
        return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
    assert server is not None
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        file = connection.exec_driver_sql("SELECT pg_relation_filepath('audit_texts')").scalar_one()
        said = connection.exec_driver_sql(
            "SELECT most_common_vals::text || coalesce(histogram_bounds::text, '') FROM pg_stats "
            "WHERE tablename = 'audit_texts' AND attname = 'text'"
        ).scalar()
    data = server.folder / "data"
    return b"".join(one.read_bytes() for one in data.glob(f"{file}*")) + str(said).encode()


def test_nothing_is_left_in_the_files(database: Database, request: pytest.FixtureRequest):
    postgresql = database.dialect == "postgresql"
    server = request.getfixturevalue("postgresql_server") if postgresql else None
    fill(database)
    if postgresql:
        with database.write() as tx:
            tx.exec_driver_sql("ANALYZE audit_texts")
    assert SECRET.encode() in bytes_of(database, server)
    with database.write() as tx:
        erase.erase(tx, WHO, erase.words(tx, [10, 11]), **WHY)
    if postgresql:
        assert SECRET.encode() in bytes_of(database, server), "deleting alone leaves the bytes"
    scrub(database, AuditText)
    found = bytes_of(database, server)
    assert b"Quillon" not in found
    assert b"reason 17" in found, "it was looked for where the words lie"
    with database.read() as tx:
        assert verify.verify(tx).sound
