"""Crawl orders: asked by one, granted by another person, carried out once; nothing without one.

An order names the law, who issued it, what may be crawled and until when. It is not changed
afterwards: something else needs another order. It can be paused, hosts can be dropped from it, and
it can be revoked, each by one person alone: less is always allowed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from tutela.access import approvals
from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import ApprovalId, CaseId, CrawlOrderId
from tutela.core.principal import Principal, Via
from tutela.core.time import iso, now
from tutela.crawl import frontier, tags, urls
from tutela.crawl.model import NewOrder, Order, Scope
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Approval, CaseMember
from tutela.store.tables.crawl import CrawlHost, CrawlOrder, CrawlScope

KIND: Final = "crawl.authorise"
MOST_SCOPES: Final = 1_000
MOST_DEPTH: Final = 50
MOST_PAGES: Final = 100_000_000
HOST_PAGES: Final = 100_000  # of one host, where the order does not allow fewer in all
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_SCOPE = re.compile(r"(\S+) below (/\S*) to depth ([0-9]{1,3})")
_WORDS = ("legal_basis", "reference", "issuing_authority")


def scope(url: str, depth: int, path: str | None = None) -> Scope:
    """Return the scope that begins at `url`: the folder that it lies in, or what `path` says.

    Raises:
        InputError: it is no URL that can be crawled (`urls.canonical`).
        UsageError: code `scope`: it does not lie under the path, or the depth is out of range.
    """
    address = urls.canonical(url)
    below = path if path is not None else address.path[: address.path.rindex("/") + 1]
    below = urls.canonical(f"http://scope.test{below}").path if below.startswith("/") else ""
    if not urls.under(address.path, below or "?"):
        raise UsageError("the URL does not lie under the path of its scope", code="scope")
    if not 0 <= depth <= MOST_DEPTH:
        raise UsageError(f"a depth lies between 0 and {MOST_DEPTH}", code="scope")
    return Scope(address.url, address.host, address.net, below, depth)


def ask(
    tx: Connection, who: Principal, case_id: CaseId, wanted: NewOrder, reason: str
) -> ApprovalId:
    """Ask for an order under a case; another person has to grant it, on the page for approvals.

    Raises:
        AccessError: `who` may not crawl for this case, not even with another.
        UsageError: the order is not complete (code `order`), or the case may not be worked on.
    """
    require(tx, who, Permission.CRAWL, case_id)
    cases.working(tx, case_id)
    _check(wanted)
    return approvals.ask(tx, who, KIND, f"case:{case_id}", body_of(wanted), reason)


def carry_out(
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    approval_id: ApprovalId,
    *,
    host_pages: int = HOST_PAGES,
) -> CrawlOrderId:
    """Make the order that was granted, with the URLs that it begins at; once.

    Nothing is crawled before it is started.

    Args:
        tx: A transaction that writes.
        who: The one who asked, or the one who granted.
        case_id: The case that it was asked for.
        approval_id: What was granted.
        host_pages: Pages of one host at most.

    Raises:
        AccessError: code `second_person`: it was not granted by another person, or used already.
        UsageError: the case may not be worked on at this moment.
    """
    require(tx, who, Permission.CRAWL, case_id)
    cases.working(tx, case_id)
    wanted = order_of(approvals.carry_out(tx, who, approval_id, KIND, f"case:{case_id}"))
    _check(wanted)
    persons = tx.execute(
        select(Approval.asked_by, Approval.decided_by).where(Approval.id == approval_id)
    ).one()
    made = tx.execute(
        insert(CrawlOrder)
        .values(
            case_id=case_id,
            approval_id=approval_id,
            asked_by=persons.asked_by,
            granted_by=persons.decided_by,
            legal_basis=wanted.legal_basis,
            reference=wanted.reference,
            issuing_authority=wanted.issuing_authority,
            valid_from=wanted.valid_from,
            valid_until=wanted.valid_until,
            robots_override=wanted.robots_override,
            robots_reason=wanted.robots_reason,
            page_budget=wanted.page_budget,
            pages_taken=0,
            media_taken=0,
            tag_key=secrets.token_bytes(tags.KEY_BYTES),
            made_at=now(),
        )
        .returning(CrawlOrder.id)
    ).scalar_one()
    order_id = CrawlOrderId(made)
    _put_scopes(tx, order_id, wanted, min(host_pages, wanted.page_budget))
    frontier.add_seeds(tx, who, order_id, (one.url for one in wanted.scopes))
    log.record(
        tx,
        who,
        "crawl.ordered",
        f"crawl:{order_id}",
        texts=_texts(wanted),
        case=case_id,
        approval=approval_id,
        asked_by=persons.asked_by,
        granted_by=persons.decided_by,
        valid_from=wanted.valid_from.isoformat(),
        valid_until=wanted.valid_until.isoformat(),
        scopes=len(wanted.scopes),
        pages=wanted.page_budget,
        against_robots=wanted.robots_override,
    )
    return order_id


def find(tx: Connection, who: Principal, order_id: CrawlOrderId) -> Order:
    """Return an order.

    Raises:
        AccessError: it is not there, or `who` may not crawl for its case: the same words for both.
    """
    row = tx.execute(select(CrawlOrder.__table__).where(CrawlOrder.id == order_id)).one_or_none()
    try:
        require(tx, who, Permission.CRAWL, CaseId(row.case_id if row else -1))
    except AccessError as error:
        if not allows(who, Permission.CRAWL):
            raise
        raise _unknown(error.code) from None
    if row is None:
        raise _unknown("refused")
    return _order(row)


def list_(tx: Connection, who: Principal, case_id: CaseId | None = None) -> list[Order]:
    """Return the orders of a case, or of all cases whose team `who` is of, the newest first.

    Raises:
        AccessError: `who` may not crawl.
    """
    if not allows(who, Permission.CRAWL) and who.via is not Via.BREAK_GLASS:
        raise AccessError(f"{who.name} may not do this", hint="it takes a role that crawls")
    asked = select(CrawlOrder.__table__).order_by(CrawlOrder.id.desc())
    if who.via is not Via.BREAK_GLASS:
        own = select(CaseMember.case_id).where(CaseMember.account_id == who.account_id)
        asked = asked.where(CrawlOrder.case_id.in_(own))
    if case_id is not None:
        require(tx, who, Permission.CRAWL, case_id)
        asked = asked.where(CrawlOrder.case_id == case_id)
    return [_order(row) for row in tx.execute(asked)]


def start(tx: Connection, who: Principal, order_id: CrawlOrderId, seeds: Iterable[str] = ()) -> int:
    """Let an order be worked on from now on, or again; return how many seeds are new.

    Raises:
        AccessError: `who` may not crawl for its case.
        InputError: a seed is no URL that can be crawled.
        UsageError: it is revoked or over (code `order`), its case may not be worked on, or a seed
            lies outside its scope (code `scope`).
    """
    order = find(tx, who, order_id)
    cases.working(tx, order.case_id)
    if order.revoked_at is not None or order.valid_until <= now():
        state = "revoked" if order.revoked_at is not None else "over"
        raise UsageError(
            f"crawl order {order_id} is {state}", code="order", hint="ask for another order"
        )
    new = frontier.add_seeds(tx, who, order_id, seeds)
    if order.started_at is None or order.paused_at is not None:
        tx.execute(
            update(CrawlOrder)
            .where(CrawlOrder.id == order_id)
            .values(started_at=order.started_at or now(), paused_at=None)
        )
        log.record(tx, who, "crawl.started", order.subject)
    return new


def pause(tx: Connection, who: Principal, order_id: CrawlOrderId, reason: str) -> None:
    """Let nothing more of an order be leased until it is started again.

    Raises:
        AccessError: `who` may not crawl for its case.
        UsageError: no reason is given.
    """
    order = find(tx, who, order_id)
    _said(reason)
    if order.paused_at is None:
        _stamp(tx, order_id, paused_at=now())
        log.record(tx, who, "crawl.paused", order.subject, texts={"reason": reason.strip()})


def revoke(tx: Connection, who: Principal, order_id: CrawlOrderId, reason: str) -> None:
    """Make an order void for ever: the next lease gets nothing of it.

    Raises:
        AccessError: `who` may not crawl for its case.
        UsageError: no reason is given, or it is revoked already (code `order`).
    """
    order = find(tx, who, order_id)
    _said(reason)
    if order.revoked_at is not None:
        raise UsageError(f"crawl order {order_id} is revoked already", code="order")
    _stamp(tx, order_id, revoked_at=now())
    log.record(tx, who, "crawl.revoked", order.subject, texts={"reason": reason.strip()})


def drop(tx: Connection, who: Principal, order_id: CrawlOrderId, host: str, reason: str) -> int:
    """Crawl a host under an order no more; return how many scopes end.

    Raises:
        AccessError: `who` may not crawl for its case.
        UsageError: no reason is given, or the order is not about this host (code `scope`).
    """
    order = find(tx, who, order_id)
    _said(reason)
    named = urls.canonical(f"http://{host}/").host
    there = select(CrawlHost.id).where(CrawlHost.host == named)
    ended = tx.execute(
        update(CrawlScope)
        .where(
            CrawlScope.order_id == order_id,
            CrawlScope.host_id.in_(there),
            CrawlScope.dropped_at.is_(None),
        )
        .values(dropped_at=now())
    ).rowcount
    if not ended:
        raise UsageError("the order is not about this host", code="scope")
    texts = {"host": named, "reason": reason.strip()}
    log.record(tx, who, "crawl.dropped", order.subject, texts=texts, scopes=ended)
    return ended


def body_of(wanted: NewOrder) -> dict[str, str]:
    """Return an order as it is asked for: words that the second person reads as they stand."""
    body = {
        "legal_basis": wanted.legal_basis,
        "reference": wanted.reference,
        "issuing_authority": wanted.issuing_authority,
        "valid_from": iso(wanted.valid_from),
        "valid_until": iso(wanted.valid_until),
        "pages": str(wanted.page_budget),
        "against_robots": wanted.robots_reason if wanted.robots_override else "",
    }
    for number, one in enumerate(wanted.scopes, 1):
        body[f"scope_{number}"] = f"{one.url} below {one.path} to depth {one.depth}"
    return body


def order_of(body: dict[str, Any]) -> NewOrder:
    """Return the order that was asked for, of its body.

    Raises:
        UsageError: code `order`: it is none.
    """
    scopes = []
    for name, text in body.items():
        if not name.startswith("scope_"):
            continue
        if (found := _SCOPE.fullmatch(text)) is None:
            raise UsageError("a scope of this order cannot be read", code="order")
        scopes.append(scope(found[1], int(found[3]), found[2]))
    return NewOrder(
        legal_basis=body["legal_basis"],
        reference=body["reference"],
        issuing_authority=body["issuing_authority"],
        scopes=tuple(scopes),
        valid_from=datetime.fromisoformat(body["valid_from"]),
        valid_until=datetime.fromisoformat(body["valid_until"]),
        page_budget=int(body["pages"]),
        robots_override=bool(body["against_robots"]),
        robots_reason=body["against_robots"],
    )


def _texts(wanted: NewOrder) -> dict[str, str]:
    """Return the words for the log; one for all scopes, since an event has an end."""
    body = body_of(wanted)
    scopes = "\n".join(text for name, text in body.items() if name.startswith("scope_"))
    named = {name: body[name] for name in (*_WORDS, "against_robots") if body[name]}
    return {**named, "scopes": scopes}


def _check(wanted: NewOrder) -> None:
    words = [getattr(wanted, name) for name in _WORDS] + [wanted.robots_reason]
    if not all(word.strip() for word in words[:-1]):
        raise _incomplete("it needs a legal basis, a reference and who issued it")
    if not all(word.isprintable() for word in words):
        raise _incomplete("its words are one line each")
    if wanted.robots_override and not wanted.robots_reason.strip():
        raise _incomplete("going against robots.txt needs the place where the order says so")
    if not wanted.scopes or len(wanted.scopes) > MOST_SCOPES:
        raise _incomplete(f"it needs 1 to {MOST_SCOPES} scopes")
    if len({(one.host, one.path) for one in wanted.scopes}) != len(wanted.scopes):
        raise _incomplete("two of its scopes are the same")
    if wanted.valid_from.tzinfo is None or wanted.valid_until.tzinfo is None:
        raise _incomplete("its dates have no time zone")
    if wanted.valid_until <= wanted.valid_from:
        raise _incomplete("it ends before it begins")
    if wanted.valid_until <= now():
        raise _incomplete("it is over already")
    if not 1 <= wanted.page_budget <= MOST_PAGES:
        raise _incomplete("it needs a budget of pages")


def _incomplete(why: str) -> UsageError:
    return UsageError(f"a crawl order cannot be asked for so: {why}", code="order")


def _said(reason: str) -> None:
    if not reason.strip():
        raise UsageError("say why: it is kept beside the audit log")


def _unknown(code: str) -> AccessError:
    return AccessError(
        "there is no such crawl order, or you are not on the team of its case",
        code=code,
        hint="tutela crawl status shows yours",
    )


def _stamp(tx: Connection, order_id: CrawlOrderId, **moment: datetime) -> None:
    tx.execute(update(CrawlOrder).where(CrawlOrder.id == order_id).values(**moment))


def _put_scopes(tx: Connection, order_id: CrawlOrderId, wanted: NewOrder, host_pages: int) -> None:
    hosts = sorted({(one.host, one.net.value) for one in wanted.scopes})
    rows = [
        {
            "host": host,
            "net": net,
            "loopback": urls.is_loopback(host),
            "gate_id": 0,
            "next_at": _BEGINNING,
            "in_flight": 0,
            "waiting": 0,
            "delay_ms": None,
            "backoff": 0,
            "trouble": "",
        }
        for host, net in hosts
    ]
    insert_rows(tx, CrawlHost, rows, ignore_existing=True)
    tx.execute(update(CrawlHost).where(CrawlHost.gate_id == 0).values(gate_id=CrawlHost.id))
    known = {
        row.host: row
        for row in tx.execute(
            select(CrawlHost.id, CrawlHost.host, CrawlHost.gate_id).where(
                CrawlHost.host.in_([host for host, _ in hosts])
            )
        )
    }
    scopes = [
        {
            "order_id": order_id,
            "host_id": known[one.host].id,
            "gate_id": known[one.host].gate_id,
            "path": one.path,
            "depth": one.depth,
            "page_budget": host_pages,
            "pages_taken": 0,
            "media_taken": 0,
            "waiting": 0,
            "leased_at": _BEGINNING,
            "dropped_at": None,
        }
        for one in wanted.scopes
    ]
    insert_rows(tx, CrawlScope, scopes)


def _order(row: Row[Any]) -> Order:
    found = row._mapping  # noqa: SLF001 SQLAlchemy's public name for it
    return msgspec.convert({name: found[name] for name in Order.__struct_fields__}, Order)
