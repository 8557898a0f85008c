"""Containers: what holds files inside one file, read in a confined process.

A container is recognised by its content, never by its name, and yields members in its own order.
What cannot be read is a member with a reason; damage to the container itself is a ContainerError
after the members that could be read. Names of members are names only: nothing is ever created
from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal, Protocol, runtime_checkable

import msgspec

from tutela.core.errors import ContainerError
from tutela.core.media import Digests

HEAD_BYTES = 8192


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """How far a container is followed.

    `expansion` times the container's size, but at least `free_bytes` and at most `total_bytes`, is
    what all members together may hold; a container may always hold its own size. `members` is how
    many entries are listed.
    """

    total_bytes: int = 1 << 40
    expansion: int = 200
    free_bytes: int = 256 << 20
    members: int = 10_000_000

    def budget(self, size_bytes: int) -> Budget:
        """Return what the members of a container of `size_bytes` may hold together."""
        grown = max(self.free_bytes, self.expansion * size_bytes)
        return Budget(max(size_bytes, min(self.total_bytes, grown)))


class Budget:
    """Bytes that a container, with all that is nested in it, may still expand to."""

    def __init__(self, allowed_bytes: int) -> None:
        self.allowed_bytes = allowed_bytes
        self.left_bytes = allowed_bytes

    def spend(self, size_bytes: int) -> bool:
        """Take `size_bytes` from what is left; take nothing and return False if that is less."""
        if size_bytes > self.left_bytes:
            return False
        self.left_bytes -= size_bytes
        return True

    def exceeded(self) -> ContainerError:
        """Return the error to raise where expansion cannot go on."""
        return ContainerError(
            f"expands to more than the {self.allowed_bytes} bytes allowed",
            code="expansion_limit",
            hint="raise scan.expansion or scan.container_gib if this container can be trusted",
        )


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a container that is not a folder.

    `name` is its path inside, in the container's own bytes. `locator` finds it again in the same
    container, also from another process. `size_bytes` is None where only reading tells.
    `stored_bytes` is what it takes up in the container, where known: far less than `size_bytes`
    in a sparse file. `outcome` is `file` (it can be opened), `skipped` or `failed`, with a
    `reason` (a stable word) and a `detail` for people. `modified` is None where the container
    keeps no time or one without a time zone.
    """

    name: bytes
    locator: tuple[int, ...] = ()
    size_bytes: int | None = None
    stored_bytes: int | None = None
    outcome: Literal["file", "skipped", "failed"] = "file"
    reason: str = ""
    detail: str = ""
    modified: datetime | None = None


class Container(Protocol):
    """A container that was recognised and opened."""

    @property
    def kind(self) -> str:
        """A stable word: `zip`, `tar`, `gzip`, `bzip2`, `xz`, `lzma`, `zstd`, `image`, `ewf`."""

    @property
    def splittable(self) -> bool:
        """Whether members open in any order, also in other processes over the same files.

        Otherwise each member must be opened and read before the next one is asked for.
        """

    def members(self) -> Iterator[Member]:
        """Yield the entries in the container's order; called once, for it spends the budget.

        Raises:
            ContainerError: the rest cannot be listed; what was yielded before stands.
        """

    def open(self, member: Member) -> BinaryIO:
        """Return the bytes of a member whose outcome is `file`.

        Seekable without a copy where the member is stored as it is; otherwise forward only.
        Reading it may raise ContainerError.
        """


class Verification(msgspec.Struct, frozen=True):
    """What came of comparing a whole image with the digests stored in it."""

    outcome: Literal["verified", "hash_mismatch", "no_hash"]
    stored: Digests
    computed: Digests


@runtime_checkable
class Verifiable(Protocol):
    """A container that carries digests of its whole content."""

    @property
    def kind(self) -> str:
        """As in `Container`."""

    @property
    def size_bytes(self) -> int:
        """The length of the content that the digests are of."""

    @property
    def stored(self) -> Digests:
        """The digests that the container carries."""

    def verify(self, progress: Callable[[int], None] | None = None) -> Verification:
        """Read the whole content and compare; `progress` is told the bytes read so far.

        Raises:
            ContainerError: a part cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Source:
    """What a container is recognised by and opened from.

    `streams` are the seekable parts in order (one, but for segmented images); `size_bytes` and
    `head` (the first `HEAD_BYTES`) are those of the first part; `name` is the file's own name, or
    empty.
    """

    streams: tuple[BinaryIO, ...]
    size_bytes: int
    head: bytes
    name: bytes = b""

    @property
    def stream(self) -> BinaryIO:
        """The first part."""
        return self.streams[0]

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes of the first part from `position`, none beyond its end."""
        if position > self.size_bytes:  # positions come from the content, and may be absurd
            return b""
        if position + size <= len(self.head):
            return self.head[position : position + size]
        self.stream.seek(position)
        return self.stream.read(size)


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of container: how it is recognised, and how it is opened."""

    kind: str
    recognises: Callable[[Source], bool]
    open: Callable[[Source, ContainerLimits, Budget], Container]
