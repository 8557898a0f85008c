"""The same small tree, packed into every kind of container by the tools that people use."""

from __future__ import annotations

import bz2
import ctypes
import ctypes.util
import gzip
import io
import lzma
import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tutela.evidence import opening
from tutela.evidence.container import Container, ContainerLimits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEBIBYTE = 1 << 20
SYSTEM_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

_random = Random(2)
TREE: dict[str, bytes] = {
    "empty": b"",
    "hello.txt": b"hello\n",
    "DCIM/100/IMG_0001.JPG": _random.randbytes(150_001),
    "DCIM/100/zeros.bin": bytes(70_000),
    "Früh ling/Größe über alles.txt": b"text\n" * 20_000,
}


# Little content, so that damage strikes what holds it together.
SMALL_TREE = {name: data[:40] for name, data in TREE.items()}


def tool(*words: str | Path) -> None:
    """Run a program of the system; one that is missing fails the test."""
    environment = {**os.environ, "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)


@dataclass(frozen=True)
class Packed:
    """A packed tree: the files of the container, and how member names begin."""

    parts: tuple[Path, ...]
    prefix: str = ""

    def open(self, limits: ContainerLimits | None = None) -> Container:
        streams = [io.BytesIO(part.read_bytes()) for part in self.parts]
        container = opening.open_container(streams, limits or ContainerLimits())
        assert container is not None
        return container


def zip_of(tree: dict[str, bytes], method: int, before: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("DCIM/", b"")
        for name, data in tree.items():
            archive.writestr(name, data)
    return before + out.getvalue()


def tar_of(tree: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("DCIM")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in tree.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def unpacked(folder: Path, tree: dict[str, bytes]) -> Path:
    for name, data in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def blank(path: Path, mebibytes: int) -> Path:
    with path.open("wb") as file:
        file.truncate(mebibytes * MEBIBYTE)
    return path


def fat(path: Path, tree: Path, mebibytes: int = 8, *options: str) -> Path:
    tool("mkfs.fat", "-n", "CAMERA", *options, blank(path, mebibytes))
    tool("mcopy", "-s", "-i", path, *sorted(tree.iterdir()), "::")
    return path


def ext4(path: Path, tree: Path, mebibytes: int = 8) -> Path:
    tool("mkfs.ext4", "-q", "-d", tree, blank(path, mebibytes))
    return path


def ntfs(path: Path, tree: Path, mebibytes: int = 8) -> Path:
    tool(
        "mkntfs", "-q", "-F", "-s", "512", "-p", "0", "-H", "16", "-S", "32", blank(path, mebibytes)
    )
    folders = sorted(str(f.relative_to(tree)) for f in tree.rglob("*") if f.is_dir())
    _make_ntfs_folders(path, folders)
    for file in sorted(f for f in tree.rglob("*") if f.is_file()):
        tool("ntfscp", "-q", path, file, file.relative_to(tree))
    return path


def _make_ntfs_folders(image: Path, folders: Sequence[str]) -> None:
    """Make folders through the library of ntfs-3g: none of its programs does without mounting."""
    found = ctypes.util.find_library("ntfs-3g")
    assert found, "the library of ntfs-3g is missing"
    library = ctypes.CDLL(found)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    library.ntfs_mount.restype = pointer
    library.ntfs_mount.argtypes = [text, ctypes.c_ulong]
    library.ntfs_pathname_to_inode.restype = pointer
    library.ntfs_pathname_to_inode.argtypes = [pointer, pointer, text]
    library.ntfs_create.restype = pointer
    library.ntfs_create.argtypes = [pointer, ctypes.c_uint32, text, ctypes.c_uint8, ctypes.c_uint32]
    library.ntfs_inode_close.argtypes = [pointer]
    library.ntfs_umount.argtypes = [pointer, ctypes.c_int]
    library.ntfs_set_char_encoding(b"UTF-8")
    volume = library.ntfs_mount(os.fsencode(image), 0)
    assert volume
    for folder in folders:
        parent, _, name = folder.rpartition("/")
        above = library.ntfs_pathname_to_inode(volume, None, b"/" + parent.encode())
        assert above, folder
        units = name.encode("utf-16-le")
        made = library.ntfs_create(above, 0, units, len(units) // 2, stat.S_IFDIR)
        assert made, folder
        library.ntfs_inode_close(made)
        library.ntfs_inode_close(above)
    assert library.ntfs_umount(volume, 0) == 0


def mbr_disk(path: Path, partitions: Sequence[tuple[int, Path]]) -> Path:
    """Write a disk with an MBR: (type, image) for each partition, at whole mebibytes."""
    table, position = b"", 1
    with blank(path, 1).open("r+b") as disk:
        for kind, image in partitions:
            data = image.read_bytes()
            disk.seek(position * MEBIBYTE)
            disk.write(data)
            table += struct.pack("<B3xB3x2I", 0, kind, position * 2048, len(data) // 512)
            position += len(data) // MEBIBYTE
        disk.truncate(position * MEBIBYTE)
        disk.seek(446)
        disk.write(table.ljust(64, b"\0") + b"\x55\xaa")
    return path


def gpt_disk(path: Path, images: Sequence[Path]) -> Path:
    """Write a disk with a GPT and its protective MBR (UEFI 2.10, section 5.3)."""
    linux = bytes.fromhex("af3dc60f838472478e793d69d8477de4")
    entries, position = b"", 1
    for number, image in enumerate(images, 1):
        first, size = position * 2048, image.stat().st_size
        last = first + size // 512 - 1
        entries += struct.pack("<16s16s3Q72s", linux, bytes([number] * 16), first, last, 0, b"x\0")
        position += size // MEBIBYTE
    position += 1
    entries = entries.ljust(128 * 128, b"\0")
    sectors = position * 2048

    def header(here: int, there: int, table: int) -> bytes:
        packed = struct.pack(
            "<8s4I4Q16sQ3I",
            *(b"EFI PART", 0x10000, 92, 0, 0, here, there, 34, sectors - 34, b"\7" * 16),
            *(table, 128, 128, zlib.crc32(entries)),
        )
        return packed[:16] + struct.pack("<I", zlib.crc32(packed)) + packed[20:]

    with blank(path, position).open("r+b") as disk:
        disk.seek(446)
        disk.write(struct.pack("<B3xB3x2I", 0, 0xEE, 1, sectors - 1).ljust(64, b"\0") + b"\x55\xaa")
        disk.write(header(1, sectors - 1, 2))
        disk.seek(1024)
        disk.write(entries)
        for number, image in enumerate(images):
            disk.seek((1 + sum(i.stat().st_size // MEBIBYTE for i in images[:number])) * MEBIBYTE)
            disk.write(image.read_bytes())
        disk.seek((sectors - 33) * 512)
        disk.write(entries + header(sectors - 1, 1, sectors - 33))
    return path


def e01(folder: Path, image: Path, name: str, *options: str) -> tuple[Path, ...]:
    tool("ewfacquire", "-u", "-q", "-t", folder / name, *options, image)
    return tuple(sorted(folder.glob(f"{name}.E*")))


class Kitchen:
    """Packs each container once, when a test first asks for it."""

    def __init__(self, folder: Path, tree: dict[str, bytes]) -> None:
        self.folder = folder
        self.files = tree
        self.tree = unpacked(folder / "tree", tree)
        self._packed: dict[str, Packed] = {}
        self._recipes: dict[str, Callable[[], Packed]] = {
            "zip": lambda: self._written("a.zip", zip_of(tree, zipfile.ZIP_STORED)),
            "zip-deflate": lambda: self._written("b.zip", zip_of(tree, zipfile.ZIP_DEFLATED)),
            "zip-bzip2": lambda: self._written("c.zip", zip_of(tree, zipfile.ZIP_BZIP2)),
            "zip-lzma": lambda: self._written("d.zip", zip_of(tree, zipfile.ZIP_LZMA)),
            "zip-after-program": lambda: self._written("e", zip_of(tree, 8, b"MZ" + bytes(999))),
            "tar-ustar": lambda: self._written("a.tar", tar_of(tree, tarfile.USTAR_FORMAT)),
            "tar-gnu": lambda: self._written("b.tar", tar_of(tree, tarfile.GNU_FORMAT)),
            "tar-pax": lambda: self._written("c.tar", tar_of(tree, tarfile.PAX_FORMAT)),
            "tar-gzip": lambda: self._written("a.tgz", gzip.compress(tar_of(tree))),
            "tar-bzip2": lambda: self._written("a.tbz", bz2.compress(tar_of(tree))),
            "tar-xz": lambda: self._written("a.txz", lzma.compress(tar_of(tree))),
            "tar-lzma": lambda: self._written("a.tlz", lzma.compress(tar_of(tree), 2)),
            "tar-zstd": lambda: self._written("a.tzst", zstd.compress(tar_of(tree))),
            "fat": lambda: Packed((fat(folder / "fat.dd", self.tree),)),
            "fat32": lambda: Packed((fat(folder / "fat32.dd", self.tree, 34, "-F", "32"),)),
            "ext4": lambda: Packed((ext4(folder / "ext4.dd", self.tree),)),
            "ntfs": lambda: Packed((ntfs(folder / "ntfs.dd", self.tree),)),
            "mbr": self._mbr,
            "gpt": self._gpt,
            "e01": lambda: Packed(e01(folder, self["ext4"].parts[0], "one", "-d", "sha1")),
            "e01-segments": lambda: Packed(
                e01(folder, self["ext4"].parts[0], "many", "-c", "none", "-S", "1048576")
            ),
        }

    def __getitem__(self, kind: str) -> Packed:
        if kind not in self._packed:
            self._packed[kind] = self._recipes[kind]()
        return self._packed[kind]

    def _written(self, name: str, data: bytes) -> Packed:
        path = self.folder / name
        path.write_bytes(data)
        return Packed((path,))

    def _mbr(self) -> Packed:
        noise = self.folder / "noise"
        noise.write_bytes(Random(3).randbytes(MEBIBYTE))
        parts = ((0x82, noise), (0x0C, self["fat"].parts[0]))
        return Packed((mbr_disk(self.folder / "mbr.dd", parts),), "p2/")

    def _gpt(self) -> Packed:
        return Packed((gpt_disk(self.folder / "gpt.dd", [self["ext4"].parts[0]]),), "p1/")


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    return Kitchen(tmp_path_factory.mktemp("kitchen"), TREE)


@pytest.fixture(scope="session")
def small_kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    return Kitchen(tmp_path_factory.mktemp("small"), SMALL_TREE)


@pytest.fixture(scope="session")
def tree() -> dict[str, bytes]:
    return TREE


def contents(container: Container) -> dict[bytes, bytes]:
    """Read all files of a container in order, also one that is a stream."""
    return {
        member.name: container.open(member).read()
        for member in container.members()
        if member.outcome == "file"
    }


@pytest.fixture(scope="session")
def read_all() -> Callable[[Container], dict[bytes, bytes]]:
    return contents
