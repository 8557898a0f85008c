"""Reaching folders and files however deep they lie, one step at a time.

A path longer than the kernel takes is opened piece by piece, and a walk goes from a folder to the
next by single steps, so that its cost grows with the number of folders and not with their depth.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

# PATH_MAX is 4096 with its final NUL; a name has at most 255 bytes.
_PIECE_BYTES = 4096 - 256 - 1

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Node(NamedTuple):
    """A folder by name and parent; a root has no parent, and its name is its whole path."""

    parent: Node | None
    name: bytes

    def path(self) -> bytes:
        """Return the absolute path, without a slash at the end (empty for the top)."""
        names = []
        node: Node | None = self
        while node is not None:
            names.append(node.name)
            node = node.parent
        return b"/".join(reversed(names))


class Walker:
    """Stands in one folder of a tree, and holds one descriptor: that folder's."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._way: list[tuple[Node, tuple[int, int]]] = []

    def enter(self, node: Node) -> int:
        """Go to a folder whose parent was entered before, and return its descriptor.

        The descriptor is good until the next step. Raises OSError where there is no way.
        """
        while self._way and self._way[-1][0] is not node.parent:
            self._leave()
        if node.parent is None:
            inner = open_path(node.name or b"/", _FOLDER)
        else:
            inner = os.open(node.name, _FOLDER, dir_fd=self._standing())
        self._stand(inner)
        self._way.append((node, identity(inner)))
        return inner

    def close(self) -> None:
        """Let go of the descriptor."""
        self._stand(None)

    def _leave(self) -> None:
        """Step up to the parent; if it is no longer the same folder, it is looked up by path."""
        self._way.pop()
        if self._descriptor is None or not self._way:
            self._stand(None)
            return
        try:
            above = os.open(b"..", _STEP, dir_fd=self._descriptor)
        except OSError:
            self._stand(None)
            return
        self._stand(above)
        if identity(above) != self._way[-1][1]:
            self._stand(None)

    def _standing(self) -> int:
        if self._descriptor is None:
            node, wanted = self._way[-1]
            self._descriptor = open_path(node.path() or b"/", _FOLDER)
            if identity(self._descriptor) != wanted:
                self._stand(None)
                raise OSError(errno.ESTALE, "the folder was moved while it was read")
        return self._descriptor

    def _stand(self, descriptor: int | None) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor


def identity(descriptor: int) -> tuple[int, int]:
    """Return device and inode of what is open."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def open_path(path: bytes, flags: int) -> int:
    """Open an absolute path of any length; raise OSError as `os.open` does."""
    folder: int | None = None
    try:
        while len(path) > _PIECE_BYTES:
            cut = path.rindex(b"/", 0, _PIECE_BYTES)
            inner = os.open(path[:cut], _STEP, dir_fd=folder)
            if folder is not None:
                os.close(folder)
            folder = inner
            path = path[cut + 1 :]
        return os.open(path, flags, dir_fd=folder)
    finally:
        if folder is not None:
            os.close(folder)
