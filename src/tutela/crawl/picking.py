"""The statement that chooses which URLs are leased next; see `leases`.

Its parts: `valid` are the orders that may be worked on now, locked so that budgets hold; `ready`
are scopes with work whose host may be asked now, locked where nobody else holds them; of each the
first URLs are looked up in an index; ranks keep hosts and budgets from being exceeded within one
batch. However many URLs wait, only those of scopes that are ready are touched.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from tutela.casework.model import CaseState
from tutela.crawl.gates import Counted
from tutela.crawl.model import Kind, Net, Pace, State
from tutela.store.tables.casework import Authority, Case
from tutela.store.tables.crawl import CrawlHost, CrawlOrder, CrawlScope, CrawlSwitch, CrawlUrl

# Of scopes that are looked at for each URL wanted: some have nothing that may be taken now.
_SPARE = 4
Moment = datetime | BindParameter[datetime]


def chosen(dialect: str, pace: Pace) -> Select[Any]:
    """Select the ids of URLs that may be leased; `bound` gives what it needs to be run.

    It is the same whenever it is asked for: to make it takes longer than to run it.
    """
    moment = bindparam("at_moment", type_=CrawlHost.next_at.type)
    ready = _ready(moment, pace)
    picked = _picked(dialect, ready, moment).cte("picked")
    ranked = _ranked(picked).cte("ranked")
    return (
        select(ranked.c.id)
        .where(
            ranked.c.of_gate <= ranked.c.slots,
            or_(
                ranked.c.kind == Kind.MEDIA.value,
                and_(
                    ranked.c.of_scope <= ranked.c.scope_pages_left,
                    ranked.c.of_order <= ranked.c.order_pages_left,
                ),
            ),
        )
        .order_by(ranked.c.priority, ranked.c.id)
        .limit(_number("at_most"))
    )


def bound(moment: datetime, count: int, pace: Pace) -> dict[str, Any]:
    """Return the parameters of `chosen`: up to `count` URLs, at `moment`."""
    return {
        "at_moment": moment,
        "at_most": count,
        "at_most_scopes": _SPARE * count,
        "at_most_of_one": min(count, pace.lifted_in_flight) if pace.lifts else 1,
    }


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=Integer)


def is_lifted(pace: Pace, scope: Counted) -> bool:
    """Tell whether a pace takes the limits off the host of a scope, whatever its mirrors are."""
    return (pace.lift_loopback and scope.loopback) or (
        pace.lift_onion and scope.net == Net.ONION.value
    )


def workable(moment: Moment) -> ColumnElement[bool]:
    """Say of `crawl_orders`, joined to its case and authority, that it may be worked on."""
    return and_(
        CrawlOrder.started_at.is_not(None),
        CrawlOrder.paused_at.is_(None),
        CrawlOrder.revoked_at.is_(None),
        CrawlOrder.valid_from <= moment,
        CrawlOrder.valid_until > moment,
        Case.state == CaseState.OPEN.value,
        Authority.valid_from <= moment,
        Authority.valid_until > moment,
        ~exists().where(CrawlSwitch.raised_at.is_not(None)),
    )


def _valid(moment: Moment) -> CTE:
    return (
        select(
            CrawlOrder.id,
            (CrawlOrder.page_budget - CrawlOrder.pages_taken).label("pages_left"),
        )
        .join(Case, Case.id == CrawlOrder.case_id)
        .join(Authority, Authority.id == Case.authority_id)
        .where(workable(moment))
        .order_by(CrawlOrder.id)
        .with_for_update(of=CrawlOrder)
        .cte("valid")
    )


def _slots(pace: Pace, own: type[CrawlHost]) -> ColumnElement[int]:
    """Return how many more requests a host (`own`) may be asked, by what its gate says."""
    polite = case((CrawlHost.in_flight < pace.in_flight, 1), else_=0)
    lifted: list[ColumnElement[bool]] = []
    if pace.lift_loopback:
        lifted.append(own.loopback.is_(True))
    if pace.lift_onion:
        lifted.append(own.net == Net.ONION.value)
    if not lifted:
        return polite
    return case((or_(*lifted), pace.lifted_in_flight - CrawlHost.in_flight), else_=polite)


def _ready(moment: Moment, pace: Pace) -> CTE:
    own = aliased(CrawlHost)
    valid, slots = _valid(moment), _slots(pace, own)
    return (
        select(
            CrawlScope.id,
            CrawlScope.order_id,
            CrawlScope.gate_id,
            CrawlScope.leased_at,
            (CrawlScope.page_budget - CrawlScope.pages_taken).label("scope_pages_left"),
            valid.c.pages_left.label("order_pages_left"),
            slots.label("slots"),
        )
        .select_from(CrawlHost)
        .join(CrawlScope, CrawlScope.gate_id == CrawlHost.id)
        .join(own, own.id == CrawlScope.host_id)
        .join(valid, valid.c.id == CrawlScope.order_id)
        .where(
            # A literal, so that the partial index is taken also by a prepared statement.
            CrawlHost.waiting > literal_column("0"),
            CrawlHost.next_at <= moment,
            slots > 0,
            CrawlScope.waiting > 0,
            CrawlScope.dropped_at.is_(None),
        )
        .order_by(CrawlHost.next_at, CrawlScope.leased_at)
        .limit(_number("at_most_scopes"))
        .with_for_update(of=[CrawlHost, CrawlScope], skip_locked=True)
        .cte("ready")
    )


def _picked(dialect: str, ready: CTE, moment: Moment) -> Select[Any]:
    kinds = union_all(
        *(select(literal_column(f"'{kind.value}'").label("kind")) for kind in Kind)
    ).subquery("kinds")
    pages_left = and_(ready.c.scope_pages_left > 0, ready.c.order_pages_left > 0)
    pairs = ready.join(kinds, or_(kinds.c.kind == Kind.MEDIA.value, pages_left))
    first = aliased(CrawlUrl)
    wanted = (
        select(first.id, first.priority)
        .where(
            first.scope_id == ready.c.id,
            first.state == State.WAITING.value,
            first.kind == kinds.c.kind,
            first.next_at <= moment,
        )
        .order_by(first.priority, first.id)
        .limit(_number("at_most_of_one"))
    )
    joined: FromClause
    url_id: Any
    rank: Any
    if dialect == "postgresql":
        found = wanted.with_for_update(skip_locked=True).lateral("found")
        joined, url_id, rank = pairs.join(found, true()), found.c.id, found.c.priority
    else:
        # SQLite knows no LATERAL, and looks each id up by itself.
        ids = wanted.with_only_columns(first.id).correlate(ready, kinds)
        joined = pairs.join(CrawlUrl, CrawlUrl.id.in_(ids))
        url_id, rank = CrawlUrl.id, CrawlUrl.priority
    return select(
        url_id.label("id"),
        rank.label("priority"),
        kinds.c.kind,
        ready.c.id.label("scope_id"),
        ready.c.order_id,
        ready.c.gate_id,
        ready.c.leased_at,
        ready.c.slots,
        ready.c.scope_pages_left,
        ready.c.order_pages_left,
    ).select_from(joined)


def _ranked(picked: CTE) -> Select[Any]:
    def rank(by: list[Any], order: list[Any]) -> ColumnElement[int]:
        return func.row_number().over(partition_by=by, order_by=order)

    first = [picked.c.priority, picked.c.id]
    return select(
        picked,
        rank([picked.c.gate_id], [picked.c.leased_at, *first]).label("of_gate"),
        rank([picked.c.scope_id, picked.c.kind], first).label("of_scope"),
        rank([picked.c.order_id, picked.c.kind], first).label("of_order"),
    )
