"""How much a person has seen clear: each view is kept and logged, and breaks are proposed.

It proposes and never forbids; nobody is ranked by it, and only the person asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, insert, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework import policy as policies
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.access import Preference
from tutela.store.tables.casework import CaseMedia
from tutela.store.tables.grading import View

PAUSE = timedelta(minutes=10)
# A person's own stricter values: `{"views_before_break": 20, "minutes_before_break": 30}`.
PREFERENCE = "breaks"
REASONS = ("review", "second_reading", "adjudication", "compare", "identification")
# No stretch of work is longer than this, so no more views than these are looked through.
_LOOKED_AT = 20_000


class Meter(msgspec.Struct, frozen=True):
    """Clear views and minutes since the last pause of ten minutes or more.

    `break_due` says that the rule, or the person's own stricter one, proposes a break.
    """

    views: int
    minutes: int
    break_due: bool


def viewed(tx: Connection, who: Principal, case_id: CaseId, media_id: MediaId, reason: str) -> None:
    """Record that a picture is shown clear to `who`; call it before the bytes are given out.

    Raises:
        AccessError: `who` may not see clear pictures of this case.
        UsageError: the case is not open, its authority is not valid now, or the media is not in it.
    """
    require(tx, who, Permission.VIEW_CLEAR, case_id)
    if reason not in REASONS:
        raise UsageError(f"{reason[:40]!r} is no reason to view", hint=f"use {', '.join(REASONS)}")
    cases.working(tx, case_id)
    there = tx.execute(
        select(CaseMedia.media_id).where(
            CaseMedia.case_id == case_id, CaseMedia.media_id == media_id
        )
    ).one_or_none()
    if there is None:
        raise UsageError("this media is not in the case", code="media")
    if who.account_id is not None:
        tx.execute(
            insert(View).values(
                account_id=who.account_id,
                case_id=case_id,
                media_id=media_id,
                at=now(),
                reason=reason,
            )
        )
    log.record(tx, who, "media.viewed", f"media:{media_id}", case=case_id, reason=reason)


def meter(tx: Connection, who: Principal, policy: policies.Policy | None = None) -> Meter:
    """Return the meter of `who`."""
    require(tx, who, Permission.OWN)
    rules = policy or policies.read(tx)
    own = tx.execute(
        select(Preference.value).where(
            Preference.account_id == who.account_id, Preference.name == PREFERENCE
        )
    ).scalar_one_or_none()
    moments = tx.execute(
        select(View.at)
        .where(View.account_id == who.account_id)
        .order_by(View.at.desc())
        .limit(_LOOKED_AT)
    ).scalars()
    views, begun = _stretch(moments, now())
    minutes = 0 if begun is None else int((now() - begun).total_seconds() // 60)
    due = views >= _stricter(
        own, "views_before_break", rules.views_before_break
    ) or minutes >= _stricter(own, "minutes_before_break", rules.minutes_before_break)
    return Meter(views, minutes, due)


def _stretch(latest_first: Iterable[datetime], moment: datetime) -> tuple[int, datetime | None]:
    """Count the views back to the last pause, and say when the first of them was."""
    views = 0
    begun: datetime | None = None
    for at in latest_first:
        if (begun or moment) - at >= PAUSE:
            break
        views += 1
        begun = at
    return views, begun


def _stricter(own: object, name: str, rule: int) -> int:
    value = own.get(name) if isinstance(own, dict) else None
    return min(rule, value) if isinstance(value, int) and value > 0 else rule
