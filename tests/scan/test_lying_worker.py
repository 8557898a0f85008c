"""A worker that was taken over by what it read is not believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scan_support import scanned, session

from tutela.scan import wire, worker
from tutela.scan.wire import Begin, Outcome, Status

Send = Callable[[bytes], None]


def garbage(request: bytes, _files: list[int], send: Send) -> None:
    del request
    send(b"\xc1 no message of ours")


def nothing(request: bytes, files: list[int], send: Send) -> None:
    """Say done, and do nothing."""


def others(request: bytes, _files: list[int], send: Send) -> None:
    """Speak of a file that was given to somebody else."""
    del request
    send(wire.encode(Outcome(item=999_999, order=(), status=Status.HASHED)))


def half(request: bytes, _files: list[int], send: Send) -> None:
    """Begin and then say done."""
    (item, *_) = wire.decode_request(request).items
    send(wire.encode(Begin(item.item, ())))


@pytest.mark.parametrize("liar", [garbage, nothing, others, half])
def test_a_lying_worker_makes_failed_rows_and_no_others(
    tmp_path: Path, liar: object, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "e"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.txt").write_text("text")
    monkeypatch.setattr(worker, "Worker", lambda: liar)
    with session(root, jobs=1) as opened:
        found = scanned(opened)
    assert [(row["type"], row.get("reason")) for row in found[:-1]] == [("failed", "crashed")] * 3
    assert found[-1]["seen"] == 3
