"""Where media stand, what they are once they were hashed, and which of them lists have.

A media is fetched once for a case, whatever the number of places that point at it. Nothing of it is
kept but digests, a perceptual hash, and what lists say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.orm import aliased

from tutela.casework.among import among
from tutela.casework.contents import among_digests
from tutela.core.entry import Role
from tutela.core.hit import Hit
from tutela.core.ids import CaseId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.observation.model import MediaSeen
from tutela.store.bulk import insert_rows, update_rows
from tutela.store.tables.observation import MediaPlace, SeenHit, SeenMedia


class Stand(NamedTuple):
    """A media at a place: on a page, in a post (0 for in none)."""

    site_id: int
    page_id: int
    post_id: int
    media: MediaSeen


class Hashed(msgspec.Struct, frozen=True, kw_only=True):
    """A media that was fetched, hashed and dropped, or could not be.

    Attributes:
        url: Its canonical URL, by which pages point at it.
        digests: All three; none where it could not be fetched.
        size_bytes: How long it was.
        kind: What its first bytes say it is, such as `jpeg`.
        fingerprints: Perceptual ones.
        trouble: A code: why it was not fetched, or has no perceptual hash. Empty for nothing.
        hits: What lists say of it.
        generation: Of the library that was asked.
    """

    url: str
    digests: Digests = Digests()
    size_bytes: int = 0
    kind: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    trouble: str = ""
    hits: tuple[Hit, ...] = ()
    generation: int = 0


def place_of(url: str) -> bytes:
    """Return the SHA-256 of a URL, by which pages and media are looked up."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).digest()


class _Known(NamedTuple):
    """What is known of a media at a URL: its row, why it has none, and where it redirects to."""

    media_id: int | None = None
    trouble: str = ""
    moved_to: str = ""


def keep(
    tx: Connection, case_id: CaseId, moment: datetime, stands: Iterable[Stand]
) -> frozenset[str]:
    """Keep where media stand; return the URLs of those that nobody had yet.

    Those that could not be had are among them: another order may have more luck, or may more.
    """
    by_key = {
        (one.page_id, one.post_id, place_of(one.media.url), one.media.role.value): one
        for one in stands
    }
    if not by_key:
        return frozenset()
    fetched = _fetched(tx, case_id, {key[2] for key in by_key})
    rows = [
        _row(case_id, (one.site_id, *key), one.media.url, fetched.get(key[2], _Known()), moment)
        for key, one in sorted(by_key.items(), key=lambda pair: pair[0])
    ]
    insert_rows(tx, MediaPlace, rows, ignore_existing=True)
    _follow(tx, case_id, [row for row in rows if row["moved_to"]], moment)
    had = {place for place, known in fetched.items() if known.media_id or known.moved_to}
    return frozenset(one.media.url for key, one in by_key.items() if key[2] not in had)


def settle(
    tx: Connection, case_id: CaseId, hashed: Sequence[Hashed], moment: datetime
) -> dict[str, int]:
    """Keep what media are, wherever they stand; return their rows by URL, without those in trouble.

    Of two at one URL the last counts: a site may answer differently each time, and then each
    content has its row, and the place names the last.
    """
    good = {one.digests.sha256: one for one in hashed if one.digests.sha256 is not None}
    ids = _contents(tx, case_id, good, moment)
    meet(tx, case_id, {ids[sha256]: one.hits for sha256, one in good.items()}, moment)
    found = {one.url: ids[one.digests.sha256] for one in hashed if one.digests.sha256 in ids}
    rows = [
        {
            "case_id": case_id,
            "place": place_of(one.url),
            "media_id": found.get(one.url),
            "trouble": "" if one.url in found else one.trouble or "unfetched",
        }
        for one in hashed
    ]
    # What was had once stays known where it cannot be had a second time.
    troubled = {place_of(one.url) for one in hashed if one.url not in found}
    had = {place for place, known in _fetched(tx, case_id, troubled).items() if known.media_id}
    told = [row for row in rows if row["media_id"] is not None or row["place"] not in had]
    update_rows(tx, MediaPlace, told, key=("case_id", "place"))
    return found


def moved(tx: Connection, case_id: CaseId, targets: Mapping[str, str], moment: datetime) -> None:
    """Let media stand at the addresses that theirs redirect to as well, wherever they stood."""
    if not targets:
        return
    by_place = {place_of(url): target for url, target in targets.items()}
    told = [
        {"case_id": case_id, "place": place, "trouble": "moved", "moved_to": target}
        for place, target in by_place.items()
    ]
    update_rows(tx, MediaPlace, told, key=("case_id", "place"))
    _follow(tx, case_id, _standing(tx, case_id, by_place), moment)


def led_to(tx: Connection, case_id: CaseId, places: Iterable[bytes]) -> set[bytes]:
    """Return places, and those that media there redirect to in the end and on the way."""
    found = set(places)
    new = found
    while new:
        rows = tx.execute(
            select(MediaPlace.moved_to)
            .where(
                MediaPlace.case_id == case_id,
                among_digests(tx, MediaPlace.place, new),
                MediaPlace.moved_to != "",
            )
            .distinct()
        )
        new = {place_of(url) for url in rows.scalars()} - found
        found |= new
    return found


def _standing(tx: Connection, case_id: CaseId, places: Iterable[bytes]) -> list[Mapping[str, Any]]:
    rows = tx.execute(
        select(MediaPlace.__table__)
        .where(MediaPlace.case_id == case_id, among_digests(tx, MediaPlace.place, set(places)))
        .order_by(MediaPlace.id)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 SQLAlchemy's public name


def _follow(
    tx: Connection, case_id: CaseId, rows: Sequence[Mapping[str, Any]], moment: datetime
) -> None:
    """Keep where media stand that redirect, at each address on their way, as far as it is known."""
    seen = {(row["page_id"], row["post"], row["place"], row["role"]) for row in rows}
    while rows:
        fetched = _fetched(tx, case_id, {place_of(row["moved_to"]) for row in rows})
        copies = []
        for row in rows:
            place = place_of(row["moved_to"])
            at = (row["site_id"], row["page_id"], row["post"], place, row["role"])
            if at[1:] not in seen:
                seen.add(at[1:])
                known = fetched.get(place, _Known())
                copies.append(_row(case_id, at, row["moved_to"], known, moment))
        insert_rows(tx, MediaPlace, copies, ignore_existing=True)
        rows = [row for row in copies if row["moved_to"]]


def _row(
    case_id: CaseId,
    at: tuple[int, int, int, bytes, str],
    url: str,
    known: _Known,
    moment: datetime,
) -> dict[str, Any]:
    site_id, page_id, post_id, place, role = at
    return {
        "case_id": case_id,
        "site_id": site_id,
        "page_id": page_id,
        "post": post_id,
        "place": place,
        "url": url,
        "role": role,
        **known._asdict(),
        "seen_at": moment,
        "raised_at": None,
    }


def catch_up(tx: Connection, case_id: CaseId, moment: datetime) -> list[str]:
    """Tell places what their media are where two workers missed each other; return the URLs.

    One kept a page while the other settled a media of it, and neither saw what the other wrote.
    """
    waiting, known = aliased(MediaPlace), aliased(MediaPlace)
    columns = (known.media_id, known.trouble, known.moved_to)
    rows = tx.execute(
        select(waiting.id, waiting.url, waiting.place, *columns)
        .join(known, (known.case_id == waiting.case_id) & (known.place == waiting.place))
        .where(
            waiting.case_id == case_id,
            waiting.media_id.is_(None),
            waiting.trouble == "",
            known.media_id.is_not(None) | (known.trouble != ""),
        )
    ).all()
    told = {row.id: _Known(row.media_id, row.trouble, row.moved_to) for row in rows}
    changed = [{"id": number, **what._asdict()} for number, what in sorted(told.items())]
    update_rows(tx, MediaPlace, changed)
    on = {row.place: row.moved_to for row in rows if row.moved_to}
    _follow(tx, case_id, _standing(tx, case_id, on) if on else [], moment)
    return sorted({row.url for row in rows} | set(on.values()))


def waiting(tx: Connection) -> list[CaseId]:
    """Return the cases in which media were not fetched, or were by a worker that was killed."""
    rows = tx.execute(
        select(MediaPlace.case_id)
        .where(MediaPlace.media_id.is_(None), MediaPlace.trouble == "")
        .distinct()
    )
    return [CaseId(case_id) for case_id in rows.scalars()]


def _fetched(tx: Connection, case_id: CaseId, places: set[bytes]) -> dict[bytes, _Known]:
    """Return what is known of media at some URLs: those that were fetched, or tried."""
    columns = (MediaPlace.media_id, MediaPlace.trouble, MediaPlace.moved_to)
    rows = tx.execute(
        select(MediaPlace.place, *columns).where(
            MediaPlace.case_id == case_id,
            among_digests(tx, MediaPlace.place, places),
            MediaPlace.media_id.is_not(None) | (MediaPlace.trouble != ""),
        )
    )
    return {row.place: _Known(*row[1:]) for row in rows}


def _contents(
    tx: Connection, case_id: CaseId, good: Mapping[bytes, Hashed], moment: datetime
) -> dict[bytes, int]:
    wanted = select(SeenMedia.id, SeenMedia.sha256).where(
        SeenMedia.case_id == case_id, among_digests(tx, SeenMedia.sha256, good)
    )
    there = {row.sha256: row.id for row in tx.execute(wanted)}
    missing = sorted(good.keys() - there.keys())
    if missing:
        rows = [_content(case_id, good[sha256], moment) for sha256 in missing]
        insert_rows(tx, SeenMedia, rows, ignore_existing=True)
        there = {row.sha256: row.id for row in tx.execute(wanted)}
    return there


def _content(case_id: CaseId, one: Hashed, moment: datetime) -> dict[str, Any]:
    pdq = next((f for f in one.fingerprints if f.algorithm == PDQ and f.frame == 0), None)
    return {
        "case_id": case_id,
        "sha256": one.digests.sha256,
        "sha1": one.digests.sha1 or b"",
        "md5": one.digests.md5 or b"",
        "size_bytes": one.size_bytes,
        "kind": one.kind,
        "pdq": pdq.bits if pdq else None,
        "pdq_quality": pdq.quality if pdq else None,
        "trouble": one.trouble,
        "listed": _listed(one.hits),
        "generation": one.generation,
        "compared_at": moment,
        "first_seen_at": moment,
    }


def _listed(hits: Sequence[Hit]) -> bool:
    return any(hit.role is Role.ALERT for hit in hits)


def meet(
    tx: Connection, case_id: CaseId, hits: Mapping[int, Sequence[Hit]], moment: datetime
) -> None:
    """Keep what lists say of contents, by their rows, and mark those that alert lists have."""
    best: dict[tuple[int, str, int], dict[str, Any]] = {}
    for media_id, found in sorted(hits.items()):
        for hit in reversed(found):  # the strongest comes first, and is to stay
            key = (media_id, hit.list, hit.entry_number)
            best[key] = _hit(case_id, key, hit, moment)
    insert_rows(tx, SeenHit, [best[key] for key in sorted(best)], ignore_existing=True)
    listed = [media_id for media_id, found in hits.items() if _listed(found)]
    behind = select(SeenMedia.id).where(
        among(tx, SeenMedia.id, listed), SeenMedia.listed.is_(False)
    )
    rows = [{"id": number, "listed": True} for number in sorted(tx.execute(behind).scalars())]
    update_rows(tx, SeenMedia, rows)


def _hit(case_id: CaseId, key: tuple[int, str, int], hit: Hit, moment: datetime) -> dict[str, Any]:
    return {
        "media_id": key[0],
        "list_name": key[1],
        "entry": key[2],
        "case_id": case_id,
        "role": hit.role.value,
        "strength": hit.strength.value,
        "algorithm": hit.algorithm,
        "distance_bits": hit.distance_bits,
        "variant": hit.variant,
        "codes": [[one.scheme, one.code] for one in hit.entry.classifications],
        "at": moment,
    }
