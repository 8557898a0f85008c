"""Checkpoints of the log: what is signed, and over what nothing is signed."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, select, update

from tutela.audit import checkpoint, log, note, verify
from tutela.audit.merkle import EMPTY_ROOT, root_of
from tutela.core.errors import InputError, IntegrityError, ServiceError, SettingsError
from tutela.core.settings import AuditSettings
from tutela.store.migrations import dialect
from tutela.store.tables.audit import AuditCheckpoint, AuditEvent, AuditHead

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from log_writer import WHO

ROOT = base64.b64encode(b"r" * 32).decode()


@pytest.fixture
def settings(tmp_path) -> AuditSettings:
    made = AuditSettings(origin="tutela.example/audit", signing_key=tmp_path / "audit.key")
    checkpoint.create_key(made.signing_key, made.origin)
    return made


def append(database, count: int) -> None:
    with database.write() as tx:
        log.record_many(tx, WHO, [log.Event("media.viewed", f"media:{n}") for n in range(count)])


def test_a_checkpoint_says_the_size_and_root_of_the_log(database, settings):
    with database.write() as tx:
        empty = checkpoint.sign(tx, settings)
    append(database, 5)
    with database.write() as tx:
        five = checkpoint.sign(tx, settings)
    append(database, 1)
    with database.write() as tx:
        six = checkpoint.sign(tx, settings)
        assert checkpoint.sign(tx, settings) == six
    keys = [checkpoint.signing_key(settings).verifier]
    with database.read() as tx:
        leaves = tx.execute(select(AuditEvent.leaf_hash).order_by(AuditEvent.seq)).scalars().all()
        kept = tx.execute(select(AuditCheckpoint.note).order_by(AuditCheckpoint.size)).scalars()
        assert list(kept) == [empty, five, six]
        assert checkpoint.latest(tx) == six
        assert checkpoint.latest(tx, 5) == five
        assert checkpoint.latest(tx, 4) is None
    root = base64.b64encode(root_of(leaves[:5])).decode()
    assert five.startswith(f"tutela.example/audit\n5\n{root}\n\n\u2014 tutela.example/audit ")
    assert checkpoint.opened(empty, keys).root == EMPTY_ROOT
    assert checkpoint.opened(six, keys) == checkpoint.Checkpoint(
        "tutela.example/audit", 6, root_of(leaves)
    )
    with pytest.raises(IntegrityError):
        checkpoint.opened(five.replace("\n5\n", "\n6\n"), keys)


def test_nothing_is_signed_over_a_log_that_was_turned_back(embedded, settings):
    append(embedded, 4)
    with embedded.write() as tx:
        checkpoint.sign(tx, settings)
        before = tx.execute(select(AuditHead.frontier, AuditHead.root)).one()
    append(embedded, 1)
    with embedded.write() as tx:
        checkpoint.sign(tx, settings)
        after = tx.execute(select(AuditHead.frontier, AuditHead.root)).one()
        dialect.unguard(tx)
        tx.execute(delete(AuditEvent).where(AuditEvent.seq == 4))
        tx.execute(update(AuditHead).values(size=4, frontier=before.frontier, root=before.root))
    with embedded.write() as tx, pytest.raises(IntegrityError, match="checkpoint 5"):
        checkpoint.sign(tx, settings)
    append(embedded, 1)
    with embedded.write() as tx, pytest.raises(IntegrityError, match="checkpoint 5"):
        checkpoint.sign(tx, settings)
    with embedded.write() as tx:
        tx.execute(update(AuditHead).values(root=after.root))
        with pytest.raises(IntegrityError, match="head"):
            checkpoint.sign(tx, settings)


def test_a_key_signs_for_its_own_log_only(embedded, settings):
    other = msgspec.structs.replace(settings, origin="other.example/audit")
    with embedded.write() as tx:
        with pytest.raises(SettingsError, match=r"signs for tutela\.example/audit"):
            checkpoint.sign(tx, other)
        settings.signing_key.unlink()
        with pytest.raises(ServiceError):
            checkpoint.sign(tx, settings)
        assert not tx.execute(select(AuditCheckpoint)).all()


def test_another_key_signs_on_and_the_old_checkpoints_stay(embedded, settings):
    append(embedded, 3)
    former = checkpoint.signing_key(settings).verifier
    with embedded.write() as tx:
        before = checkpoint.sign(tx, settings)
    settings.signing_key.unlink()
    checkpoint.create_key(settings.signing_key, settings.origin)
    key = checkpoint.signing_key(settings).verifier
    with embedded.write() as tx:
        assert checkpoint.opened(checkpoint.sign(tx, settings), [key]).size == 3
        assert checkpoint.latest(tx) == before
    append(embedded, 1)
    with embedded.write() as tx:
        checkpoint.sign(tx, settings)
    with embedded.read() as tx:
        assert verify.verify(tx, [key, former]).checkpoints == 2
        assert str(verify.verify(tx, key).first).startswith("checkpoint 3: no key that is trusted")


def test_create_key_returns_the_verifier_key(tmp_path):
    text = checkpoint.create_key(tmp_path / "k", "tutela.example/audit")
    assert note.parse_verifier(text) == note.read_key(tmp_path / "k").verifier


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "\n",
        f"origin\n5\n{ROOT}",
        f"\n5\n{ROOT}\n",
        f"origin\n\n{ROOT}\n",
        f"origin\n05\n{ROOT}\n",
        f"origin\n-5\n{ROOT}\n",
        f"origin\n\u0665\n{ROOT}\n",
        f"origin\n{2**63}\n{ROOT}\n",
        f"origin\n{'9' * 5000}\n{ROOT}\n",
        f"origin\n5\n{ROOT[:-1]}\n",
        f"origin\n5\n{ROOT[4:]}\n",
        f"origin\n5\n{ROOT}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(wrong):
    with pytest.raises(InputError) as raised:
        checkpoint.parse(wrong)
    assert raised.value.code == "checkpoint"


def test_extension_lines_are_kept():
    text = f"origin\n5\n{ROOT}\nmore\nand more\n"
    parsed = checkpoint.parse(text)
    assert parsed.extensions == ("more", "and more")
    assert parsed.text == text
