"""What the database knows of the vault, on both databases."""

from __future__ import annotations

import hashlib

import pytest
import shelf
from sqlalchemy import select, update

from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.evidence.vault import objects
from tutela.evidence.vault.keeper import VaultKeeper
from tutela.evidence.vault.objects import NewObject
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Case
from tutela.store.tables.vault import VaultObject


def _new(media: int, kind: str, object_id: str) -> NewObject:
    return NewObject(MediaId(media), kind, object_id, 7)


def test_a_media_keeps_its_first_object_of_a_kind(database):
    shelf.fill(database, [shelf.case_row(1)], {number: [1] for number in range(1, 1202)})
    first, second = _new(1, "original", "aa" * 16), _new(1, "thumbnail", "bb" * 16)
    late = _new(1, "original", "cc" * 16)
    case = CaseId(1)
    with database.write() as tx:
        with pytest.raises(AccessError):
            objects.record(tx, shelf.STRANGER, case, [first])
        assert objects.record(tx, shelf.EXAMINER, case, []) == []
        assert objects.record(tx, shelf.EXAMINER, case, [first, second, late]) == [late.object_id]
    with database.write() as tx:  # told again, as after a crash, and by a second scan
        assert objects.record(tx, shelf.EXAMINER, case, [first, second]) == []
        assert objects.record(tx, shelf.EXAMINER, case, [late]) == [late.object_id]
        many = [_new(number, "original", f"{number:032x}") for number in range(2, 1202)]
        assert objects.record(tx, shelf.EXAMINER, case, many) == []
    with database.read() as tx:
        assert objects.of_media(tx, MediaId(1), "original") == first.object_id
        assert objects.of_media(tx, MediaId(1), "sheet") is None
        numbers = [MediaId(number) for number in range(1, 1300)]
        found = objects.of_medias(tx, numbers, "original")
        assert found == {one.media_id: one.object_id for one in [first, *many]}
        digest = hashlib.sha256(shelf.content(1)).digest()
        assert objects.of_content(tx, digest, "thumbnail") == second.object_id
        assert objects.of_content(tx, bytes(32), "original") is None


def test_what_is_shredded_may_be_kept_again(database, vault):
    shelf.fill(database, [shelf.case_row(1)], {1: [1]})
    kept = shelf.keep(database, vault, [1])
    with database.write() as tx:
        ids = objects.shred_case(tx, shelf.EXAMINER, CaseId(1))
    assert set(ids) == set(kept.values())
    assert vault.shred(ids) == 2
    with database.read() as tx:
        assert objects.of_media(tx, MediaId(1), "original") is None
    old = _new(1, "original", kept[1, "original"])
    with database.write() as tx:  # a retry that comes too late brings nothing back
        assert objects.record(tx, shelf.EXAMINER, CaseId(1), [old]) == [old.object_id]
    again = shelf.keep(database, vault, [1])
    with database.read() as tx:
        assert objects.of_media(tx, MediaId(1), "original") == again[1, "original"]


def test_only_what_nobody_else_needs_is_shredded(database, vault):
    cases = [
        shelf.case_row(1),
        shelf.case_row(2),
        shelf.case_row(3, keeps_media=False),
        shelf.case_row(4, state="deleted"),
        shelf.case_row(5, keeps_media=False, legal_hold=True),
        shelf.case_row(6, state="closed"),
    ]
    media = {1: [1], 2: [1, 2], 3: [1, 3], 4: [1, 4], 5: [1, 5], 6: [1, 6], 7: [2], 8: [1]}
    shelf.fill(database, cases, media)
    kept = shelf.keep(database, vault, [1, 2, 3, 4, 5, 6, 7])
    case = CaseId(1)
    with database.read() as tx:
        assert objects.deletable(tx, case) == [1, 3, 4]
    with database.write() as tx, pytest.raises(AccessError):
        objects.shred_case(tx, shelf.STRANGER, case)
    with database.write() as tx, pytest.raises(AccessError):
        objects.shred_media(tx, shelf.STRANGER, case, [MediaId(1)])
    with database.write() as tx, pytest.raises(UsageError) as caught:
        objects.shred_media(tx, shelf.EXAMINER, case, [MediaId(1), MediaId(5)])
    assert caught.value.code == "legal_hold"

    with database.write() as tx:
        ids = objects.shred_case(tx, shelf.EXAMINER, case)
    gone = {kept[number, kind] for number in (1, 3, 4) for kind in ("original", "thumbnail")}
    assert set(ids) == gone
    with database.read() as tx:
        shredded = select(VaultObject.id).where(VaultObject.shredded_at.is_not(None))
        assert set(tx.scalars(shredded)) == gone
        leaves = tx.execute(
            select(AuditEvent.subject, AuditEvent.action, AuditEvent.account_id, AuditEvent.body)
        ).all()
    assert {leaf.subject for leaf in leaves} == {"media:1", "media:3", "media:4"}
    assert all((leaf.action, leaf.account_id) == ("vault.shredded", 1) for leaf in leaves)
    assert all(b'"data":{"case":1,"objects":2}' in leaf.body for leaf in leaves)
    with database.write() as tx:
        assert objects.shred_case(tx, shelf.EXAMINER, case) == []


def test_nothing_of_a_case_under_legal_hold_is_shredded(database, vault):
    shelf.fill(database, [shelf.case_row(1), shelf.case_row(2)], {1: [1], 2: [2]})
    shelf.keep(database, vault, [1, 2])
    with database.write() as tx:
        tx.execute(update(Case).where(Case.id == 1).values(legal_hold=True))
    with database.write() as tx:
        with pytest.raises(UsageError) as caught:
            objects.shred_case(tx, shelf.EXAMINER, CaseId(1))
        assert caught.value.code == "legal_hold"
        with pytest.raises(UsageError) as caught:
            objects.deletable(tx, CaseId(1))
        assert caught.value.code == "legal_hold"
    with database.write() as tx:
        assert len(objects.shred_case(tx, shelf.EXAMINER, CaseId(2))) == 2


def test_what_a_scan_keeps_is_kept_once(embedded, vault):
    shelf.fill(embedded, [shelf.case_row(1)], {1: [1]})
    kept = shelf.keep(embedded, vault, [1])
    keeper = VaultKeeper(vault, embedded, originals=True)
    assert (keeper.originals, keeper.name) == (True, str(vault.path))
    digest = hashlib.sha256(shelf.content(1)).digest()
    assert keeper.known("original", digest) == kept[1, "original"]
    other = hashlib.sha256(b"new").digest()
    assert keeper.known("original", other) is None
    one, two = keeper.begin("original", other), keeper.begin("thumbnail", other)
    one.write(b"n")
    two.write(b"?")
    one.write(b"ew")
    two.abandon()
    object_id = one.close()
    keeper.flush()
    assert vault.open(object_id) == b"new"
    assert keeper.known("original", other) == object_id
    assert keeper.known("thumbnail", other) is None
