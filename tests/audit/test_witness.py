"""A witness signs a log as long as it grows, and never one that was cut off or written anew."""

from __future__ import annotations

import threading

import pytest

from tutela.audit import checkpoint, note, witness
from tutela.audit.checkpoint import Checkpoint
from tutela.audit.merkle import consistency_path, leaf_hash, root_of
from tutela.core.errors import (
    ConflictError,
    InputError,
    IntegrityError,
    ServiceError,
    UsageError,
)

LOG = note.Signer.new("tutela.example/audit")
KEY = note.Signer.new("witness.example/w1", note.COSIGNATURE)
LEAVES = [leaf_hash(str(number).encode()) for number in range(40)]
FORK = [*LEAVES[:6], *(leaf_hash(b"other") for _ in range(34))]


def signed(size: int, leaves: list[bytes] = LEAVES, key: note.Signer = LOG) -> str:
    text = Checkpoint(LOG.name, size, root_of(leaves[:size])).text
    return f"{text}\n{key.sign(text)}"


def proof(old: int, new: int, leaves: list[bytes] = LEAVES) -> list[bytes]:
    if not old:
        return []
    return [root_of(leaves[start:end]) for start, end in consistency_path(old, new)]


@pytest.fixture
def ask(tmp_path):
    def cosign(old: int, new: int, leaves: list[bytes] = LEAVES, **changes) -> str:
        words = {"old": old, "proof": proof(old, new, leaves), "clock": lambda: 1_700_000_000.9}
        return witness.cosign(
            tmp_path / "state", KEY, LOG.verifier, signed(new, leaves), **words | changes
        )

    return cosign


def test_a_log_that_grows_is_signed_each_time(ask, tmp_path):
    assert witness.last_size(tmp_path / "state", LOG.verifier) == 0
    before = 0
    for size in (5, 5, 8, 21, 40):
        line = ask(before, size)
        both = signed(size) + line
        parsed = note.parse(both)
        assert note.verified(parsed, [KEY.verifier]) == [KEY.verifier]
        assert note.verified(parsed, [LOG.verifier, KEY.verifier]) == [LOG.verifier, KEY.verifier]
        assert int.from_bytes(parsed.signatures[1].signed[:8]) == 1_700_000_000
        assert checkpoint.opened(both, [LOG.verifier]).size == size
        assert witness.last_size(tmp_path / "state", LOG.verifier) == size
        before = size


def test_a_fork_and_a_log_turned_back_are_refused(ask, tmp_path):
    ask(0, 8)
    for old, new in ((8, 12), (8, 8)):
        with pytest.raises(IntegrityError) as raised:
            ask(old, new, FORK)
        assert raised.value.code == "forked"
    with pytest.raises(IntegrityError) as raised:
        ask(5, 7)
    assert raised.value.code == "rolled_back"
    for wrong in ([], proof(8, 12)[:-1], [*proof(8, 12), LEAVES[0]], proof(7, 12)):
        with pytest.raises(IntegrityError):
            ask(8, 12, proof=wrong)
    for old in (0, 5, 9):
        with pytest.raises(ConflictError) as conflict:
            ask(old, 12)
        assert "consistency 8" in conflict.value.hint
    assert witness.last_size(tmp_path / "state", LOG.verifier) == 8
    assert ask(8, 12)


def test_only_what_the_log_has_signed_is_signed(tmp_path):
    stranger = note.Signer.new(LOG.name)
    state = tmp_path / "state"
    with pytest.raises(IntegrityError):
        witness.cosign(state, KEY, LOG.verifier, signed(5, key=stranger))
    with pytest.raises(IntegrityError):
        witness.cosign(state, KEY, stranger.verifier, signed(5))
    with pytest.raises(InputError):
        witness.cosign(state, KEY, LOG.verifier, "hello")
    text = "no checkpoint\n"
    with pytest.raises(InputError):
        witness.cosign(state, KEY, LOG.verifier, f"{text}\n{LOG.sign(text)}")
    with pytest.raises(UsageError, match="key of its own"):
        witness.cosign(state, LOG, LOG.verifier, signed(5))
    assert not state.exists() or not [one for one in state.iterdir() if one.name != "lock"]


def test_a_state_that_was_tampered_with_is_not_believed(ask, tmp_path):
    ask(0, 8)
    (kept,) = (one for one in (tmp_path / "state").iterdir() if one.name != "lock")
    kept.write_text(kept.read_text().replace("\n8\n", "\n5\n"))
    with pytest.raises(IntegrityError):
        ask(5, 12)
    kept.unlink()
    kept.mkdir()
    with pytest.raises(ServiceError):
        ask(8, 12)


def test_of_two_at_once_neither_turns_the_other_back(ask, tmp_path):
    ask(0, 5)
    done: list[int] = []

    def run(new: int) -> None:
        try:
            ask(5, new)
        except (ConflictError, IntegrityError):
            return
        done.append(new)

    threads = [threading.Thread(target=run, args=(new,)) for new in (8, 12, 21, 33)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The first one through moved the state; the others' proofs are from a size that is past.
    assert len(done) == 1
    assert witness.last_size(tmp_path / "state", LOG.verifier) == done[0]
