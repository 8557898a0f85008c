"""A check finds what is damaged, missing, left over or back from the dead; repair does the rest."""

from __future__ import annotations

import os
import shutil
import time

import pytest
import shelf
from sqlalchemy import func, select, update

from tutela.core.errors import AccessError, ServiceError, UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.evidence.vault import Vault, objects
from tutela.evidence.vault.check import ORPHAN_AGE_S, Report, check, repair
from tutela.evidence.vault.master import LocalKey
from tutela.evidence.vault.rotate import rotate
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.vault import VaultObject

CASE = CaseId(1)


def _lookup(database):
    def lookup(prefix: str):
        with database.read() as tx:
            return list(objects.known(tx, prefix))

    return lookup


def _mark(database):
    def mark(ids):
        with database.write() as tx:
            return objects.mark_shredded(tx, shelf.OPERATOR, ids)

    return mark


def _path(vault, object_id):
    return vault.object_path(bytes.fromhex(object_id))


def _age(path, seconds=ORPHAN_AGE_S + 60):
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_a_sound_vault_is_sound(database, vault):
    shelf.fill(database, [shelf.case_row(1)], {number: [1] for number in range(1, 31)})
    shelf.keep(database, vault, list(range(1, 31)))
    seen: list[int] = []
    report = check(vault, _lookup(database), lambda state: seen.append(state.objects))
    size = sum(len(shelf.content(number)) + 5 for number in range(1, 31))
    assert report == Report(objects=60, size_bytes=size)
    assert not report.lost
    assert not report.repairable
    assert seen[-1] == 60


def test_damage_is_named_and_not_repaired(embedded, vault):
    shelf.fill(embedded, [shelf.case_row(1)], {number: [1] for number in range(1, 7)})
    kept = shelf.keep(embedded, vault, list(range(1, 7)))
    flipped = _path(vault, kept[1, "original"])
    data = bytearray(flipped.read_bytes())
    data[-20] ^= 1
    flipped.write_bytes(data)
    _path(vault, kept[2, "thumbnail"]).unlink()
    with embedded.write() as tx:  # whole by itself, and not what the database says
        wrong = update(VaultObject).where(VaultObject.id == kept[3, "thumbnail"])
        tx.execute(wrong.values(size_bytes=6))
    with vault.books._opened(vault.books.numbers()[0], os.O_RDWR) as book:
        last = max(kept.values(), key=lambda one: int(one[28:], 16))
        os.pwrite(book, b"\xff", int(last[28:], 16) * 128 + 60)
    report = check(vault, _lookup(embedded))
    assert sorted(report.damaged) == sorted({kept[1, "original"], kept[3, "thumbnail"], last})
    assert report.missing == [kept[2, "thumbnail"]]
    assert report.lost
    assert repair(vault, report, _mark(embedded)) == 0
    assert check(vault, _lookup(embedded)).damaged == report.damaged


def test_an_original_is_compared_with_its_digest(embedded, vault):
    shelf.fill(embedded, [shelf.case_row(1)], {1: [1]})
    forged = vault.put("original", bytes(len(shelf.content(1))))
    row = objects.NewObject(MediaId(1), "original", forged, len(shelf.content(1)))
    with embedded.write() as tx:
        objects.record(tx, shelf.EXAMINER, CASE, [row])
    assert check(vault, _lookup(embedded)).damaged == [forged]


def test_what_a_crash_left_undone_is_done(database, vault):
    shelf.fill(database, [shelf.case_row(1)], {1: [1], 2: [1]})
    kept = shelf.keep(database, vault, [1, 2])
    with database.write() as tx:
        ids = objects.shred_media(tx, shelf.EXAMINER, CASE, [MediaId(1)])
    # Killed here: committed, and no key destroyed. And two objects that nobody recorded.
    old, fresh = vault.put("original", b"old"), vault.put("original", b"fresh")
    vault.flush()
    _age(_path(vault, old))
    report = check(vault, _lookup(database))
    assert sorted(report.undestroyed) == sorted(ids)
    assert (report.orphaned, report.recent, report.objects) == ([old], 1, 2)
    assert report.repairable
    assert not report.lost
    assert repair(vault, report, _mark(database)) == 3
    after = check(vault, _lookup(database))
    assert not after.repairable
    assert vault.open(fresh) == b"fresh"
    assert vault.open(kept[2, "original"]) == shelf.content(2)


def test_a_restored_backup_is_shredded_again(database, vault, tmp_path, master):
    shelf.fill(database, [shelf.case_row(1)], {1: [1], 2: [1]})
    kept = shelf.keep(database, vault, [1, 2])
    backup = tmp_path / "backup"
    shutil.copytree(vault.path, backup)
    with database.write() as tx:
        ids = objects.shred_media(tx, shelf.EXAMINER, CASE, [MediaId(1)])
    vault.shred(ids)
    vault.close()
    # Objects and keys come back from before the deletion; the log of shreds is the later one.
    log = (vault.path / "shreds.log").read_bytes()
    shutil.rmtree(vault.path)
    shutil.copytree(backup, vault.path)
    (vault.path / "shreds.log").write_bytes(log)
    with Vault(vault.path, master) as restored:
        assert restored.open(ids[0])
        report = check(restored, _lookup(database))
        assert sorted(report.undestroyed) == sorted(ids)
        repair(restored, report, _mark(database))
        assert not check(restored, _lookup(database)).repairable
        assert restored.open(kept[2, "original"]) == shelf.content(2)
        with pytest.raises(UsageError, match="destroyed"):
            restored.open(ids[0])


def test_a_restored_database_learns_what_was_shredded(database, vault):
    shelf.fill(database, [shelf.case_row(1)], {1: [1], 2: [1]})
    kept = shelf.keep(database, vault, [1, 2])
    gone = sorted(kept[1, kind] for kind in ("original", "thumbnail"))
    vault.shred(gone)  # the database is of before
    report = check(vault, _lookup(database))
    assert sorted(report.unmarked) == gone
    assert not report.lost
    with database.write() as tx, pytest.raises(AccessError):
        objects.mark_shredded(tx, shelf.EXAMINER, gone)
    repair(vault, report, _mark(database))
    assert not check(vault, _lookup(database)).repairable
    with database.read() as tx:
        count = select(func.count()).where(AuditEvent.action == "vault.shredded")
        assert tx.scalar(count.select_from(AuditEvent)) == 2
    # and where the log of shreds was lost as well, the keys themselves say so
    vault.shred([kept[2, "original"]])
    (vault.path / "shreds.log").unlink()
    assert check(vault, _lookup(database)).unmarked == [kept[2, "original"]]


def test_what_is_deleted_while_we_read_is_not_called_missing(embedded, vault):
    shelf.fill(embedded, [shelf.case_row(1)], {1: [1]})
    kept = shelf.keep(embedded, vault, [1])
    honest, first = _lookup(embedded), True

    def lookup(prefix: str):
        nonlocal first
        found = honest(prefix)
        if first and found:
            first = False
            with embedded.write() as tx:
                vault.shred(objects.shred_case(tx, shelf.EXAMINER, CASE))
        return found

    report = check(vault, lookup)
    assert (report.missing, report.unmarked, report.damaged) == ([], [], [])
    assert len(kept) == 2


class _Stops(LocalKey):
    """A new master key whose token falls silent after a while."""

    left = 7

    def wrap(self, key: bytes, object_id: bytes) -> bytes:
        if self.left == 0:
            raise ServiceError("the token went away")
        self.left -= 1
        return super().wrap(key, object_id)


def test_the_master_key_is_changed_even_after_a_stop(vault, master):
    contents = {vault.put("original", b"%d" % number): b"%d" % number for number in range(600)}
    *rest, gone = contents
    vault.shred([gone])
    vault.close()
    secret = os.urandom(32)
    with pytest.raises(ServiceError, match="went away"):
        rotate(vault.path, master, _Stops(secret))
    new = LocalKey(secret)
    for key in (master, new):
        with pytest.raises(ServiceError) as caught:
            Vault(vault.path, key)
        assert caught.value.code == "rotating"
    for wrong in ((new, master), (master, LocalKey(os.urandom(32)))):
        with pytest.raises(ServiceError) as caught:
            rotate(vault.path, *wrong)
        assert caught.value.code == "master_key"
    seen: list[int] = []
    done = rotate(vault.path, master, new, lambda state: seen.append(state.books_done))
    assert (done.wrapped, done.damaged, done.books) == (599 - 7, 0, 1)
    assert seen == [1]
    assert rotate(vault.path, master, new).wrapped == 0
    with Vault(vault.path, new) as again:
        assert all(again.open(one) == contents[one] for one in rest)
        with pytest.raises(ServiceError) as caught:
            rotate(again.path, new, master)
        assert caught.value.code == "busy"
    with pytest.raises(ServiceError) as caught:
        Vault(vault.path, master)
    assert caught.value.code == "master_key"


def test_a_damaged_key_does_not_stop_the_change(vault, master):
    ids = [vault.put("original", b"%d" % number) for number in range(3)]
    vault.close()
    number = vault.books.numbers()[0]
    with vault.books._opened(number, os.O_RDWR) as book:
        os.pwrite(book, b"\xff\xff", int(ids[1][28:], 16) * 128 + 50)
    new = LocalKey(os.urandom(32))
    done = rotate(vault.path, master, new)
    assert (done.wrapped, done.damaged) == (2, 1)
    with Vault(vault.path, new) as again:
        assert [again.open(ids[0]), again.open(ids[2])] == [b"0", b"2"]
