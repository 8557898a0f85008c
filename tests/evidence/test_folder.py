"""Walking folders: every entry counted once, links never followed, nothing opened by surprise."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tutela.core.errors import InputError, UsageError
from tutela.evidence.folder import Found, open_found, walk

UNPRIVILEGED = 65534


def found(*roots: Path) -> dict[str, Found]:
    return {os.fsdecode(entry.path): entry for entry in walk(roots)}


def names(*roots: Path) -> list[str]:
    return [os.fsdecode(entry.path).rpartition("/")[2] for entry in walk(roots)]


def reading(entry: Found) -> bytes:
    data = b""
    for descriptor in open_found(entry):
        data += os.read(descriptor, 1 << 20)
        os.close(descriptor)
    return data


def test_files_come_before_subfolders_both_sorted_by_bytes(tmp_path):
    for name in ("b", "a", "Z", "z", "ä", "sub/2", "sub/1", "sub/deeper/x", "also/y"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert names(tmp_path) == ["Z", "a", "b", "z", "ä", "y", "1", "2", "x"]
    assert all(reading(entry).decode() in path for path, entry in found(tmp_path).items())


def test_sizes_and_times_are_those_of_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)) * 32)
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    entry = found(tmp_path)[str(path)]
    assert (entry.outcome, entry.size_bytes, entry.mtime_ns) == (
        "file",
        8192,
        1_700_000_000_123_456_789,
    )
    assert entry.allocated_bytes == path.stat().st_blocks * 512


def test_a_sparse_terabyte_shows_how_little_is_stored(tmp_path):
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 40)
    entry = found(tmp_path)[str(tmp_path / "hole")]
    assert entry.size_bytes == 1 << 40
    assert entry.allocated_bytes < 1 << 20


def test_links_below_a_root_are_named_and_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "secret")
    (inside / "loop").symlink_to(inside)
    (inside / "dangling").symlink_to("no\nwhere")
    entries = found(inside)
    assert {e.reason for e in entries.values()} == {"symlink"}
    assert entries[str(inside / "folder")].detail == str(outside)
    assert entries[str(inside / "dangling")].detail == "no\nwhere"


def test_a_root_that_is_a_link_is_resolved(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "link").symlink_to("real")
    assert list(found(tmp_path / "link")) == [str(tmp_path / "real" / "a")]


def test_special_files_are_skipped_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        reasons = {Path(path).name: entry.reason for path, entry in found(tmp_path).items()}
    assert reasons == {"fifo": "fifo", "socket": "socket"}


def test_devices_are_skipped():
    entries = found(Path("/dev/null"), Path("/dev/zero"))
    assert {p: (e.outcome, e.reason) for p, e in entries.items()} == {
        "/dev/null": ("skipped", "device"),
        "/dev/zero": ("skipped", "device"),
    }


def test_names_that_are_not_utf8_are_kept(tmp_path):
    raw = os.fsencode(tmp_path) + b"/\xff\xfe\n\x1b"
    os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    (entry,) = walk([tmp_path])
    assert entry.path == raw
    assert reading(entry) == b""


def test_a_tree_deeper_than_any_path_is_read_to_the_bottom(tmp_path):
    depth, name = 900, b"deep"
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open(b"bottom", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    try:
        (entry,) = walk([tmp_path])
        assert entry.path == os.fsencode(tmp_path) + b"/deep" * depth + b"/bottom"
        assert reading(entry) == b""
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


def test_folders_moved_while_they_are_read_are_not_mixed_up(tmp_path):
    for name in ("a/b/c/file", "a/d/file", "z/file"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    entries = walk([tmp_path])
    assert next(entries).path.endswith(b"a/b/c/file")
    (tmp_path / "a" / "b" / "c").rename(tmp_path / "z" / "c")
    rest = {os.fsdecode(e.path).removeprefix(str(tmp_path)): e.outcome for e in entries}
    assert rest == {"/a/d/file": "file", "/z/file": "file", "/z/c": "skipped"}


def test_a_folder_moved_away_under_the_reader_fails(tmp_path):
    for name in ("tree/a/b/file", "tree/a/c/file"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    entries = walk([tmp_path / "tree"])
    assert next(entries).path.endswith(b"a/b/file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tree" / "a" / "b").rename(tmp_path / "elsewhere" / "b")
    (tmp_path / "tree" / "a").rename(tmp_path / "elsewhere" / "a")
    assert [(e.path.rpartition(b"/")[2], e.reason) for e in entries] == [(b"c", "unreadable")]


def test_a_folder_that_is_met_again_is_read_once(tmp_path, monkeypatch):
    """A bind mount shows a folder under two paths; its device and inode are the same."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "b").mkdir()
    first, second = (tmp_path / n for n in "ab")
    real = os.fstat
    twin = second.stat().st_ino

    def mounted(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        if status.st_ino != twin:
            return status
        return os.stat_result((status.st_mode, first.stat().st_ino, *tuple(status)[2:]))

    monkeypatch.setattr(os, "fstat", mounted)
    entries = found(tmp_path)
    assert entries[str(second)].outcome == "skipped"
    assert entries[str(second)].reason == "visited"
    assert len(entries) == 2


def test_hard_links_are_two_places(tmp_path):
    (tmp_path / "a").write_text("x")
    os.link(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["a", "b"]


def test_roots_are_read_once_however_they_are_given(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("x")
    (tmp_path / "subway").write_text("x")
    every = [tmp_path / "sub" / "a", tmp_path / "subway", tmp_path / "sub", tmp_path, tmp_path]
    assert names(*every) == ["subway", "a"]
    assert names(tmp_path / "subway", tmp_path / "sub") == ["subway", "a"]


def test_a_root_that_does_not_exist_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError) as raised:
        next(walk([tmp_path, tmp_path / "missing"]))
    assert raised.value.code == "no_such_path"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError):
        next(walk([tmp_path / "loop"]))


def test_the_top_of_the_file_system_is_a_root():
    entries = walk([Path("/")])
    assert next(entries).path.count(b"/") >= 1
    entries.close()


def test_an_image_in_segments_is_one_entry_and_the_rest_is_named(tmp_path):
    for name in ("disk.E02", "disk.E01", "disk.E03", "disk.e04", "disk.EXE", "other.e01"):
        (tmp_path / name).write_text(name)
    entries = {Path(p).name: e for p, e in found(tmp_path).items()}
    image = entries["disk.E01"]
    assert [Path(os.fsdecode(p)).name for p in image.segments] == [
        "disk.E01",
        "disk.E02",
        "disk.E03",
    ]
    assert reading(image) == b"disk.E01disk.E02disk.E03"
    assert image.size_bytes == 8
    assert [n for n, e in entries.items() if e.reason == "segment"] == ["disk.E02", "disk.E03"]
    assert entries["disk.E02"].detail == "read with disk.E01"
    assert {entries[n].outcome for n in ("disk.e04", "disk.EXE", "other.e01")} == {"file"}


def test_an_image_given_by_its_first_segment_brings_the_others(tmp_path):
    for name in ("disk.E01", "disk.E02", "unrelated"):
        (tmp_path / name).write_text(name)
    assert names(tmp_path / "disk.E01") == ["disk.E01", "disk.E02"]
    assert names(tmp_path / "disk.E01", tmp_path / "disk.E02") == ["disk.E01", "disk.E02"]


def test_a_segment_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "disk.E01").write_text("1")
    (tmp_path / "disk.E02").symlink_to("/etc/passwd")
    entries = {Path(p).name: e for p, e in found(tmp_path).items()}
    assert entries["disk.E02"].reason == "symlink"
    with pytest.raises(InputError):
        open_found(entries["disk.E01"])


@pytest.mark.parametrize("way", ["file", "link", "fifo", "gone", "folder"])
def test_a_file_that_was_swapped_is_not_read(tmp_path, way):
    path = tmp_path / "a"
    path.write_text("honest")
    (other := tmp_path / "z").write_text("other")
    entry = found(tmp_path)[str(path)]
    path.rename(tmp_path / "kept")
    if way == "file":
        other.rename(path)
    elif way == "link":
        path.symlink_to(other)
    elif way == "fifo":
        os.mkfifo(path)
    elif way == "folder":
        path.mkdir()
    with pytest.raises(InputError) as raised:
        open_found(entry)
    assert raised.value.code == {"gone": "vanished", "link": "unreadable"}.get(way, "swapped")


def test_descriptors_only_read_and_are_not_inherited(tmp_path):
    (tmp_path / "a").write_text("x")
    (entry,) = walk([tmp_path])
    (descriptor,) = open_found(entry)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"y")
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_reading_leaves_access_times_alone(tmp_path):
    path = tmp_path / "a"
    path.write_text("x")
    os.utime(path, ns=(1_000_000_000, 2_000_000_000))
    before = path.stat()
    assert reading(found(tmp_path)[str(path)]) == b"x"
    assert path.stat().st_atime_ns == before.st_atime_ns


def test_what_the_system_refuses_to_show_fails_with_a_reason(tmp_path):
    (tmp_path / "open").write_text("x")
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "hidden").write_text("x")
    (tmp_path / "locked").chmod(0)
    (tmp_path / "listable").mkdir()
    (tmp_path / "listable" / "unreachable").write_text("x")
    (tmp_path / "listable").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        if above.stat().st_uid == os.getuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    # Root may read anything: the look is taken by a process that is nobody.
    program = f"""
import os, sys
from pathlib import Path
from tutela.core.errors import InputError
from tutela.evidence.folder import open_found, walk
if os.getuid() == 0:
    os.setgroups([]); os.setgid({UNPRIVILEGED}); os.setuid({UNPRIVILEGED})
for found in walk([Path(sys.argv[1])]):
    told = found.outcome, found.reason
    if found.outcome == "file":
        try:
            [os.close(fd) for fd in open_found(found)]
        except InputError as error:
            told = "refused", error.code
    print(os.path.basename(os.fsdecode(found.path)), *filter(None, told))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    (tmp_path / "locked").chmod(0o700)
    (tmp_path / "listable").chmod(0o700)
    assert sorted(done.stdout.splitlines()) == [
        "closed refused unreadable",
        "locked failed unreadable",
        "open file",
        "unreachable failed unreadable",
    ], done.stderr
