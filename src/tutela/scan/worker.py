"""Inside a confined process: read, digest, open containers, fingerprint.

Nothing here opens a file or knows a list. Whatever a content does to this process, the pipeline
knows from the last `Begin` which one it was.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from msgspec.structs import replace

from tutela.core.errors import InputError
from tutela.core.media import Digests
from tutela.evidence import container as containers
from tutela.evidence import opening, stream
from tutela.evidence.container import (
    Budget,
    Container,
    ContainerLimits,
    Member,
    Source,
    Verifiable,
)
from tutela.fingerprint import content
from tutela.fingerprint.picture import looks_like_picture
from tutela.scan import wire
from tutela.scan.reading import Joined, Judged, Read, Reader
from tutela.scan.wire import (
    ITSELF,
    PART_BYTES,
    Begin,
    Digested,
    Item,
    Kind,
    Limits,
    Listing,
    Order,
    Outcome,
    Part,
    Progress,
    Status,
)

Send = Callable[[bytes], None]

# Members in one listing: enough to keep a worker busy for a while, few enough to share fairly.
LISTING_MEMBERS = 64
LISTING_BYTES = 64 << 20
# A large file of which less than this share is stored is a hole with something in it.
SPARSE_SHARE = 100
# What an entry costs of an archive's budget by being there: archives of empty files are bombs too.
MEMBER_BYTES = 512


class Opened(NamedTuple):
    """A shared container that stays open from one chunk to the next."""

    item: int
    container: Container
    descriptors: list[int]


def warm_up() -> None:
    """Load everything that reading and fingerprinting need; nothing can be opened later."""
    content.warm_up()


class Worker:
    """Serves requests, one after another; keeps one container open between them."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._opened: Opened | None = None

    def __call__(self, request: bytes, files: list[int], send: Send) -> None:
        """Work on every item of a `wire.Request`; the answers are `wire.Reply`s."""
        wanted = wire.decode_request(request)
        at = 0
        for item in wanted.items:
            descriptors = files[at : at + item.streams]
            at += item.streams
            visit = Visit(item, wanted.limits, self._reader, send)
            if item.members:
                visit.chunk(self._container(item, descriptors, wanted.limits))
            else:
                visit.file(descriptors)

    def _container(self, item: Item, descriptors: list[int], limits: Limits) -> Container:
        if self._opened is not None and self._opened.item == item.item:
            return self._opened.container
        if self._opened is not None:
            for descriptor in self._opened.descriptors:
                os.close(descriptor)
            self._opened = None
        kept = [os.dup(descriptor) for descriptor in descriptors]
        streams = [stream.descriptor(number) for number in kept]
        source = opening.source_of(streams, item.name)
        container, _ = _open(source, limits, None)
        if container is None:
            raise InputError("no longer the container that was listed", code="changed")
        self._opened = Opened(item.item, container, kept)
        return container


class Visit:
    """One item: a file with everything in it, or some members of a shared container."""

    def __init__(self, item: Item, limits: Limits, reader: Reader, send: Send) -> None:
        self._item = item
        self._limits = limits
        self._reader = reader
        self._send = send

    def chunk(self, container: Container) -> None:
        """Work on some members of a container that several workers share."""
        for number, member in enumerate(self._item.members, self._item.first):
            self._member(container, member, (number,), (), None)

    def file(self, descriptors: Sequence[int]) -> None:
        """Work on a file as a whole."""
        before = os.fstat(descriptors[0])
        streams = [stream.descriptor(number) for number in descriptors]
        source = opening.source_of(streams, self._item.name)
        self._begin(ITSELF, (), source.size_bytes)
        outcome = self._content(ITSELF, (), source, None, before.st_blocks * 512)
        after = os.fstat(descriptors[0])
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            outcome = self._outcome(
                ITSELF,
                (),
                Status.FAILED,
                size_bytes=after.st_size,
                reason="changed",
                contents=outcome.contents,
            )
        self._say(outcome)

    # -- one content -------------------------------------------------------------------------

    def _content(
        self,
        order: Order,
        inside: tuple[bytes, ...],
        source: Source,
        budget: Budget | None,
        stored_bytes: int | None = None,
    ) -> Outcome:
        """Read a seekable content: digests first, then what it holds or shows."""
        container: Container | None = None
        trouble: InputError | None = None
        listed = 0
        try:
            container, budget = _open(source, self._limits, budget)
        except InputError as error:
            trouble = error
        shared = order == ITSELF and container is not None and container.splittable
        if container is not None and shared:
            listed, trouble = self._list(container)
        if order == ITSELF and isinstance(container, Verifiable):
            return self._verified(container, listed, trouble)
        if self._hollow(source.size_bytes, stored_bytes):
            if container is not None and not shared:
                listed, trouble = self._walk(container, order, inside, budget)
            return self._outcome(
                order,
                inside,
                Status.SKIPPED,
                size_bytes=source.size_bytes,
                kind=container.kind if container else "",
                reason="sparse",
                detail=trouble.message if trouble else "",
                contents=listed,
            )
        read = self._read(order, source)
        self._say(Digested(self._item.item, order, read.digests, container=container is not None))
        if read.data is not None and self._limits.keep == "originals":
            self._hand_over(order, "original", read.data)
        if container is not None and not shared:
            listed, trouble = self._walk(container, order, inside, budget)
        judged = self._reader.judge(read, self._limits)
        if trouble is not None:
            judged = Judged(judged.seen, trouble.code, trouble.message)
        seen = judged.seen
        if seen.thumbnail:
            self._hand_over(order, "thumbnail", seen.thumbnail)
        return self._outcome(
            order,
            inside,
            Status.FAILED if judged.reason else Status.HASHED,
            size_bytes=read.size_bytes,
            kind=read.kind or (container.kind if container else ""),
            reason=judged.reason,
            detail=judged.detail,
            digests=read.digests,
            fingerprints=tuple(seen.fingerprints),
            contents=listed,
            width=seen.width,
            height=seen.height,
            facts=seen.facts,
            scene=seen.scene,
        )

    def _hollow(self, size_bytes: int, stored_bytes: int | None) -> bool:
        if stored_bytes is None or size_bytes <= self._limits.sparse_bytes:
            return False
        return stored_bytes * SPARSE_SHARE < size_bytes

    def _read(self, order: Order, source: Source) -> Read:
        known = self._item.digests
        if order == ITSELF and known and not looks_like_picture(source.head):
            return Read(known, source.size_bytes)  # a container that an earlier run has read
        source.stream.seek(0)
        return self._reader.read(source.stream, b"", self._limits, self._progress)

    def _verified(self, container: Verifiable, listed: int, trouble: InputError | None) -> Outcome:
        """Read a whole image and compare it with the digests that it carries."""
        told = 0

        def progress(read_bytes: int) -> None:
            nonlocal told
            self._progress(read_bytes - told)
            told = read_bytes

        status, reason, detail, computed = Status.HASHED, "", "", Digests()
        try:
            verification = container.verify(progress)
            computed = verification.computed
            detail = _VERIFIED[verification.outcome]
            if verification.outcome == "hash_mismatch":
                status, reason = Status.FAILED, "hash_mismatch"
        except InputError as error:
            trouble = trouble or error
        if trouble is not None and not reason:
            status, reason, detail = Status.FAILED, trouble.code, trouble.message
        return self._outcome(
            ITSELF,
            (),
            status,
            size_bytes=container.size_bytes,
            kind=container.kind,
            reason=reason,
            detail=detail,
            digests=computed,
            contents=listed,
        )

    # -- what lies in containers -------------------------------------------------------------

    def _list(self, container: Container) -> tuple[int, InputError | None]:
        """Send the listing of a shared container; return its length and what ended it early."""
        count = size = 0
        part: list[Member] = []
        trouble: InputError | None = None
        try:
            for member in container.members():
                part.append(member)
                size += member.size_bytes or 0
                if len(part) == LISTING_MEMBERS or size > LISTING_BYTES:
                    self._say(Listing(self._item.item, count + 1, tuple(part)))
                    count += len(part)
                    part, size = [], 0
        except InputError as error:
            trouble = error
        if part:
            self._say(Listing(self._item.item, count + 1, tuple(part)))
        return count + len(part), trouble

    def _walk(
        self,
        container: Container,
        order: Order,
        inside: tuple[bytes, ...],
        budget: Budget | None,
    ) -> tuple[int, InputError | None]:
        """Work on all members here; return how many there are and what ended it early."""
        if len(order) >= self._limits.nesting:
            return 0, InputError("too many containers inside each other", code="nesting_limit")
        count = 0
        try:
            for count, member in enumerate(container.members(), 1):
                if budget is not None and not budget.spend(MEMBER_BYTES):
                    return count - 1, budget.exceeded()
                self._member(container, member, (*order, count), inside, budget)
        except InputError as error:
            return count, error
        return count, None

    def _member(
        self,
        container: Container,
        member: Member,
        order: Order,
        inside: tuple[bytes, ...],
        budget: Budget | None,
    ) -> None:
        if order in self._item.done:
            return
        inside = (*inside, member.name)
        self._begin(order, inside, member.size_bytes)
        if member.outcome != "file":
            outcome = self._outcome(
                order,
                inside,
                Status(member.outcome),
                size_bytes=member.size_bytes,
                reason=member.reason,
                detail=member.detail,
            )
        else:
            try:
                outcome = self._opened(order, inside, container.open(member), member, budget)
            except (InputError, OSError) as error:
                code = error.code if isinstance(error, InputError) else "unreadable"
                outcome = self._outcome(
                    order,
                    inside,
                    Status.FAILED,
                    size_bytes=member.size_bytes,
                    reason=code,
                    detail=str(error),
                )
        if member.modified is not None:
            outcome = replace(outcome, modified=member.modified)
        self._say(outcome)

    def _opened(
        self,
        order: Order,
        inside: tuple[bytes, ...],
        data: BinaryIO,
        member: Member,
        budget: Budget | None,
    ) -> Outcome:
        """Work on a member; one that cannot be read twice is kept in memory if it holds more."""
        if data.seekable():
            source = opening.source_of((data,), member.name)
            return self._content(order, inside, source, budget, member.stored_bytes)
        head = data.read(containers.HEAD_BYTES)
        start = opening.source_of(
            (io.BytesIO(head),), member.name, member.size_bytes or opening.UNKNOWN_BYTES
        )
        if opening.recognise(start) is not None:
            joined = stream.buffered(Joined(head, data))
            whole = stream.seekable(joined, self._limits.nested_bytes)
            source = opening.source_of((whole,), member.name)
            return self._content(order, inside, source, budget)
        read = self._reader.read(data, head, self._limits, self._progress)
        if read.data is not None:
            # A picture with an archive behind it is both; it lies in memory anyway.
            source = opening.source_of((io.BytesIO(read.data),), member.name)
            return self._content(order, inside, source, budget)
        return self._outcome(
            order, inside, Status.HASHED, size_bytes=read.size_bytes, digests=read.digests
        )

    # -- saying ------------------------------------------------------------------------------

    def _begin(self, order: Order, inside: tuple[bytes, ...], size_bytes: int | None) -> None:
        self._say(Begin(self._item.item, order, inside, size_bytes))

    def _hand_over(self, order: Order, kind: Kind, data: bytes) -> None:
        for at in range(0, len(data), PART_BYTES):
            end = at + PART_BYTES
            part = Part(self._item.item, order, kind, data[at:end], last=end >= len(data))
            self._say(part)

    def _outcome(
        self, order: Order, inside: tuple[bytes, ...], status: Status, **known: object
    ) -> Outcome:
        return Outcome(item=self._item.item, order=order, status=status, inside=inside, **known)  # type: ignore[arg-type]  # fields by name

    def _progress(self, read_bytes: int) -> None:
        self._say(Progress(self._item.item, read_bytes))

    def _say(self, message: wire.Reply) -> None:
        self._send(wire.encode(message))


_VERIFIED = {
    "verified": "the stored hash matches",
    "hash_mismatch": "the stored hash does not match the content",
    "no_hash": "no hash is stored in it",
}


def _open(
    source: Source, limits: Limits, budget: Budget | None
) -> tuple[Container | None, Budget | None]:
    """Open a content as a container with its budget; (None, budget) when it is not opened as one.

    What lies inside an archive spends from the archive's own budget, however deep.

    Raises:
        ContainerError: it is one, but damaged.
    """
    found = opening.recognise(source) if limits.members else None
    if found is None:
        return None, budget
    bounds = ContainerLimits(total_bytes=limits.container_bytes, expansion=limits.expansion)
    budget = budget or bounds.budget(source.size_bytes)
    container = found.open(source, bounds, budget)
    return container, budget
