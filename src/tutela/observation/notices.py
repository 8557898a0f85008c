"""Notices: pages with known media that a hotline or the police has to hear of.

They are drafts. Nothing is ever sent from here: a person passes a notice on by the way that the
receiver has for it, and writes down what the receiver calls it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework.among import among
from tutela.core.errors import ConflictError, UsageError
from tutela.core.hit import Strength
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows, update_rows
from tutela.store.tables.observation import Notice, Site, SitePage

KINDS = ("hotline", "police")
OPEN, PASSED, DISMISSED = "open", "passed", "dismissed"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears of known media, by the kind of net a site is on; empty for nobody.

    With `indicative` false only what an exact match knows becomes a notice: a perceptual hit is for
    a person here first.
    """

    clear: str = "hotline"
    onion: str = "police"
    indicative: bool = False


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as it stands, with the address that it is about."""

    id: int
    site_id: int
    page_id: int
    kind: str
    state: str
    net: str
    host: str
    url: str
    media: int
    exact: int
    made_at: datetime
    reference: str


def draft(
    tx: Connection,
    case_id: CaseId,
    pages: Mapping[tuple[int, int], Sequence[Strength]],
    policy: Policy,
    moment: datetime,
) -> list[Event]:
    """Draft a notice for each page, or add to the one that is open; return events to log.

    Args:
        tx: A transaction that writes.
        case_id: The case.
        pages: By site and page, how each newly raised place there is known.
        policy: Who hears of it.
        moment: When.
    """
    wanted = _wanted(tx, pages, policy)
    if not wanted:
        return []
    rows = [_row(case_id, *key, kind, moment) for key, kind in sorted(wanted.items())]
    # Workers may find media of one page at once: each adds to the same row.
    insert_rows(tx, Notice, rows, ignore_existing=True)
    locked = (
        select(Notice.__table__)
        .where(among(tx, Notice.page_id, {page_id for _, page_id in wanted}))
        .order_by(Notice.id)
        .with_for_update()
    )
    changed: list[dict[str, Any]] = []
    events: list[Event] = []
    for row in tx.execute(locked).all():
        if wanted.get((row.site_id, row.page_id)) != row.kind:
            continue
        strengths = pages[row.site_id, row.page_id]
        media = row.media + len(strengths)
        exact = row.exact + sum(one is Strength.EXACT for one in strengths)
        # New media on a page that was passed on or dismissed are news.
        told = {"id": row.id, "media": media, "exact": exact, "changed_at": moment, "state": OPEN}
        changed.append(told)
        if not row.media or row.state != OPEN:
            facts = {"kind": row.kind, "media": media}
            events.append(Event("notice.drafted", f"notice:{row.id}", facts))
    update_rows(tx, Notice, changed)
    return events


def listed(tx: Connection, who: Principal, case_id: CaseId, state: str = OPEN) -> list[Drafted]:
    """Return the notices of a case in one state, oldest first.

    Raises:
        AccessError: `who` may not see what was read for the case.
    """
    require(tx, who, Permission.CRAWL, case_id)
    return _found(tx, Notice.case_id == case_id, Notice.state == state)


def export(tx: Connection, who: Principal, case_id: CaseId) -> list[Drafted]:
    """Return the open notices of a case, for a person to pass on; it is logged.

    Raises:
        AccessError: as `listed`.
    """
    found = listed(tx, who, case_id)
    log.record(tx, who, "notice.exported", f"case:{case_id}", notices=len(found))
    return found


def decide(tx: Connection, who: Principal, notice_id: int, *, passed: bool, words: str) -> None:
    """Close a notice: passed on, with what the receiver calls it, or dismissed, with the reason.

    Raises:
        AccessError: `who` may not see what was read for the case.
        ConflictError: it is closed already.
        UsageError: there is no such notice, or nothing is said.
    """
    row = tx.execute(
        select(Notice.case_id, Notice.state).where(Notice.id == notice_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise UsageError(f"there is no notice {notice_id}", code="not_found")
    require(tx, who, Permission.CRAWL, CaseId(row.case_id))
    if row.state != OPEN:
        raise ConflictError(f"the notice is {row.state} already", hint="list the open ones again")
    if not words.strip():
        raise UsageError("say what the receiver calls it" if passed else "say why it is dismissed")
    tx.execute(
        update(Notice)
        .where(Notice.id == notice_id)
        .values(
            state=PASSED if passed else DISMISSED,
            reference=words.strip() if passed else "",
            decided_by=who.account_id,
            decided_at=now(),
        )
    )
    name = "reference" if passed else "reason"
    action = "notice.passed" if passed else "notice.dismissed"
    log.record(tx, who, action, f"notice:{notice_id}", texts={name: words.strip()})


def _wanted(
    tx: Connection, pages: Mapping[tuple[int, int], Sequence[Strength]], policy: Policy
) -> dict[tuple[int, int], str]:
    """Return who shall hear of each page."""
    telling = {
        key: strengths
        for key, strengths in pages.items()
        if policy.indicative or Strength.EXACT in strengths
    }
    sites = select(Site.id, Site.net).where(among(tx, Site.id, {key[0] for key in telling}))
    kinds = {row.id: getattr(policy, row.net) for row in tx.execute(sites)}
    return {key: kinds[key[0]] for key in telling if kinds[key[0]]}


def _row(
    case_id: CaseId, site_id: int, page_id: int, kind: str, moment: datetime
) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "site_id": site_id,
        "page_id": page_id,
        "kind": kind,
        "state": OPEN,
        "media": 0,
        "exact": 0,
        "made_at": moment,
        "changed_at": moment,
        "decided_by": None,
        "decided_at": None,
        "reference": "",
    }


def _found(tx: Connection, *conditions: Any) -> list[Drafted]:
    rows = tx.execute(
        select(Notice.__table__, Site.net, Site.host, SitePage.url)
        .join(Site, Site.id == Notice.site_id)
        .join(SitePage, SitePage.id == Notice.page_id)
        .where(*conditions)
        .order_by(Notice.id)
    )
    names = Drafted.__struct_fields__
    return [Drafted(**{name: getattr(row, name) for name in names}) for row in rows]
