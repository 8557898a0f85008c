"""What the pipeline and its confined workers say to each other, and what the journal keeps.

A content has a place in its file before it has a row, the same in every run: `Order`, the way of
member numbers from the file inwards. The file itself is `()`, its third member `(3,)`, the first
thing inside that one `(3, 1)`.
"""

from __future__ import annotations

import enum
import struct
from datetime import datetime

import msgspec

from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.evidence.container import Member

Order = tuple[int, ...]
ITSELF: Order = ()


def pack_order(order: Order) -> bytes:
    """Return an order as bytes that sort as the contents lie: a container before what it holds."""
    return struct.pack(f">{len(order)}I", *order)


def unpack_order(packed: bytes) -> Order:
    """Return what `pack_order` packed."""
    return struct.unpack(f">{len(packed) // 4}I", packed)


class Status(enum.StrEnum):
    """How a content ended. Seen is the sum of the three."""

    HASHED = "hashed"
    SKIPPED = "skipped"
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, tag="outcome"):
    """How one content ended.

    `inside` names the way from the file to it (outer container first, raw bytes as stored); `kind`
    is the picture format or container kind, or empty; `digests` may be there for a failed one too.
    `contents` counts the members that were met directly inside, each of which has an outcome.
    """

    item: int
    order: Order
    status: Status
    inside: tuple[bytes, ...] = ()
    size_bytes: int | None = None
    kind: str = ""
    reason: str = ""
    detail: str = ""
    digests: Digests = Digests()
    fingerprints: tuple[Fingerprint, ...] = ()
    modified: datetime | None = None
    contents: int = 0


class Begin(msgspec.Struct, frozen=True, omit_defaults=True, tag="begin"):
    """The worker starts on a content: if it dies now, this is the one to blame."""

    item: int
    order: Order
    inside: tuple[bytes, ...] = ()
    size_bytes: int | None = None


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Still alive: `read_bytes` more have been read."""

    item: int
    read_bytes: int


class Listing(msgspec.Struct, frozen=True, tag="listing"):
    """Members of a container that several workers may share; `first` is the first one's number."""

    item: int
    first: int
    members: tuple[Member, ...]


class Digested(msgspec.Struct, frozen=True, tag="digested"):
    """The digests of a content are known; the riskier part, opening or decoding it, comes next.

    `container` tells that this may take long, so that the digests are worth keeping by themselves.
    """

    item: int
    order: Order
    digests: Digests
    container: bool


Reply = Outcome | Begin | Progress | Listing | Digested


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file, or some members of it, to work on.

    `streams` descriptors travel beside it, in segment order. `members` is empty for the file as
    a whole; `done` are contents already recorded, which are not touched again; `digests` are the
    file's own, if known before.
    """

    item: int
    name: bytes
    streams: int
    first: int = 0
    members: tuple[Member, ...] = ()
    done: frozenset[Order] = frozenset()
    digests: Digests = Digests()


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what one content may cost (see `core.settings.ScanSettings`)."""

    picture_bytes: int
    picture_pixels: int
    frames: int
    nesting: int
    nested_bytes: int
    container_bytes: int
    expansion: int
    sparse_bytes: int


class Request(msgspec.Struct, frozen=True):
    """Work for one worker: items in order, their descriptors concatenated beside it."""

    limits: Limits
    items: tuple[Item, ...]


_LENGTHS = {"md5": 16, "sha1": 20, "sha256": 32}
_NUMBERS = range(1, 1 << 32)


def believable(message: Reply, item: Item, limits: Limits) -> bool:
    """Tell whether a worker may say this of an item; one that was taken over says anything."""
    match message:
        case Listing():
            return not item.members and message.first in _NUMBERS
        case Progress():
            return message.read_bytes >= 0
        case Begin():
            return _possible(message.order, item, limits) and (message.size_bytes or 0) >= 0
        case Digested():
            return _possible(message.order, item, limits) and _well_formed(message.digests)
        case Outcome():
            return (
                _possible(message.order, item, limits)
                and _well_formed(message.digests)
                and min(message.size_bytes or 0, message.contents) >= 0
                and (message.modified is None or message.modified.tzinfo is not None)
                and all(len(f.bits) == 32 for f in message.fingerprints if f.algorithm == PDQ)
            )


def _possible(order: Order, item: Item, limits: Limits) -> bool:
    numbers = range(item.first, item.first + len(item.members))
    if item.members and (not order or order[0] not in numbers):
        return False
    return len(order) <= limits.nesting + 1 and all(number in _NUMBERS for number in order)


def _well_formed(digests: Digests) -> bool:
    return all(len(getattr(digests, n) or bytes(size)) == size for n, size in _LENGTHS.items())


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
decode_outcome = msgspec.msgpack.Decoder(Outcome).decode
decode_members = msgspec.msgpack.Decoder(tuple[Member, ...]).decode
