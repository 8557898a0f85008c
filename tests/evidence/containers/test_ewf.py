"""Traps of E01 images."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import zlib
from pathlib import Path

import pytest

from tutela.core.errors import ContainerError
from tutela.evidence import opening
from tutela.evidence.container import ContainerLimits, Verifiable

LIMITS = ContainerLimits()


def opened(*parts: bytes):
    container = opening.open_container([io.BytesIO(part) for part in parts], LIMITS)
    assert container is not None
    assert container.kind == "ewf"
    return container


@pytest.fixture
def one(kitchen) -> bytes:
    return kitchen["e01"].parts[0].read_bytes()


@pytest.fixture
def many(kitchen) -> list[bytes]:
    return [part.read_bytes() for part in kitchen["e01-segments"].parts]


def section(data: bytes, kind: bytes) -> int:
    """Return where the data of a section begins (its header has 76 bytes)."""
    at = 13
    while True:
        name = data[at : at + 16].rstrip(b"\0")
        if name == kind:
            return at + 76
        at = int.from_bytes(data[at + 16 : at + 24], "little")


def test_the_stored_digests_are_compared_with_the_whole_disk(one, many, kitchen):
    raw = kitchen["ext4"].parts[0].read_bytes()
    for parts in ([one], many):
        image = opened(*parts)
        assert isinstance(image, Verifiable)
        progress: list[int] = []
        result = image.verify(progress.append)
        assert result.outcome == "verified"
        assert result.computed.md5 == result.stored.md5 == hashlib.md5(raw).digest()
        assert result.computed.sha256 == hashlib.sha256(raw).digest()
        assert progress == sorted(progress)
        assert progress[-1] == image.size_bytes == len(raw)
    assert opened(one).stored.sha1 == hashlib.sha1(raw).digest()


def test_other_containers_are_not_verifiable(kitchen):
    assert not isinstance(kitchen["ext4"].open(), Verifiable)
    assert not isinstance(kitchen["zip"].open(), Verifiable)


def test_another_stored_digest_is_a_mismatch(one):
    data = bytearray(one)
    for kind, size in ((b"hash", 32), (b"digest", 76)):
        at = section(one, kind)
        data[at] ^= 1
        data[at + size : at + size + 4] = zlib.adler32(data[at : at + size]).to_bytes(4, "little")
    image = opened(bytes(data))
    result = image.verify()
    assert result.outcome == "hash_mismatch"
    assert result.stored.md5 != result.computed.md5


def test_a_changed_byte_of_the_disk_is_never_verified(many, tree):
    """A chunk whose checksum fails reads as zeros in libewf: only the whole digest tells."""
    number, at = next(
        (number, at)
        for number, part in enumerate(many)
        if (at := part.find(tree["DCIM/100/IMG_0001.JPG"][:512])) > 0
    )
    part = bytearray(many[number])
    part[at + 99] ^= 1
    many[number] = bytes(part)
    assert opened(*many).verify().outcome == "hash_mismatch"


@pytest.mark.parametrize("missing", [0, 1, 4, -1])
def test_a_missing_segment_is_named(many, missing):
    number = missing % len(many) + 1
    del many[missing]
    with pytest.raises(ContainerError, match=f"segment {number} of the image is missing") as raised:
        opened(*many)
    assert raised.value.code == "missing_segment"
    assert raised.value.hint


def test_segments_in_disorder_or_of_something_else_are_refused(many):
    with pytest.raises(ContainerError) as raised:
        opened(many[0], many[2], many[1], *many[3:])
    assert raised.value.code == "missing_segment"
    with pytest.raises(ContainerError):
        opened(many[0], b"\xff\xd8\xff", *many[2:])


def test_a_later_segment_alone_is_recognised_and_refused(many):
    with pytest.raises(ContainerError, match="segment 1"):
        opened(many[3])


@pytest.mark.parametrize("size", [20, 1000, 20_000])
def test_an_image_that_was_cut_cannot_be_opened_or_says_so(one, size):
    with pytest.raises(ContainerError):
        list(opened(one[:size]).members())


def test_an_image_without_a_digest_says_so(one):
    data = bytearray(one)
    for kind in (b"hash", b"digest"):
        at = section(one, kind) - 76
        data[at : at + 16] = b"tutela".ljust(16, b"\0")
        data[at + 72 : at + 76] = zlib.adler32(data[at : at + 72]).to_bytes(4, "little")
    image = opened(bytes(data))
    assert not image.stored
    assert image.verify().outcome == "no_hash"


def test_a_disk_that_nobody_knows_is_one_skipped_member(tmp_path):
    raw = tmp_path / "noise"
    raw.write_bytes(os.urandom(1 << 20))
    subprocess.run(
        ["ewfacquire", "-u", "-q", "-t", tmp_path / "noise", raw], check=True, capture_output=True
    )
    image = opened(Path(tmp_path / "noise.E01").read_bytes())
    (member,) = image.members()
    assert (member.name, member.outcome, member.reason) == (
        b"volume",
        "skipped",
        "unknown_filesystem",
    )
    assert member.size_bytes == image.size_bytes
    assert image.verify().outcome == "verified"


@pytest.mark.parametrize("left", [0, 3, 8, 10, 12])
def test_a_segment_of_a_few_bytes_is_told(kitchen, left):
    parts = [part.read_bytes() for part in kitchen["e01-segments"].parts]
    parts[1] = parts[1][:left]
    with pytest.raises(ContainerError):
        container = opening.open_container([io.BytesIO(part) for part in parts], ContainerLimits())
        assert container is not None
        list(container.members())
