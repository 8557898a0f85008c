"""Traps of disk images."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from tutela.core.errors import ContainerError
from tutela.evidence import opening
from tutela.evidence.container import ContainerLimits, Member

LIMITS = ContainerLimits()


@pytest.fixture
def debugfs():
    """Change an ext4 image behind its back, as a hostile one may be made."""

    def change(image: Path, *commands: str) -> None:
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        for command in commands:
            done = subprocess.run(
                ["debugfs", "-w", "-R", command, image],
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=True,
            )
            assert "not found" not in done.stderr, done.stderr

    return change


@pytest.fixture
def ext4(kitchen, tmp_path) -> Path:
    return Path(shutil.copy(kitchen["ext4"].parts[0], tmp_path / "ext4.dd"))


@pytest.fixture
def ntfs(kitchen, tmp_path) -> Path:
    return Path(shutil.copy(kitchen["ntfs"].parts[0], tmp_path / "ntfs.dd"))


def opened(data: bytes):
    container = opening.open_container([io.BytesIO(data)], LIMITS)
    assert container is not None
    return container


def members(data: bytes) -> dict[bytes, Member]:
    listed = [m for m in opened(data).members() if m.reason != "filesystem_metadata"]
    found = {m.name: m for m in listed}
    assert len(found) == len(listed)
    return found


def ntfscp(image: Path, data: bytes, name: str, stream: str = "") -> None:
    source = image.with_suffix(".source")
    source.write_bytes(data)
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    words = ["ntfscp", "-q", *(["-N", stream] if stream else []), image, source, name]
    subprocess.run(words, env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}, check=True)


def test_folders_that_contain_themselves_are_left(ext4, debugfs, tree):
    debugfs(ext4, "link /DCIM /DCIM/100/loop", "link / /DCIM/root")
    found = members(ext4.read_bytes())
    assert found[b"DCIM/100/loop"].reason == "visited"
    assert found[b"DCIM/root"].reason == "visited"
    assert {n.decode() for n, m in found.items() if m.outcome == "file"} == set(tree)


def test_a_fat_folder_that_points_at_its_parent_is_left(kitchen):
    data = bytearray(kitchen["fat"].parts[0].read_bytes())
    at = data.index(b"100        ") + 26
    above = data.index(b"DCIM       ") + 26
    data[at : at + 2] = data[above : above + 2]
    found = members(bytes(data))
    assert len(found) < 20
    assert found[b"DCIM/100/100"].reason == "visited"


def test_special_files_and_links_are_skipped(ext4, debugfs):
    debugfs(ext4, "mknod tty c 4 1", "mknod disk b 8 0", "mknod pipe p", "symlink soft /etc/passwd")
    found = members(ext4.read_bytes())
    told = {n: (m.reason, m.detail) for n, m in found.items() if m.outcome == "skipped"}
    assert told == {
        b"tty": ("device", ""),
        b"disk": ("device", ""),
        b"pipe": ("fifo", ""),
        b"soft": ("symlink", "/etc/passwd"),
    }


def test_hard_links_are_two_places_of_one_content(ext4, debugfs):
    debugfs(ext4, "link /hello.txt /again.txt")
    container = opened(ext4.read_bytes())
    found = {m.name: container.open(m).read() for m in container.members() if not m.reason}
    assert found[b"again.txt"] == found[b"hello.txt"] == b"hello\n"


def test_deleted_files_are_not_listed(ext4, debugfs):
    debugfs(ext4, "rm /hello.txt")
    assert b"hello.txt" not in members(ext4.read_bytes())


def test_a_terabyte_in_a_small_image_fails_unread(ext4, debugfs):
    debugfs(ext4, "sif /hello.txt size 1099511627776")
    member = members(ext4.read_bytes())[b"hello.txt"]
    assert (member.outcome, member.reason) == ("failed", "larger_than_image")
    assert member.stored_bytes is not None
    assert member.stored_bytes < 1 << 20


def test_a_hole_shows_how_little_is_stored(tmp_path):
    image = tmp_path / "big.dd"
    with image.open("wb") as file:
        file.truncate(200 << 20)
    (tmp_path / "tree").mkdir()
    with (tmp_path / "tree" / "hole").open("wb") as file:
        file.write(b"x" * 5000)
        file.truncate(100 << 20)
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    words = ["mkfs.ext4", "-q", "-d", tmp_path / "tree", image]
    subprocess.run(words, env={**os.environ, "PATH": path}, check=True)
    with image.open("rb") as file:
        container = opening.open_container([file], LIMITS)
        assert container is not None
        (member,) = container.members()
    assert member.size_bytes == 100 << 20
    assert member.stored_bytes is not None
    assert 5000 <= member.stored_bytes <= 16384


def test_names_keep_their_bytes(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    raw = [b"\xff\xfe", b"line\nbreak", b"\x1b[31m", b"a" * 255]
    for name in raw:
        os.close(os.open(os.fsencode(folder) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    image = tmp_path / "names.dd"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    words = ["mkfs.ext4", "-q", "-d", folder, image]
    subprocess.run(words, env={**os.environ, "PATH": path}, check=True)
    assert set(members(image.read_bytes())) == set(raw)


def test_alternate_streams_of_ntfs_are_members(ntfs, tree):
    ntfscp(ntfs, b"hidden", "hello.txt", "secret.jpg")
    container = opened(ntfs.read_bytes())
    found = {m.name: container.open(m).read() for m in container.members() if not m.reason}
    assert found[b"hello.txt:secret.jpg"] == b"hidden"
    assert found[b"hello.txt"] == tree["hello.txt"]


def test_files_that_windows_compressed_in_its_own_way_fail(ntfs):
    """Their data lies in a stream; what is in its place reads as zeros."""
    ntfscp(ntfs, b"packed", "hello.txt", "WofCompressedData")
    found = members(ntfs.read_bytes())
    assert (found[b"hello.txt"].outcome, found[b"hello.txt"].reason) == (
        "failed",
        "unsupported_method",
    )
    assert found[b"hello.txt:WofCompressedData"].outcome == "file"


def test_files_that_ntfs_encrypts_fail(ntfs):
    data = bytearray(ntfs.read_bytes())
    name = "IMG_0001.JPG".encode("utf-16-le")
    record = max(
        n
        for n in range(0, len(data), 1024)
        if data[n : n + 4] == b"FILE" and name in data[n : n + 1024]
    )
    at = record + struct.unpack_from("<H", data, record + 20)[0]
    while struct.unpack_from("<I", data, at)[0] != 0x80:
        at += struct.unpack_from("<I", data, at + 4)[0]
    data[at + 12 : at + 14] = b"\x00\x40"
    member = members(bytes(data))[b"DCIM/100/IMG_0001.JPG"]
    assert (member.outcome, member.reason) == ("failed", "encrypted")


def test_what_ntfs_keeps_for_itself_is_named_and_not_read(ntfs):
    own = [m for m in opened(ntfs.read_bytes()).members() if m.reason == "filesystem_metadata"]
    assert {m.outcome for m in own} == {"skipped"}
    assert {b"$MFT", b"$BadClus", b"$LogFile", b"$Extend"} <= {m.name for m in own}


def test_times_are_utc_and_those_of_fat_have_no_zone(kitchen):
    for kind, known in (("ext4", True), ("ntfs", True), ("fat", False)):
        for member in kitchen[kind].open().members():
            if member.outcome == "file":
                assert (member.modified is not None) == known
                assert not known or member.modified.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("kind", ["fat", "ext4"])
def test_an_image_that_was_cut_keeps_what_is_there_and_tells_the_rest(kitchen, tree, kind):
    """Bytes that are missing are an error, never zeros and never what was read before."""
    whole = kitchen[kind].parts[0].read_bytes()
    at = whole.index(tree["DCIM/100/IMG_0001.JPG"][:512])
    container = opened(whole[: at + 140_000])
    outcomes = {}
    for member in container.members():
        outcomes[member.name] = member.reason
        if member.outcome == "file":
            try:
                assert container.open(member).read() == tree[member.name.decode()]
            except ContainerError as error:
                outcomes[member.name] = error.code
    assert outcomes[b"DCIM/100/IMG_0001.JPG"] in ("damaged", "truncated", "larger_than_image")
    assert outcomes[b"hello.txt"] in ("", "damaged")


@pytest.mark.parametrize("kind", ["fat", "ext4", "ntfs"])
def test_a_base_that_fails_in_the_middle_gives_no_wrong_bytes(kitchen, tree, kind):
    """As above, where the stream below the image raises, as a damaged outer container does."""

    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() + max(size, 0) > limit:
                raise ContainerError("broken", code="damaged")
            return super().read(size)

    whole = kitchen[kind].parts[0].read_bytes()
    limit = len(whole)
    container = opening.open_container([Broken(whole)], LIMITS)
    assert container is not None
    limit = whole.index(tree["DCIM/100/IMG_0001.JPG"][:512])
    failed = 0
    for member in container.members():
        if member.outcome == "file":
            try:
                assert container.open(member).read() == tree[member.name.decode()]
            except ContainerError:
                failed += 1
        failed += member.outcome == "failed"
    assert failed


def test_partitions_are_named_in_the_order_of_the_table(kitchen, tree):
    found = list(kitchen["mbr"].open().members())
    assert (found[0].name, found[0].reason) == (b"p1", "unknown_filesystem")
    assert found[0].detail
    assert {m.name.decode() for m in found[1:]} == {f"p2/{name}" for name in tree}


def test_a_partition_whose_file_system_is_broken_fails_by_itself(kitchen):
    disk = bytearray(kitchen["gpt"].parts[0].read_bytes())
    disk[(1 << 20) + 1024 + 96 : (1 << 20) + 1024 + 104] = b"\xff" * 8  # features unknown to all
    disk[(1 << 20) + 1024 + 40 : (1 << 20) + 1024 + 44] = b"\0" * 4
    disk[(1 << 20) + 2048 : (1 << 20) + 8192] = b"\xff" * 6144
    container = opened(bytes(disk))
    found = list(container.members())
    assert found
    assert all(m.name.startswith(b"p1") for m in found)
    assert {m.outcome for m in found} <= {"failed", "skipped"}


def test_a_table_that_cannot_be_read_is_an_error(kitchen):
    disk = bytearray(kitchen["gpt"].parts[0].read_bytes())
    disk[512 + 72 : 512 + 80] = b"\xff" * 8
    disk[-512 + 72 : -512 + 80] = b"\xff" * 8
    with pytest.raises(ContainerError) as raised:
        opening.open_container([io.BytesIO(disk)], LIMITS)
    assert raised.value.code == "damaged"


def test_an_image_inside_an_archive_is_read_in_place(kitchen, tree):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.write(kitchen["fat"].parts[0], "disk.dd")
    archive = opened(out.getvalue())
    (member,) = archive.members()
    image = opening.open_container([archive.open(member)], LIMITS)
    assert image is not None
    assert {image.open(m).read() for m in image.members()} == set(tree.values())
