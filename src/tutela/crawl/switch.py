"""The kill switch, in three layers, each enough by itself.

1. A signal file on each machine: written first, since nothing can be in its way. A worker looks
   for it before every request (`signal_file.is_raised`).
2. A row in the database: while it stands nothing is leased, on any machine (`picking.workable`).
3. Each worker's own tor, which ends with the worker.

Anybody who may crawl for any case may stop everything. To go on takes a reason.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework.model import CaseState
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import CrawlOrderId
from tutela.core.principal import Principal, Via
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import Authority, Case
from tutela.store.tables.crawl import CrawlOrder, CrawlSwitch

SUBJECT = "crawl"
_ROW = 1


def stop(tx: Connection, who: Principal, reason: str = "") -> None:
    """Raise the switch in the database; it may be raised already.

    Raises:
        AccessError: `who` may crawl for no case at all.
    """
    _require(who)
    insert_rows(tx, CrawlSwitch, [_LOWERED], ignore_existing=True)
    tx.execute(
        update(CrawlSwitch)
        .where(CrawlSwitch.id == _ROW)
        .values(raised_at=now(), raised_by=who.account_id)
    )
    texts = {"reason": reason.strip()} if reason.strip() else {}
    log.record(tx, who, "crawl.stopped", SUBJECT, texts=texts)


def release(tx: Connection, who: Principal, reason: str) -> None:
    """Lower the switch in the database; the caller takes the signal file away after the commit.

    Raises:
        AccessError: `who` may crawl for no case at all.
        UsageError: no reason is given.
    """
    _require(who)
    if not reason.strip():
        raise UsageError("say why crawling may go on: it is kept beside the audit log")
    tx.execute(
        update(CrawlSwitch).where(CrawlSwitch.id == _ROW).values(raised_at=None, raised_by=None)
    )
    log.record(tx, who, "crawl.released", SUBJECT, texts={"reason": reason.strip()})


def is_stopped(tx: Connection) -> bool:
    """Tell whether the switch is raised in the database."""
    raised = select(CrawlSwitch.id).where(CrawlSwitch.raised_at.is_not(None))
    return tx.execute(raised).first() is not None


def is_held(tx: Connection, order_id: CrawlOrderId) -> bool:
    """Tell whether an order must not be worked on at this moment."""
    return bool(held_by(tx, order_id))


def held_by(tx: Connection, order_id: CrawlOrderId) -> str:
    """Return the code of what holds an order back at this moment, empty for nothing.

    `stopped`, `unknown`, `revoked`, `not_started`, `paused`, `not_yet`, `expired`, `case_closed` or
    `authority` (that of the case).
    """
    if is_stopped(tx):
        return "stopped"
    row = tx.execute(
        select(
            CrawlOrder.started_at,
            CrawlOrder.paused_at,
            CrawlOrder.revoked_at,
            CrawlOrder.valid_from,
            CrawlOrder.valid_until,
            Case.state,
            Authority.valid_from.label("case_from"),
            Authority.valid_until.label("case_until"),
        )
        .join(Case, Case.id == CrawlOrder.case_id)
        .join(Authority, Authority.id == Case.authority_id)
        .where(CrawlOrder.id == order_id)
    ).one_or_none()
    if row is None:
        return "unknown"
    moment = now()
    held = (
        ("revoked", row.revoked_at is not None),
        ("expired", moment >= row.valid_until),
        ("not_yet", moment < row.valid_from),
        ("case_closed", row.state != CaseState.OPEN.value),
        ("authority", not row.case_from <= moment < row.case_until),
        ("not_started", row.started_at is None),
        ("paused", row.paused_at is not None),
    )
    return next((code for code, holds in held if holds), "")


def _require(who: Principal) -> None:
    if who.via is not Via.BREAK_GLASS and not allows(who, Permission.CRAWL):
        raise AccessError(
            f"{who.name} may not do this", hint="it takes a role that crawls, for any case"
        )


_LOWERED = {"id": _ROW, "raised_at": None, "raised_by": None}
