"""Finds, or makes, the media of VICS records: by SHA-256, else SHA-1 and MD5, else one of them.

What another system says of a content never changes what we know of it: a media that is there keeps
its digests and columns. A record whose SHA-256 we know with another MD5 is refused as a lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, or_, select

from tutela.casework.facts import STATED
from tutela.casework.formats.vics_record import Entry
from tutela.casework.standing import lock_media
from tutela.core.ids import MediaId
from tutela.core.media import PDQ_QUALITY_MINIMUM
from tutela.core.time import now
from tutela.hashlist.format import RowError
from tutela.store.bulk import insert_returning, insert_rows
from tutela.store.numbers import reserved
from tutela.store.tables.casework import Media, MediaFact

_NAMES = ("sha256", "sha1", "md5")


@dataclass
class _Known:
    """A media that is there, or (without an id) is about to be."""

    sha256: bytes | None
    sha1: bytes | None
    md5: bytes | None
    id: MediaId | None = None
    entry: Entry | None = None


def resolve(
    tx: Connection, entries: Sequence[Entry], source: str
) -> tuple[list[MediaId | RowError], set[int]]:
    """Return the media of each entry, or why it has none; and which of them are new here.

    They are locked, as graders lock them before they lock the case: nobody waits in a circle.
    `source` is who says what the new ones look like.
    """
    lock_media(tx, [media.id for media in _there(tx, entries) if media.id is not None])
    # Once more: somebody may have changed them before the lock was ours, or deleted their digests.
    known = _Contents(_there(tx, entries))
    placed = [known.of(entry) for entry in entries]
    made = _insert(tx, [media for media in known.new if media.entry is not None], source)
    found: list[MediaId | RowError] = []
    for media in placed:
        if isinstance(media, RowError):
            found.append(media)
        elif media.id is None:  # pragma: no cover - all were inserted
            raise AssertionError
        else:
            found.append(media.id)
    return found, made


def located(tx: Connection, entries: Sequence[Entry]) -> list[MediaId | None]:
    """Return the media that entries were imported as; None where they were refused."""
    known = _Contents(_there(tx, entries))
    placed = [known.of(entry) for entry in entries]
    return [None if isinstance(media, RowError) else media.id for media in placed]


class _Contents:
    """All media that share a digest with the entries at hand."""

    def __init__(self, there: Iterable[_Known]) -> None:
        self.new: list[_Known] = []
        self._by: dict[str, dict[bytes, list[_Known]]] = {name: {} for name in _NAMES}
        for media in there:
            self._add(media)

    def of(self, entry: Entry) -> _Known | RowError:
        sha256, sha1, md5 = (entry.digests.get(name) for name in _NAMES)
        if sha256:
            for media in self._by["sha256"].get(sha256, ()):
                if _differ(media.sha1, sha1) or _differ(media.md5, md5):
                    return RowError(
                        "contradiction", "its SHA-256 is known with another MD5 or SHA-1"
                    )
                return media
        elif found := self._weaker(sha1, md5):
            return found
        media = _Known(sha256, sha1, md5, entry=entry)
        self.new.append(media)
        self._add(media)
        return media

    def _weaker(self, sha1: bytes | None, md5: bytes | None) -> _Known | None:
        """Return the media of an entry without SHA-256."""
        if sha1 and md5:
            both = [m for m in self._by["md5"].get(md5, ()) if m.sha1 == sha1]
            return both[0] if both else None
        alike = self._by["md5"].get(md5, []) if md5 else self._by["sha1"].get(sha1 or b"", [])
        same = [m for m in alike if m.sha256 is None and (m.sha1, m.md5) == (sha1, md5)]
        if same or len(alike) == 1:
            return (same or alike)[0]
        return None  # none, or several with one MD5: which of them is meant, nobody knows

    def _add(self, media: _Known) -> None:
        for name in _NAMES:
            value = getattr(media, name)
            if value:
                self._by[name].setdefault(value, []).append(media)


def _differ(known: bytes | None, said: bytes | None) -> bool:
    return bool(known and said and known != said)


def _there(tx: Connection, entries: Sequence[Entry]) -> list[_Known]:
    asked = {
        name: sorted({e.digests[name] for e in entries if name in e.digests}) for name in _NAMES
    }
    rows = tx.execute(
        select(Media.id, Media.sha256, Media.sha1, Media.md5)
        .where(
            or_(
                Media.sha256.in_(asked["sha256"]),
                Media.sha1.in_(asked["sha1"]),
                Media.md5.in_(asked["md5"]),
            )
        )
        .order_by(Media.id)
    )
    return [_Known(row.sha256, row.sha1, row.md5, MediaId(row.id)) for row in rows]


def _insert(tx: Connection, new: Sequence[_Known], source: str) -> set[int]:
    moment = now()
    named = [media for media in new if media.sha256]
    others = [media for media in new if not media.sha256]
    # Somebody else may be adding the same content at this moment: then theirs is taken.
    before = _ids(tx, named)
    name, numbers = reserved(tx, Media.metadata.tables["media"], len(named))
    rows = [{name: n, **_row(media, moment)} for n, media in zip(numbers, named, strict=True)]
    # In one order: two imports of the same contents then wait for each other, and not in a circle.
    rows.sort(key=itemgetter("sha256"))
    insert_rows(tx, Media, rows, ignore_existing=True)
    after = _ids(tx, named)
    for media in named:
        media.id = after[media.sha256 or b""]
    for media, number in zip(
        others,
        insert_returning(tx, Media, [_row(media, moment) for media in others]),
        strict=True,
    ):
        media.id = MediaId(number)
    _say_who(tx, [media for media in new if media.entry and media.entry.pdq], source)
    return {int(media.id or 0) for media in new if (media.sha256 or b"") not in before}


def _say_who(tx: Connection, looking: Sequence[_Known], source: str) -> None:
    """Mark what new media look like as the word of another, unless somebody has read them."""
    theirs = tx.execute(
        select(Media.id).where(
            Media.id.in_([media.id for media in looking]),
            Media.pdq_quality == PDQ_QUALITY_MINIMUM,
        )
    )
    rows = [{"media_id": number, "name": STATED, "value": source} for number in theirs.scalars()]
    insert_rows(tx, MediaFact, rows, ignore_existing=True)


def _ids(tx: Connection, named: Sequence[_Known]) -> dict[bytes, MediaId]:
    rows = tx.execute(
        select(Media.sha256, Media.id).where(Media.sha256.in_([media.sha256 for media in named]))
    )
    return {row.sha256: MediaId(row.id) for row in rows}


def _row(media: _Known, moment: datetime) -> dict[str, Any]:
    entry = media.entry
    if entry is None:
        raise AssertionError
    return {
        "sha256": media.sha256,
        "sha1": media.sha1,
        "md5": media.md5,
        "size_bytes": entry.size_bytes,
        "kind": entry.kind,
        "is_picture": entry.is_picture,
        "width": entry.width,
        "height": entry.height,
        "pdq": entry.pdq,
        # How much it says is not said: enough to be compared, and less than what was read here.
        "pdq_quality": PDQ_QUALITY_MINIMUM if entry.pdq else None,
        "scene": None,
        **entry.columns,
        "first_seen_at": moment,
    }
