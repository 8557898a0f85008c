"""What is put in comes out, what is damaged is noticed, what is shredded is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.evidence.vault import Vault, disk
from tutela.evidence.vault.book import SLOT_BYTES, SLOTS, Slot, packed, place_of, unpacked
from tutela.evidence.vault.master import LocalKey
from tutela.evidence.vault.sealed import CHUNK_BYTES

SIZES = (0, 1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17)


def _file(vault: Vault, object_id: str) -> Path:
    return vault.object_path(bytes.fromhex(object_id))


def _files(vault: Vault) -> list[Path]:
    return [path for path in (vault.path / "objects").rglob("*") if path.is_file()]


def test_what_is_put_comes_out_after_opening_again(vault, master):
    contents = [os.urandom(size) for size in SIZES]
    ids = [vault.put("original", content) for content in contents]
    parts = [contents[-1][at : at + 70_001] for at in range(0, len(contents[-1]), 70_001)]
    ids.append(vault.put("thumbnail", iter(parts)))
    contents.append(contents[-1])
    assert len(set(ids)) == len(ids)
    vault.close()
    with Vault(vault.path, master) as again:
        assert [again.open(one) for one in ids] == contents
        assert max(len(chunk) for chunk in again.stream(ids[-1])) == CHUNK_BYTES
        with pytest.raises(UsageError, match="more than 100 bytes"):
            again.open(ids[-1], most_bytes=100)


def test_nothing_on_disk_tells_what_it_is(vault):
    words = b"a mild invented sentence " * 50
    one, two = vault.put("original", words), vault.put("original", words)
    vault.flush()
    for path in vault.path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.name == "master"
        if path.is_file():
            assert b"invented" not in path.read_bytes()
    assert _file(vault, one).read_bytes() != _file(vault, two).read_bytes()


@given(st.lists(st.integers(0, 2 * CHUNK_BYTES + 5), max_size=4))
@settings(max_examples=15, deadline=None)
def test_parts_of_any_size_make_the_same_object(tmp_path_factory, sizes):
    content = os.urandom(sum(sizes))
    at, parts = 0, []
    for size in sizes:
        parts.append(content[at : at + size])
        at += size
    with Vault(tmp_path_factory.mktemp("vault"), LocalKey(bytes(32))) as vault:
        object_id = vault.put("sheet", parts)
        assert vault.open(object_id) == content
        chunks = max(1, -(-len(content) // CHUNK_BYTES))
        assert _file(vault, object_id).stat().st_size == 8 + len(content) + 16 * chunks


def _flip(at: int):
    def change(data: bytes) -> bytes:
        index = at % len(data)
        return data[:index] + bytes((data[index] ^ 1,)) + data[index + 1 :]

    return change


_SEALED = CHUNK_BYTES + 16
CHANGES = {
    "magic": _flip(0),
    "kind": lambda data: data[:5] + b"\x01" + data[6:],
    "first chunk": _flip(100),
    "tag of the last": _flip(-1),
    "cut in a chunk": lambda data: data[:-1],
    "cut between chunks": lambda data: data[: 8 + _SEALED],
    "cut to two chunks": lambda data: data[: 8 + 2 * _SEALED],
    "cut to the header": lambda data: data[:8],
    "emptied": lambda _data: b"",
    "more": lambda data: data + b"\0",
    "chunks exchanged": lambda data: (
        data[:8] + data[8 + _SEALED : 8 + 2 * _SEALED] + data[8 : 8 + _SEALED]
    ),
    "chunk left out": lambda data: data[:8] + data[8 + _SEALED :],
}


def test_every_change_to_an_object_is_noticed(vault):
    content = os.urandom(2 * CHUNK_BYTES + 100)
    object_id = vault.put("original", content)
    path = _file(vault, object_id)
    sound = path.read_bytes()
    for name, change in CHANGES.items():
        path.write_bytes(change(sound))
        with pytest.raises(IntegrityError) as caught:
            vault.open(object_id)
        assert caught.value.code == "damaged", name
    path.write_bytes(sound)
    assert vault.open(object_id) == content


def test_an_object_in_the_place_of_another_is_noticed(vault):
    one, two = vault.put("thumbnail", b"one"), vault.put("thumbnail", b"two")
    _file(vault, one).write_bytes(_file(vault, two).read_bytes())
    with pytest.raises(IntegrityError) as caught:
        vault.open(one)
    assert caught.value.code == "damaged"
    # and with the key of the other in its slot
    first, second = bytes.fromhex(one), bytes.fromhex(two)
    moved = vault.books.read(second)._replace(object_id=first)
    vault.books.write(moved)
    with pytest.raises(IntegrityError) as caught:
        vault.open(one)
    assert caught.value.code == "wrapped_key"


def test_a_missing_object_and_a_damaged_key_are_told_apart(vault):
    one, two = vault.put("original", b"one"), vault.put("original", b"two")
    vault.flush()
    _file(vault, one).unlink()
    place = place_of(bytes.fromhex(two))
    book = vault.books.path(place.book)
    data = bytearray(book.read_bytes())
    data[place.slot * SLOT_BYTES + 40] ^= 1
    book.write_bytes(data)
    unknown = "00" * 16
    for object_id, code in ((one, "missing"), (two, "damaged"), (unknown, "missing")):
        with pytest.raises(IntegrityError) as caught:
            vault.open(object_id)
        assert caught.value.code == code
    for wrong in ("", "../../etc/passwd", one.upper().replace("0", "A"), one + "00", "zz" * 16):
        with pytest.raises(UsageError):
            vault.open(wrong)


def test_shredding_destroys_key_and_object_and_nothing_else(vault, master):
    ids = [vault.put("original", b"%d" % number) for number in range(5)]
    vault.flush()
    kept = {one: (vault.books.read(bytes.fromhex(one))).wrapped for one in ids}
    assert vault.shred(ids[1:3]) == 2
    assert vault.shred([ids[1]]) == 1  # again does no harm
    assert vault.shred([]) == 0
    whole = b"".join(path.read_bytes() for path in vault.books.folder.glob("*.keys"))
    for number, one in enumerate(ids):
        gone = number in (1, 2)
        assert (kept[one] in whole) is not gone
        assert _file(vault, one).exists() is not gone
        if gone:
            with pytest.raises(UsageError) as caught:
                vault.open(one)
            assert caught.value.code == "shredded"
        else:
            assert vault.open(one) == b"%d" % number
    assert list(vault.shreds()) == [ids[1], ids[2], ids[1]]
    vault.close()
    with Vault(vault.path, master) as again:
        assert again.open(ids[0]) == b"0"


def test_a_torn_line_of_the_shreds_spoils_no_other(vault):
    ids = [vault.put("original", b"x") for _ in range(3)]
    vault.shred(ids[:1])
    with (vault.path / "shreds.log").open("ab") as log:
        log.write(b"\n" + ids[1][:9].encode())
    vault.shred(ids[2:])
    assert list(vault.shreds()) == [ids[0], ids[2]]


def test_shredding_an_invented_id_harms_no_other(vault):
    one = vault.put("original", b"x")
    vault.shred(["ff" * 10 + one[20:], "00" * 16])
    assert vault.open(one) == b"x"


def test_what_is_not_finished_leaves_nothing(vault):
    writer = vault.begin("original")
    writer.write(os.urandom(3 * CHUNK_BYTES))
    assert len(_files(vault)) == 1
    writer.abandon()
    writer.abandon()

    def broken():
        yield os.urandom(2 * CHUNK_BYTES)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        vault.put("original", broken())
    assert _files(vault) == []
    with pytest.raises(ValueError, match="no kind"):
        vault.begin("film")


def test_a_wrong_master_key_is_said_at_once(vault):
    object_id = vault.put("original", b"x")
    vault.close()
    with pytest.raises(ServiceError) as caught:
        Vault(vault.path, LocalKey(os.urandom(32)))
    assert caught.value.code == "master_key"
    # A vault whose note of the key is lost still never gives wrong bytes.
    (vault.path / "keys" / "master").unlink()
    with Vault(vault.path, LocalKey(os.urandom(32))) as other:
        with pytest.raises(IntegrityError) as caught:
            other.open(object_id)
        assert caught.value.code == "wrapped_key"
    (vault.path / "keys" / "master").write_text("no key\n")
    with pytest.raises(IntegrityError):
        Vault(vault.path, LocalKey(bytes(32)))
    with pytest.raises(ServiceError):
        Vault(Path("/proc/1/vault"), LocalKey(bytes(32)))


def test_two_programs_write_at_once(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from tutela.evidence.vault import Vault\n"
        "from tutela.evidence.vault.master import LocalKey\n"
        "with Vault(pathlib.Path(sys.argv[1]), LocalKey(bytes(32))) as vault:\n"
        "    print(*(vault.put('original', b'%d' % n) for n in range(200)))\n"
    )
    with Vault(tmp_path, LocalKey(bytes(32))) as vault:
        running = [
            subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        ids = [vault.put("original", b"%d" % number) for number in range(200)]
        lists = [ids] + [child.communicate()[0].decode().split() for child in running]
        assert [child.returncode for child in running] == [0, 0]
        assert len({one for ids in lists for one in ids}) == 600
        for ids in lists:
            assert [vault.open(one) for one in ids] == [b"%d" % number for number in range(200)]


def test_threads_share_a_vault(vault):
    found: dict[str, bytes] = {}

    def work(number: int) -> None:
        for turn in range(20):
            content = b"%d %d" % (number, turn)
            found[vault.put("thumbnail", content)] = content
            vault.flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 100
    assert all(vault.open(one) == content for one, content in found.items())


def test_a_full_book_is_followed_by_another(vault):
    first = vault.put("original", b"x")
    late = vault.begin("original")
    vault.books._next = SLOTS
    second = vault.put("original", b"y")
    late.write(b"z")
    assert place_of(bytes.fromhex(first)).book != place_of(bytes.fromhex(second)).book
    assert [vault.open(one) for one in (first, second, late.close())] == [b"x", b"y", b"z"]


@pytest.mark.parametrize("count", [1, 100])
def test_flush_tells_that_the_disk_fails_and_can_be_tried_again(vault, monkeypatch, count):
    synced: list[Path] = []

    def fails(path: Path) -> None:
        synced.append(path)
        if len(synced) == 1:
            raise OSError(28, "No space left on device")

    # What is asked of the disk is seen here; that it keeps its word is the disk's.
    monkeypatch.setattr("tutela.evidence.vault.vault.sync_file", fails)
    monkeypatch.setattr("tutela.evidence.vault.vault.sync_file_system", fails)
    for _ in range(count):
        vault.put("original", b"x")
    with pytest.raises(ServiceError, match="No space left"):
        vault.flush()
    vault.flush()
    vault.flush()
    assert len(synced) == 2  # and nothing where nothing is new


def test_the_file_system_is_really_asked(tmp_path):
    disk.sync_file_system(tmp_path)
    with pytest.raises(FileNotFoundError):
        disk.sync_file_system(tmp_path / "absent")


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=95),
    st.integers(0, SLOT_BYTES * 8 - 1),
)
def test_a_slot_is_read_as_written_or_not_at_all(object_id, master_id, wrapped, bit):
    slot = Slot(object_id, master_id, wrapped)
    data = packed(slot)
    assert (len(data), unpacked(data)) == (SLOT_BYTES, slot)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        unpacked(bytes(changed))
    assert unpacked(bytes(SLOT_BYTES)) is None
