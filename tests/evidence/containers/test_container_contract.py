"""One suite over every container: names, bytes, sizes, order, reopening."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys

import pytest

from tutela.core.errors import ContainerError
from tutela.evidence import opening, stream
from tutela.evidence.container import Budget, ContainerLimits

SPLITTABLE = {
    "zip": "zip",
    "zip-deflate": "zip",
    "zip-bzip2": "zip",
    "zip-lzma": "zip",
    "zip-after-program": "zip",
    "tar-ustar": "tar",
    "tar-gnu": "tar",
    "tar-pax": "tar",
    "fat": "image",
    "fat32": "image",
    "ext4": "image",
    "ntfs": "image",
    "mbr": "image",
    "gpt": "image",
    "e01": "ewf",
    "e01-segments": "ewf",
}
STREAMED = {
    "tar-gzip": "gzip",
    "tar-bzip2": "bzip2",
    "tar-xz": "xz",
    "tar-lzma": "lzma",
    "tar-zstd": "zstd",
}
ALL = SPLITTABLE | STREAMED

every = pytest.mark.parametrize("kind", ALL)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@every
def test_every_file_is_there_with_its_bytes(kitchen, tree, read_all, kind):
    packed = kitchen[kind]
    found = read_all(packed.open())
    wanted = {(packed.prefix + name).encode(): digest(data) for name, data in tree.items()}
    assert {name: digest(data) for name, data in found.items()} == wanted


@every
def test_kind_is_told_by_content_and_sizes_are_true(kitchen, kind):
    container = kitchen[kind].open()
    assert container.kind == ALL[kind]
    assert container.splittable == (kind in SPLITTABLE)
    for member in container.members():
        if member.outcome == "file":
            assert len(container.open(member).read()) == member.size_bytes


@every
def test_what_is_not_a_file_is_skipped_with_a_reason(kitchen, kind):
    others = [m for m in kitchen[kind].open().members() if m.outcome != "file"]
    assert all(m.outcome == "skipped" and m.reason for m in others)
    expected = {"mbr": {"unknown_filesystem"}, "ntfs": {"filesystem_metadata"}}
    assert {m.reason for m in others} == expected.get(kind, set())


@every
def test_order_and_members_are_the_same_every_time(kitchen, kind):
    first, second = (list(kitchen[kind].open().members()) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("kind", SPLITTABLE)
def test_members_open_in_any_order_from_another_opening(kitchen, tree, kind):
    packed = kitchen[kind]
    members = [m for m in packed.open().members() if m.outcome == "file"]
    again = packed.open()
    for member in reversed(members):
        assert again.open(member).read() == tree[member.name.decode().removeprefix(packed.prefix)]


@pytest.mark.parametrize("kind", SPLITTABLE)
def test_two_members_read_in_turns_do_not_disturb_each_other(kitchen, tree, kind):
    packed = kitchen[kind]
    container = packed.open()
    names = ["DCIM/100/IMG_0001.JPG", "Früh ling/Größe über alles.txt"]
    members = {m.name: m for m in container.members()}
    streams = [container.open(members[(packed.prefix + name).encode()]) for name in names]
    parts: list[list[bytes]] = [[], []]
    while any(blocks := [s.read(7001) for s in streams]):
        for part, block in zip(parts, blocks, strict=True):
            part.append(block)
    assert [b"".join(part) for part in parts] == [tree[name] for name in names]


@pytest.mark.parametrize("kind", [k for k in SPLITTABLE if k not in ("zip-bzip2", "zip-lzma")])
def test_what_is_stored_as_it_is_can_be_sought(kitchen, tree, kind):
    packed = kitchen[kind]
    container = packed.open()
    name = "DCIM/100/IMG_0001.JPG"
    member = next(m for m in container.members() if m.name == (packed.prefix + name).encode())
    data = container.open(member)
    compressed = kind in ("zip-deflate", "zip-after-program")
    assert data.seekable() is not compressed
    if not compressed:
        data.seek(100_000)
        assert data.read(10) == tree[name][100_000:100_010]
        data.seek(-3, io.SEEK_END)
        assert data.read() == tree[name][-3:]


@pytest.mark.parametrize("kind", STREAMED)
def test_members_of_a_stream_must_be_read_as_they_come(kitchen, kind):
    container = kitchen[kind].open()
    members = container.members()
    first, second = next(members), next(members)
    with pytest.raises(ValueError, match="as they come"):
        container.open(first)
    data = container.open(second)
    assert not data.seekable()
    with pytest.raises(ValueError, match="as they come"):
        container.open(second)


@pytest.mark.parametrize("kind", STREAMED)
def test_members_of_a_stream_may_be_left_unread_or_half_read(kitchen, tree, kind):
    container = kitchen[kind].open()
    names = []
    for member in container.members():
        names.append(member.name.decode())
        if member.name.endswith(b"JPG"):
            container.open(member).read(10)
    assert names == list(tree)


@pytest.mark.parametrize("kind", [k for k in ALL if k != "zip-after-program"])
def test_the_head_alone_tells_the_kind(kitchen, kind):
    part = kitchen[kind].parts[0]
    data = part.read_bytes()
    head = io.BytesIO(data[: opening.HEAD_BYTES])
    for size in (len(data), opening.UNKNOWN_BYTES):
        found = opening.recognise(opening.source_of([head], size_bytes=size))
        assert found is not None
        assert found.kind == ALL[kind]


@every
def test_too_many_members_end_the_listing_with_an_error(kitchen, kind):
    container = kitchen[kind].open(ContainerLimits(members=2))
    count = 0
    with pytest.raises(ContainerError) as raised:
        for _ in container.members():
            count += 1
    assert raised.value.code == "member_limit"
    assert count <= 2


# A plain tar holds no more than it is long; segments are never nested, and have their own budget.
CHARGED = [k for k in ALL if k not in ("tar-ustar", "tar-gnu", "tar-pax", "e01-segments")]


@pytest.mark.parametrize("kind", CHARGED)
def test_members_beyond_the_budget_fail_or_end_the_stream(kitchen, kind):
    packed = kitchen[kind]
    streams = [io.BytesIO(part.read_bytes()) for part in packed.parts]
    budget = Budget(100_000)
    container = opening.open_container(streams, ContainerLimits(), budget=budget)
    assert container is not None
    reasons = set()
    try:
        for member in container.members():
            reasons.add(member.reason)
            if member.outcome == "file":
                container.open(member).read()
    except ContainerError as error:
        reasons.add(error.code)
    assert "expansion_limit" in reasons


@pytest.mark.parametrize("kind", SPLITTABLE)
def test_workers_share_descriptors_without_moving_each_others_place(kitchen, tree, kind):
    """Descriptors passed between processes share one offset: reading must not depend on it."""
    packed = kitchen[kind]
    opened = [os.open(part, os.O_RDONLY) for part in packed.parts]
    try:
        containers = [
            opening.open_container([stream.descriptor(fd) for fd in opened], ContainerLimits())
            for _ in range(2)
        ]
        members = [list(c.members()) for c in containers if c is not None]
        assert members[0] == members[1]
        for fd in opened:
            os.lseek(fd, 12345, os.SEEK_SET)
        for member in members[0]:
            if member.outcome == "file":
                data = [c.open(member) for c in containers if c is not None]
                wanted = tree[member.name.decode().removeprefix(packed.prefix)]
                assert [d.read() for d in data] == [wanted, wanted]
    finally:
        for fd in opened:
            os.close(fd)


def test_loading_the_room_loads_everything_that_reading_needs():
    """A confined process can open no file: nothing may be imported while a container is read."""
    program = """
import io, sys, zipfile
from tutela.evidence import opening
from tutela.evidence.container import ContainerLimits
out = io.BytesIO()
with zipfile.ZipFile(out, "w", 14) as z:
    z.writestr("a", b"a" * 1000)
before = set(sys.modules)
c = opening.open_container([out], ContainerLimits())
[c.open(m).read() for m in c.members()]
assert set(sys.modules) == before, set(sys.modules) - before
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
