"""A released lead as a file for whoever takes it on: rows of evidence, never media, never a name.

It is the explanation that two persons released, word for word, with the posts behind each term, the
entries of lists that were met, what speaks against it, and where the log proves its release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.actors import explain, release
from tutela.actors.ranking import Desk
from tutela.actors.release import LeadInfo
from tutela.audit import log, proof
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.core.errors import TutelaError, UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import iso, now
from tutela.report import html, pdf
from tutela.report.html import Fact, Page, Section, Table, replacing
from tutela.store import Database
from tutela.store.tables.observation import (
    MediaPlace,
    Post,
    SeenHit,
    SeenMedia,
    Site,
    SiteAccount,
    SitePage,
)

Format = Literal["jsonl", "html", "pdf"]
FORMATS: Final = ("jsonl", "html", "pdf")
LIMITS: Final = (
    *explain.LIMITS,
    "A handle or a key is no identity: an account may be shared, stolen, or made to look alike.",
    "Check every row before anything is done. Media are named by digests: none are in this file.",
)


class Exported(msgspec.Struct, frozen=True):
    """What was written; `sha256` is the file's, as the log has it."""

    path: Path
    rows: int
    sha256: str


def write(  # noqa: PLR0913, PLR0917 what of which lead, for whom, how, and where to
    database: Database,
    who: Principal,
    case_id: CaseId,
    lead_id: int,
    format: Format,  # noqa: A002 the option's name
    out: Path,
    *,
    by: Desk,
) -> Exported:
    """Write a released lead to a file, whole or not at all, and say so in the log.

    Who came to be withheld since the release does not leave either.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_released`: the lead is not released, or its time is over; code
            `withheld`.
        ServiceError: the file cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format}", hint=f"choose one of {', '.join(FORMATS)}")
    with database.write() as tx:  # that the blind list is asked is logged
        require(tx, who, Permission.LEADS, case_id)
        lead = release.find(tx, who, case_id, lead_id)
        if lead.state != release.RELEASED:
            raise UsageError(
                f"this lead is {lead.state}: only a released one leaves",
                code="not_released",
                hint="two persons release a lead; it is over after 90 days",
            )
        release.refuse_withheld(tx, who, case_id, lead, by)
        rows = list(_rows(tx, who, case_id, lead))
    if format == "jsonl":
        with replacing(out) as stream:
            stream.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    elif format == "html":
        html.write(_page(rows), out)
    else:
        pdf.write(_page(rows), out, now())
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    with database.write() as tx:
        subject = f"lead:{lead_id}"
        facts = {"format": format, "rows": len(rows), "sha256": digest}
        log.record_many(
            tx, who, [log.Event("lead.exported", subject, {"case": int(case_id), **facts})]
        )
    return Exported(out, len(rows), digest)


def _rows(
    tx: Connection, who: Principal, case_id: CaseId, lead: LeadInfo
) -> Iterator[dict[str, Any]]:
    explanation = lead.explanation["explanation"]
    info = cases.info(tx, who, case_id)
    yield {
        "v": 1,
        "type": "lead",
        "lead": lead.id,
        "case": info.number,
        "place": lead.explanation["place"],
        "best_place": lead.explanation["best_place"],
        "worst_place": lead.explanation["worst_place"],
        "score": lead.explanation["score"],
        "lower": lead.explanation["lower"],
        "ranking": lead.ranking_id,
        "released_at": _iso(lead.released_at),
        "expires_at": _iso(lead.expires_at),
        "log_event": lead.released_seq,
        "authority": info.authority.reference,
    }
    yield from ({"v": 1, "type": "limit", "text": text} for text in LIMITS)
    yield from _accounts(tx, case_id, [*lead.members, *explanation["mirrored"]])
    for number, term in enumerate(explanation["terms"], 1):
        yield {"v": 1, "type": "term", "term": number, **term}
    posts = sorted({post for term in explanation["terms"] for post in term["posts"]})
    yield from _posts(tx, posts)
    yield from _hits(tx, posts)
    for one in explanation["counter"]:
        yield {"v": 1, "type": "counter", **one}
    for one in explanation["sensitivity"]:
        yield {"v": 1, "type": "sensitivity", **one}
    yield {"v": 1, "type": "proof", "log_event": lead.released_seq, **_proof(tx, lead)}


def _accounts(tx: Connection, case_id: CaseId, account_ids: list[int]) -> Iterator[dict[str, Any]]:
    rows = tx.execute(
        select(SiteAccount.__table__, Site.host, Site.net)
        .join(Site, Site.id == SiteAccount.site_id)
        .where(SiteAccount.case_id == case_id, among(tx, SiteAccount.id, account_ids))
        .order_by(SiteAccount.id)
    )
    for row in rows:
        yield {
            "v": 1,
            "type": "account",
            "account": row.id,
            "handle": row.handle,
            "site": row.host,
            "net": row.net,
            "role": row.role,
            "first_seen_at": _iso(row.first_seen_at),
            "last_seen_at": _iso(row.last_seen_at),
        }


def _posts(tx: Connection, post_ids: list[int]) -> Iterator[dict[str, Any]]:
    """Yield posts without their words; the digest is of the page on which each was read."""
    rows = tx.execute(
        select(Post.__table__, SitePage.body_sha256, SitePage.url)
        .join(SitePage, SitePage.id == Post.page_id)
        .where(among(tx, Post.id, post_ids))
        .order_by(Post.id)
    )
    for row in rows:
        yield {
            "v": 1,
            "type": "post",
            "post": row.id,
            "account": row.account_id,
            "thread": row.thread,
            "key": row.key,
            "posted_at": _iso(row.posted_at),
            "seen_at": _iso(row.seen_at),
            "views": row.views,
            "page": row.url,
            "page_sha256": row.body_sha256.hex(),
        }


def _hits(tx: Connection, post_ids: list[int]) -> Iterator[dict[str, Any]]:
    rows = tx.execute(
        select(MediaPlace.post, MediaPlace.role.label("stands"), SeenMedia.sha256, SeenHit)
        .join(SeenMedia, SeenMedia.id == MediaPlace.media_id)
        .join(SeenHit, SeenHit.media_id == SeenMedia.id)
        .where(among(tx, MediaPlace.post, post_ids), SeenHit.role == "alert")
        .order_by(MediaPlace.post, SeenMedia.id, SeenHit.list_name, SeenHit.entry)
        .with_only_columns(
            MediaPlace.post,
            MediaPlace.role.label("stands"),
            SeenMedia.sha256,
            SeenHit.list_name,
            SeenHit.entry,
            SeenHit.strength,
            SeenHit.algorithm,
            SeenHit.distance_bits,
            SeenHit.codes,
        )
    )
    for row in rows:
        yield {
            "v": 1,
            "type": "hit",
            "post": row.post,
            "stands": row.stands,
            "sha256": row.sha256.hex(),
            "list": row.list_name,
            "entry": row.entry,
            "strength": row.strength,
            "algorithm": row.algorithm,
            "distance_bits": row.distance_bits,
            "codes": row.codes,
        }


def _proof(tx: Connection, lead: LeadInfo) -> dict[str, str]:
    """Return the proof of the release where the log was signed since, and how to get it."""
    command = f"tutela audit proof {lead.released_seq}"
    try:
        text = proof.inclusion(tx, lead.released_seq or 0).text
    except TutelaError:  # not signed yet: the command gives it later
        text = ""
    return {"command": command, "inclusion": text}


def _page(rows: list[dict[str, Any]]) -> Page:
    by: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["type"], []).append(row)
    head = by["lead"][0]
    places = f"{head['best_place']} to {head['worst_place']}"
    return Page(
        title=f"Lead {head['lead']} of case {head['case']}",
        subtitle="About accounts on sites, released by two persons. No person is named here.",
        facts=(
            Fact("Place", str(head["place"]), note=f"between {places}"),
            Fact("Score", f"{head['score']:.1f}", note=f"ranked by {head['lower']:.1f}"),
            Fact("Over on", str(head["expires_at"])[:10], note="released " + head["released_at"]),
        ),
        sections=(
            *(_section(title, by.get(kind, []), columns) for title, kind, columns in _SECTIONS),
            Section(
                "Proof of the release",
                f"Event {head['log_event']} of the audit log: {by['proof'][0]['command']}",
                verbatim=by["proof"][0]["inclusion"],
            ),
        ),
        footer=LIMITS,
    )


_SECTIONS: Final[tuple[tuple[str, str, Mapping[str, str]], ...]] = (
    (
        "Accounts",
        "account",
        {"account": "Account", "handle": "Handle", "site": "Site", "role": "Role there"},
    ),
    (
        "What speaks against it",
        "counter",
        {"kind": "Kind", "sentence": "What", "posts": "Posts"},
    ),
    (
        "Terms of the score",
        "term",
        {"kind": "Kind", "about": "About", "points": "Points", "posts": "Posts"},
    ),
    (
        "Without some of what is known",
        "sensitivity",
        {"without": "Without", "place": "Place then"},
    ),
    (
        "Posts",
        "post",
        {"post": "Post", "posted_at": "Posted", "page": "Page", "page_sha256": "SHA-256"},
    ),
    (
        "Entries of lists",
        "hit",
        {
            "post": "Post",
            "list": "List",
            "entry": "Entry",
            "strength": "How sure",
            "distance_bits": "Bits",
            "sha256": "SHA-256",
        },
    ),
)


def _section(title: str, rows: list[dict[str, Any]], columns: Mapping[str, str]) -> Section:
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    return Section(title, table=Table(tuple(columns.values()), cells) if cells else None, empty="-")


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.1f}" if isinstance(value, float) else "-" if value is None else str(value)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
