"""What the pipeline and its confined workers say to each other, and what the journal keeps.

A content has a place in its file before it has a row, the same in every run: `Order`, the way of
member numbers from the file inwards. The file itself is `()`, its third member `(3,)`, the first
thing inside that one `(3, 1)`.
"""

from __future__ import annotations

import enum
import struct
from datetime import datetime
from typing import Literal

import msgspec

from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.evidence.container import Member

Order = tuple[int, ...]
ITSELF: Order = ()

# What may be kept of a content, and how much of it a scan is asked to keep.
Kind = Literal["thumbnail", "original"]
Keep = Literal["nothing", "thumbnails", "originals"]

# What one `Part` may carry, and what a thumbnail may have in all.
PART_BYTES = 256 << 10
THUMBNAIL_BYTES = 64 << 10
FACTS = 32
FACT_CHARACTERS = 200


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

    Where facts were asked for, a picture has its `width` and `height` (pixels of the first frame,
    as a viewer shows it upright), `facts` in the words of `fingerprint.facts`, and `scene` (32
    bytes, `fingerprint.scene`; None where the picture shows too little to tell).
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
    width: int = 0
    height: int = 0
    facts: tuple[tuple[str, str], ...] = ()
    scene: bytes | None = None


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


class Part(msgspec.Struct, frozen=True, tag="part"):
    """The next bytes of what is to be kept of a content; `last` ends it.

    Parts come between the `Digested` of a content and its `Outcome`, the original before the
    picture is decoded, so that it is kept whatever decoding does to the worker.
    """

    item: int
    order: Order
    kind: Kind
    data: bytes
    last: bool


Reply = Outcome | Begin | Progress | Listing | Digested | Part


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


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bounds on what one content may cost (see `core.settings.ScanSettings`), and what is wanted.

    `facts` asks for what `Outcome` says of a picture beyond its fingerprints; `keep` for the bytes
    themselves. Without `members` a container is digested and not opened.
    """

    picture_bytes: int
    picture_pixels: int
    frames: int
    nesting: int
    nested_bytes: int
    container_bytes: int
    expansion: int
    sparse_bytes: int
    facts: bool = False
    keep: Keep = "nothing"
    members: bool = True


class Request(msgspec.Struct, frozen=True):
    """Work for one worker: items in order, their descriptors concatenated beside it."""

    limits: Limits
    items: tuple[Item, ...]


_LENGTHS = {"md5": 16, "sha1": 20, "sha256": 32}
_NUMBERS = range(1, 1 << 32)
_PIXELS = range(1 << 31)
_KEPT = {"nothing": 0, "thumbnails": 1, "originals": 2}
_WANTED = {"thumbnail": 1, "original": 2}


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
                and (limits.facts or not _says_facts(message))
                and _plausible_facts(message)
            )
        case Part():
            return (
                _possible(message.order, item, limits)
                and _WANTED[message.kind] <= _KEPT[limits.keep]
                and len(message.data) <= PART_BYTES
            )


def _possible(order: Order, item: Item, limits: Limits) -> bool:
    numbers = range(item.first, item.first + len(item.members))
    if item.members and (not order or order[0] not in numbers):
        return False
    return len(order) <= limits.nesting + 1 and all(number in _NUMBERS for number in order)


def _well_formed(digests: Digests) -> bool:
    return all(len(getattr(digests, n) or bytes(size)) == size for n, size in _LENGTHS.items())


def _says_facts(outcome: Outcome) -> bool:
    return bool(outcome.width or outcome.height or outcome.facts or outcome.scene is not None)


def _plausible_facts(outcome: Outcome) -> bool:
    return (
        outcome.width in _PIXELS
        and outcome.height in _PIXELS
        and (outcome.scene is None or len(outcome.scene) == 32)
        and len(outcome.facts) <= FACTS
        and all(len(t) <= FACT_CHARACTERS and t.isprintable() for f in outcome.facts for t in f)
    )


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
decode_outcome = msgspec.msgpack.Decoder(Outcome).decode
decode_members = msgspec.msgpack.Decoder(tuple[Member, ...]).decode
