"""Files of messages are looked up once each, wherever they lie, and nothing else is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tutela.chat import attached
from tutela.chat.attached import Attached
from tutela.chat.model import MediaRef
from tutela.core.entry import Role
from tutela.core.errors import ServiceError
from tutela.core.media import Digests


class Hit:
    role = Role.ALERT


class Listed:
    """A library that lists what is `bad`, and the digest of an export's word."""

    def find(self, digests, *_: object, **__: object) -> list[Hit]:
        return [Hit()] if digests.sha256 in {b"bad".ljust(32), b"word".ljust(32)} else []


class Hashing:
    def __init__(self) -> None:
        self.read: list[bytes] = []

    def known(self, data: bytes):
        self.read.append(data)
        if data == b"slow":
            raise ServiceError("too slow")
        return (Digests(sha256=data.ljust(32)), []), None


class Archive:
    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.asked: list[list[str]] = []

    def inside(self, _source, refs):
        self.asked.append([ref.name for ref in refs])
        return [(ref, self.files[ref.name]) for ref in refs if ref.name in self.files]


def ref(name: str, sha256: bytes = b"") -> MediaRef:
    return MediaRef(name=name, sha256=sha256)


def looking(folder: Path, archive: Archive) -> tuple[Attached, Hashing]:
    def path_of(_source, one: MediaRef) -> Path | None:
        place = folder / one.name
        return place if os.path.lexists(place) else None

    hashing = Hashing()
    return Attached(hashing, Listed(), path_of, archive.inside), hashing


def test_files_on_disk_in_an_archive_and_by_word_are_asked_about(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"bad")
    (tmp_path / "b.jpg").write_bytes(b"calm")
    archive = Archive(c=b"bad")
    looks, _ = looking(tmp_path, archive)
    refs = [ref("a.jpg"), ref("b.jpg"), ref("c"), ref("gone"), ref("word", b"word".ljust(32))]
    assert looks.known("source", refs) == [True, False, True, None, True]
    assert archive.asked == [["c", "gone", "word"]], "the archive is gone through once"


def test_each_file_is_read_once_also_those_that_fail(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"bad")
    (tmp_path / "s.jpg").write_bytes(b"slow")
    archive = Archive(c=b"bad")
    looks, hashing = looking(tmp_path, archive)
    refs = [ref("a.jpg"), ref("c"), ref("c"), ref("s.jpg"), ref("gone")]
    source = object()
    for _ in range(3):
        assert looks.known(source, refs) == [True, True, True, None, None]
    assert sorted(hashing.read) == [b"bad", b"bad", b"slow"]
    assert archive.asked == [["c", "gone"]]
    looks.known(object(), [ref("c")])
    assert archive.asked[-1] == ["c"], "another source has files of its own"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large"])
def test_what_is_no_regular_file_of_bounded_size_is_not_read(tmp_path, kind, monkeypatch):
    place = tmp_path / "a.jpg"
    if kind == "link":
        (tmp_path / "real").write_bytes(b"bad")
        place.symlink_to(tmp_path / "real")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        monkeypatch.setattr(attached, "MOST_BYTES", 2)
        place.write_bytes(b"bad")
    looks, hashing = looking(tmp_path, Archive())
    assert looks.known("source", [ref("a.jpg")]) == [None]
    assert hashing.read == []
