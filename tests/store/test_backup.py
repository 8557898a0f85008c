"""A backup of either database makes an equal one of either kind, or nothing at all."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, insert, select

import databases
from tutela.audit import log
from tutela.core.errors import IntegrityError, UsageError
from tutela.core.principal import SYSTEM
from tutela.store import Database, backup, schema
from tutela.store.bulk import insert_returning, insert_rows
from tutela.store.migrations import dialect
from tutela.store.restore import restore
from tutela.store.tables.access import Account, Organisation, Policy, WebSession
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Media

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def media(number: int) -> dict:
    return {
        "sha256": number.to_bytes(32),
        "size_bytes": 2**62 + number,
        "kind": "jpeg" if number % 2 else "",
        "is_picture": bool(number % 2),
        "captured_at": MOMENT + timedelta(microseconds=number) if number % 3 else None,
        "latitude": number / 7,
        "first_seen_at": MOMENT,
    }


def fill(database: Database) -> None:
    with database.write() as tx:
        insert_rows(tx, Organisation, [{"name": "Nørd", "country": "GB", "created_at": MOMENT}])
        insert_rows(
            tx,
            Account,
            [
                {"organisation_id": 1, "name": "a", "display_name": "A", "kind": "person"}
                | {"state": "active", "created_at": MOMENT, "totp_secret": b"\0sealed"}
            ],
        )
        insert_rows(tx, Policy, [{"name": "x", "value": {"ä": [1, None, 2**70, "\\"]}}])
        session = {"token_hash": b"t", "account_id": 1, "state": "open", "data": {}}
        times = dict.fromkeys(("created_at", "seen_at", "expires_at"), MOMENT)
        insert_rows(tx, WebSession, [session | times])
        ids = insert_returning(
            tx, Media, [media(number) for number in range(backup.ROWS_AT_ONCE + 5)]
        )
        tx.execute(delete(Media).where(Media.id == ids[-1]))
        log.record(tx, SYSTEM, "test.filled", "case:1", texts={"words": "nothing"})


def everything(database: Database) -> dict[str, list]:
    with database.read() as tx:
        return {
            table.name: tx.execute(select(table).order_by(*table.primary_key.columns)).all()
            for table in backup.tables()
        }


@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
def test_what_is_restored_is_equal_and_goes_on_from_there(
    database: Database, other: str, request: pytest.FixtureRequest, tmp_path: Path
):
    fill(database)
    file = tmp_path / "x.backup"
    seen: list[tuple[int, int]] = []
    manifest = backup.write(database, file, lambda *at: seen.append(at))
    assert file.stat().st_mode & 0o777 == 0o600
    assert seen[-1] == (manifest.rows, manifest.rows)
    made = (
        databases.sqlite_factory(tmp_path, tmp_path)
        if other == "sqlite"
        else databases.postgresql_factory(request.getfixturevalue("postgresql_server"))
    )
    with Database(made.url(upgraded=False)) as fresh:
        assert restore(fresh, file) == manifest
        assert everything(fresh) == everything(database)
        assert schema.check(fresh) == []
        with fresh.write() as tx:
            assert tx.execute(select(WebSession.token_hash)).all() == []
            assert dialect.missing(tx) == []
            given = tx.execute(insert(Media).values(media(9999)).returning(Media.id)).scalar_one()
            assert given == backup.ROWS_AT_ONCE + 6
            assert log.record(tx, SYSTEM, "test.went_on", "case:1") == manifest.audit_size
        with pytest.raises(UsageError, match="not empty"):
            restore(fresh, file)
    made.close()


def test_a_backup_is_of_one_moment(database: Database, tmp_path: Path):
    fill(database)
    before = everything(database)

    def disturb(done: int, _total: int) -> None:
        if done == 1:
            writer = threading.Thread(target=lambda: add(database))
            writer.start()
            writer.join()

    def add(database: Database) -> None:
        with database.write() as tx:
            insert_rows(tx, Media, [media(70_000)])
            log.record(tx, SYSTEM, "test.came_between", "case:1")

    backup.write(database, tmp_path / "x.backup", disturb)
    assert len(everything(database)["media"]) == len(before["media"]) + 1
    with Database(f"sqlite:///{tmp_path}/fresh.db") as fresh:
        restore(fresh, tmp_path / "x.backup")
        assert everything(fresh) == before


@pytest.fixture
def written(embedded: Database, tmp_path: Path) -> Path:
    fill(embedded)
    backup.write(embedded, tmp_path / "whole.backup")
    return tmp_path / "whole.backup"


def changed(written: Path, member: str, change) -> Path:
    """Write the backup again with one member changed."""
    other = written.with_name("changed.backup")
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            body = change(old.read(name)) if name == member else old.read(name)
            if body is not None:
                new.writestr(name, body)
    return other


def manifest_with(**values):
    return lambda body: msgspec.json.encode(msgspec.json.decode(body) | values)


DAMAGE = {
    "changed": ("media.msgpack", lambda body: body[:-1] + b"\0", "table media .* is damaged"),
    "shorter": ("media.msgpack", lambda body: body[:-9], "table media .* is damaged"),
    "gone": ("media.msgpack", lambda _body: None, "what its manifest says"),
    "no manifest": ("manifest.json", lambda _body: None, "no manifest"),
    "no json": ("manifest.json", lambda _body: b"{", "no whole backup"),
    "unknown key": ("manifest.json", manifest_with(more=1), "no whole backup"),
    "no tables": ("manifest.json", manifest_with(tables={}), "the tables of its revision"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_writes_nothing(written: Path, tmp_path: Path, damage: str):
    member, change, said = DAMAGE[damage]
    with Database(f"sqlite:///{tmp_path}/fresh.db") as fresh:
        with pytest.raises(IntegrityError, match=said):
            restore(fresh, changed(written, member, change))
        assert schema.revision(fresh) is None


def test_a_file_that_is_cut_off_or_of_another_kind_writes_nothing(written: Path, tmp_path: Path):
    whole = written.read_bytes()
    with Database(f"sqlite:///{tmp_path}/fresh.db") as fresh:
        for body in (b"", b"hello", whole[: len(whole) // 2], whole[:200] + whole[260:]):
            written.write_bytes(body)
            with pytest.raises(IntegrityError):
                restore(fresh, written)
        flipped = bytearray(whole)
        # A bit of what it holds, and not of what a zip says of it: when it was made, say.
        flipped[_middle(whole, "manifest.json")] ^= 1
        written.write_bytes(flipped)
        with pytest.raises(IntegrityError):
            restore(fresh, written)
        assert schema.revision(fresh) is None


def _middle(archive: bytes, name: str) -> int:
    """Return the place of the middle byte of what a zip holds under a name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        member = opened.getinfo(name)
    lengths = archive[member.header_offset + 26 : member.header_offset + 30]
    name_bytes, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
    return member.header_offset + 30 + name_bytes + extra + member.compress_size // 2


def test_a_batch_with_values_of_another_kind_is_refused(written: Path, tmp_path: Path):
    """Somebody who writes a matching digest still cannot put words where numbers belong."""

    def bend(body: bytes) -> bytes:
        rows = msgspec.msgpack.decode(body[4:])
        rows[0][0] = "one"
        packed = msgspec.msgpack.encode(rows)
        return len(packed).to_bytes(4) + packed

    bent = changed(written, "organisations.msgpack", bend)
    with zipfile.ZipFile(bent) as archive:
        manifest = msgspec.json.decode(archive.read("manifest.json"))
        digest = hashlib.sha256(archive.read("organisations.msgpack")).hexdigest()
    manifest["tables"]["organisations"]["sha256"] = digest
    bent = changed(
        bent.rename(written), "manifest.json", lambda _body: msgspec.json.encode(manifest)
    )
    with Database(f"sqlite:///{tmp_path}/fresh.db") as fresh:
        with pytest.raises(IntegrityError, match="no whole backup"):
            restore(fresh, bent)
        assert not any(everything(fresh).values())


def test_a_backup_of_another_revision_names_who_can_restore_it(written: Path, tmp_path: Path):
    older = changed(written, "manifest.json", manifest_with(revision="0000", tutela="0.0.1"))
    with (
        Database(f"sqlite:///{tmp_path}/fresh.db") as fresh,
        pytest.raises(UsageError, match="revision 0000") as refused,
    ):
        restore(fresh, older)
    assert refused.value.hint == "restore it with Tutela 0.0.1, then upgrade"


def test_what_fails_leaves_no_file_and_what_is_there_is_kept(embedded: Database, tmp_path: Path):
    fill(embedded)
    file = tmp_path / "x.backup"

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup.write(embedded, file, stop)
    assert list(tmp_path.glob("x*")) == []
    file.write_text("mine")
    with pytest.raises(UsageError, match="already a file"):
        backup.write(embedded, file)
    assert file.read_text() == "mine"


def test_of_several_statements_each_sees_the_same(database: Database):
    with database.read() as tx:
        assert tx.execute(select(AuditEvent.seq)).all() == []
        with database.write() as other:
            log.record(other, SYSTEM, "test.came_between", "case:1")
        assert tx.execute(select(AuditEvent.seq)).all() == []
