"""Proofs as files, checked by those who have no database; and tiles, read by the specification."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from tutela.audit import checkpoint, log, note, proof, tiles
from tutela.audit.merkle import leaf_hash, verify_consistency
from tutela.core.errors import InputError, IntegrityError, UsageError
from tutela.core.settings import AuditSettings
from tutela.store.migrations import dialect
from tutela.store.tables.audit import AuditEvent, AuditHead

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from log_writer import WHO

SIZES = (0, 1, 5, 300)


@pytest.fixture
def signed(embedded, tmp_path):
    """A log of 300 events, with checkpoints of several sizes, and its key."""
    settings = AuditSettings(origin="tutela.example/audit", signing_key=tmp_path / "audit.key")
    checkpoint.create_key(settings.signing_key, settings.origin)
    done = 0
    for size in SIZES:
        with embedded.write() as tx:
            events = [log.Event("media.viewed", f"media:{n}") for n in range(done, size)]
            log.record_many(tx, WHO, events)
            checkpoint.sign(tx, settings)
        done = size
    return embedded, checkpoint.signing_key(settings).verifier


def test_a_proof_of_an_event_is_checked_without_the_log(signed):
    database, key = signed
    with database.read() as tx:
        made = [proof.inclusion(tx, seq) for seq in (0, 1, 137, 255, 256, 299)]
        made += [proof.inclusion(tx, 4, 5), proof.inclusion(tx, 0, 1)]
        bodies = dict(tx.execute(select(AuditEvent.seq, AuditEvent.body)).all())
        for seq, size in ((300, None), (5, 5), (-1, None), (0, 0), (0, 7)):
            with pytest.raises(UsageError):
                proof.inclusion(tx, seq, size)
    for one in made:
        read = proof.parse_inclusion(one.text)
        assert read == one
        assert read.body == bodies[read.index]
        assert proof.check(read, [key]).size in SIZES
    text = made[2].text
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert "\nindex 137\n" in text
    other = text.replace("\nindex 137\n", "\nindex 138\n")
    with pytest.raises(IntegrityError, match="event 138 is not in the log"):
        proof.check(proof.parse_inclusion(other), [key])
    body = base64.b64encode(made[2].body.replace(b"media:137", b"media:138")).decode()
    lines = text.split("\n")
    lines[1] = f"extra {body}"
    with pytest.raises(IntegrityError, match="event 137 is not in the log"):
        proof.check(proof.parse_inclusion("\n".join(lines)), [key])
    with pytest.raises(IntegrityError, match="signature"):
        proof.check(proof.parse_inclusion(text.replace("\n300\n", "\n299\n")), [key])
    stranger = note.Signer.new("tutela.example/audit").verifier
    with pytest.raises(IntegrityError, match="no key that is trusted"):
        proof.check(proof.parse_inclusion(text), [stranger])


def test_a_proof_of_continuation_is_what_a_witness_is_sent(signed):
    database, key = signed
    with database.read() as tx:
        for old, new in ((0, 300), (1, 300), (5, 300), (256, 300), (300, 300), (1, 5), (3, 5)):
            made = proof.consistency(tx, old, new)
            assert proof.parse_continuation(made.text) == made
            said = checkpoint.opened(made.signed, [key])
            assert said.size == new
            root = _root(tx, old)
            assert verify_consistency(old, new, root, said.root, made.hashes)
        assert proof.consistency(tx, 5).text.startswith("old 5\n")
        for old, new in ((6, 5), (301, None), (-1, None), (1, 2)):
            with pytest.raises(UsageError):
                proof.consistency(tx, old, new)


def _root(tx, size):
    nodes = list(
        tx.execute(
            select(AuditEvent.leaf_hash).where(AuditEvent.seq < size).order_by(AuditEvent.seq)
        ).scalars()
    )
    if not nodes:
        return hashlib.sha256(b"").digest()
    return _mth(nodes)


def _mth(nodes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, over leaf hashes."""
    if len(nodes) == 1:
        return nodes[0]
    k = 1
    while k * 2 < len(nodes):
        k *= 2
    return hashlib.sha256(b"\x01" + _mth(nodes[:k]) + _mth(nodes[k:])).digest()


def test_nothing_is_proved_of_a_log_that_was_changed(signed, tmp_path):
    database, _ = signed
    with database.write() as tx:
        dialect.unguard(tx)
        body = b"{}"
        tx.execute(
            update(AuditEvent)
            .where(AuditEvent.seq == 137)
            .values(body=body, leaf_hash=leaf_hash(body))
        )
        for attempt in (
            lambda: proof.inclusion(tx, 5),
            lambda: proof.inclusion(tx, 137),
            lambda: proof.consistency(tx, 5),
            lambda: tiles.export(tx, tmp_path / "tiles"),
        ):
            with pytest.raises(IntegrityError, match="checkpoint 300"):
                attempt()
        assert not (tmp_path / "tiles" / "checkpoint").exists()
        tx.execute(AuditEvent.__table__.delete().where(AuditEvent.seq == 137))
        for attempt in (
            lambda: proof.inclusion(tx, 5),
            lambda: tiles.export(tx, tmp_path / "more"),
        ):
            with pytest.raises(IntegrityError, match="missing"):
                attempt()


GOOD = "c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\nx\n1\n"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "\n\n",
        GOOD.replace("v1", "v2"),
        GOOD.replace("extra e30=\n", ""),
        GOOD.replace("e30=", "e30"),
        GOOD.replace("index 0", "index 00"),
        GOOD.replace("index 0", f"index {2**64}"),
        GOOD.replace("index 0", "index  0"),
        GOOD.replace("\n\n", "\nAAAA\n\n"),
        GOOD.replace("\n\n", "\n" + f"{base64.b64encode(bytes(32)).decode()}\n" * 64 + "\n"),
        "old 5\nAAAA\n\n",
        "old x\n\n",
        "x" * (note.LONGEST_NOTE + 1),
    ],
)
def test_what_is_no_proof_is_refused(wrong):
    for read in (proof.parse_inclusion, proof.parse_continuation):
        with pytest.raises(InputError) as raised:
            read(wrong)
        assert raised.value.code == "proof"


@given(st.text(max_size=60))
def test_hostile_proofs_are_refused_and_harm_nothing(text):
    for whole in (text, GOOD + text, GOOD.replace("e30=", text), f"old 5\n{text}\n\n{text}"):
        for read in (proof.parse_inclusion, proof.parse_continuation):
            try:
                made = read(whole)
            except InputError:
                continue
            with pytest.raises((InputError, IntegrityError)):
                checkpoint.opened(made.signed, [note.Signer.new("a").verifier])


def test_tiles_hold_the_log_as_the_specification_reads_them(signed, tmp_path, monkeypatch):
    """Narrow tiles, so that three levels fit into few events."""
    database, key = signed
    monkeypatch.setattr(tiles, "WIDTH", 4)
    folder = tmp_path / "tiles"
    with database.read() as tx:
        for size in (5, 300):
            said = tiles.export(tx, folder, size=size)
            assert (folder / "checkpoint").read_text() == checkpoint.latest(tx, size)
            assert checkpoint.opened((folder / "checkpoint").read_bytes(), [key]) == said
        bodies = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq)).scalars().all()
        with pytest.raises(UsageError, match="holds 300 events"):
            tiles.export(tx, folder, size=5)
    entries = []
    for number in range(75):
        data = (folder / "tile" / "entries" / f"{number:03d}").read_bytes()
        while data:
            length = int.from_bytes(data[:2])
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
    assert entries == bodies
    # 300 = 4 * 75: the level above has 18 full tiles and three hashes, and so on.
    shape = {0: (75, 0), 1: (18, 3), 2: (4, 2), 3: (1, 0), 4: (0, 1)}
    nodes = [leaf_hash(body) for body in bodies]
    for level, (full, rest) in shape.items():
        place = folder / "tile" / str(level)
        found = b"".join((place / f"{number:03d}").read_bytes() for number in range(full))
        if rest:
            found += (place / f"{full:03d}.p" / str(rest)).read_bytes()
        assert found == b"".join(nodes[: full * 4 + rest])
        assert len(nodes) == full * 4 + rest
        nodes = [_mth(nodes[at : at + 4]) for at in range(0, full * 4, 4)]
    assert not (folder / "tile" / "5").exists()


def test_a_second_export_writes_what_is_new_and_refuses_what_differs(signed, tmp_path):
    database, _ = signed
    folder = tmp_path / "tiles"
    with database.read() as tx:
        seen = []
        tiles.export(tx, folder, progress=lambda done, all_: seen.append((done, all_)))
        assert seen == [(300, 300)]
        tile = folder / "tile" / "0" / "000"
        assert tile.stat().st_size == tiles.TILE_BYTES
        before = tile.stat().st_mtime_ns
        tiles.export(tx, folder)
        assert tile.stat().st_mtime_ns == before
        assert sorted(path.name for path in (folder / "tile").iterdir()) == ["0", "1", "entries"]
        assert (folder / "tile" / "0" / "001.p" / "44").stat().st_size == 44 * 32
        tile.write_bytes(b"x" * tiles.TILE_BYTES)
        with pytest.raises(IntegrityError, match="another log"):
            tiles.export(tx, folder)
        empty = tiles.export(tx, tmp_path / "empty", size=0)
        assert empty.size == 0
        assert [path.name for path in (tmp_path / "empty").iterdir()] == ["checkpoint"]


def test_paths_of_tiles():
    assert [tiles.path_of(number) for number in (0, 67, 999, 1000, 1234067)] == [
        "000",
        "067",
        "999",
        "x001/000",
        "x001/x234/067",
    ]


def test_there_is_no_proof_before_there_is_a_checkpoint(embedded, tmp_path):
    with embedded.write() as tx:
        log.record(tx, WHO, "case.created", "case:1")
        for attempt in (
            lambda: proof.inclusion(tx, 0),
            lambda: proof.consistency(tx, 0),
            lambda: tiles.export(tx, tmp_path),
        ):
            with pytest.raises(UsageError, match="checkpoint"):
                attempt()
        assert tx.execute(select(AuditHead.size)).scalar_one() == 1
