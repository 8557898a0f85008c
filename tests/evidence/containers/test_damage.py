"""Damaged copies of every container end in an error of ours, and in time.

The forensic libraries are native code: should one die of a copy, a confined worker dies in its
place and the content is told as failed, so a death by signal is allowed here; a hang is not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from tutela.core.errors import ContainerError
from tutela.evidence import opening
from tutela.evidence.container import ContainerLimits

PROGRAM = Path(__file__).with_name("damage.py")
# Half of what scan lets a worker be silent: The Sleuth Kit needs 12 s for one folder of a damaged
# ext4 that claims to be endless.
SECONDS_EACH = 30
ALLOWED = {"whole", "members failed", "listing ended", "not opened", "not recognised"}

OURS = {
    "zip": 250,
    "zip-deflate": 150,
    "zip-bzip2": 100,
    "zip-lzma": 150,
    "tar-ustar": 200,
    "tar-pax": 250,
    "tar-gzip": 100,
    "tar-bzip2": 60,
    "tar-xz": 100,
    "tar-lzma": 100,
    "tar-zstd": 100,
}
NATIVE = {"fat": 50, "ext4": 60, "ntfs": 50, "mbr": 20, "gpt": 20, "e01": 80, "e01-segments": 20}


def ends(parts: tuple[Path, ...], cases: int, seed: int = 1) -> dict[str, int]:
    words = [str(word) for word in (cases, SECONDS_EACH, seed)]
    done = subprocess.run(
        [sys.executable, PROGRAM, *words, *parts], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert sum(counts.values()) == cases
    return counts


@pytest.mark.parametrize("kind", OURS)
def test_our_readers_end_with_an_error_or_without(small_kitchen, kind):
    found = ends(small_kitchen[kind].parts, OURS[kind])
    assert set(found) <= ALLOWED, found
    assert found.keys() & {"members failed", "listing ended"}


@pytest.mark.parametrize("kind", NATIVE)
def test_native_readers_never_hang_and_raise_nothing_foreign(small_kitchen, kind):
    found = ends(small_kitchen[kind].parts, NATIVE[kind])
    strange = {word for word in found if word not in ALLOWED}
    assert all(w.startswith("signal") and "SIGALRM" not in w for w in strange), found


@pytest.mark.long
@pytest.mark.parametrize("kind", [*OURS, *NATIVE])
def test_many_more_damaged_copies(small_kitchen, kind):
    found = ends(small_kitchen[kind].parts, 2000, seed=7)
    strange = {word for word in found if word not in ALLOWED}
    assert all(w.startswith("signal") and "SIGALRM" not in w for w in strange), found


@pytest.mark.parametrize("kind", ["zip-deflate", "tar-gnu", "tar-gzip", "tar-zstd"])
def test_a_container_cut_anywhere_says_so_after_what_it_still_shows(kitchen, read_all, kind):
    """Every cut keeps the members before it, and is told."""
    whole = kitchen[kind].parts[0].read_bytes()
    intact = read_all(kitchen[kind].open())
    for cut in range(600, len(whole) - 1, len(whole) // 23):
        container = opening.open_container([BytesIO(whole[:cut])], ContainerLimits())
        assert container is not None
        kept = {}
        with pytest.raises(ContainerError) as raised:
            for member in container.members():
                if member.outcome == "file":
                    kept[member.name] = container.open(member).read()
        assert raised.value.code == "truncated"
        assert kept.items() <= intact.items()
