"""`tutela crawl authorise`: ask for a crawl order, and carry it out once it was granted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from tutela.casework import case as cases
from tutela.cli.open import Office, opened
from tutela.core.errors import UsageError
from tutela.core.ids import ApprovalId, CaseId
from tutela.core.time import now
from tutela.crawl import order as orders
from tutela.crawl.model import NewOrder


def authorise(
    case: str,
    url: list[str] | None = None,
    *,
    legal_basis: str = "",
    reference: str = "",
    issued_by: str = "",
    days: int = 30,
    valid_from: datetime | None = None,
    depth: int = 3,
    below: str | None = None,
    pages: int = 10_000,
    against_robots: str = "",
    reason: str = "",
    carry_out: int | None = None,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Ask for a crawl order, or with --carry-out make one that another person granted.

    A supervisor or somebody of the case's team grants it in the browser, on the page for approvals.

    Examples:
        tutela crawl authorise 2026/17 http://forum.example/board/ --legal-basis "Act, section 7" \
            --reference CR-3 --issued-by "Court" --reason "accounts that trade"
        tutela crawl authorise 2026/17 --carry-out 12

    Args:
        case: The case.
        url: Where to begin: its host, below the folder that it lies in; may be repeated.
        legal_basis: The law that allows it.
        reference: The order's reference, as its issuer files it.
        issued_by: The authority that issued it.
        days: For how many days it is valid.
        valid_from: From when on; now if left out. In UTC where no offset is given.
        depth: How many links deep each site is followed.
        below: The path that all of it lies below, in place of the folder of each URL.
        pages: How many pages are asked for at most.
        against_robots: Where the order says that robots.txt may be gone against.
        reason: Why, for the other person.
        carry_out: The number of what was granted.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        case_id = cases.by_number(tx, office.who, case).id
        if carry_out is not None:
            return _carry_out(office, tx, case_id, ApprovalId(carry_out))
        begin = valid_from or now()
        begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
        wanted = NewOrder(
            legal_basis=legal_basis,
            reference=reference,
            issuing_authority=issued_by,
            scopes=tuple(orders.scope(one, depth, below) for one in _some(url)),
            valid_from=begin,
            valid_until=begin + timedelta(days=days),
            page_budget=pages,
            robots_override=bool(against_robots),
            robots_reason=against_robots,
        )
        number = orders.ask(tx, office.who, case_id, wanted, reason)
    print(f"asked as {number}: another person grants it in the browser, under Approvals")
    print(f"then: tutela crawl authorise {case} --carry-out {number}")
    return 0


def _carry_out(office: Office, tx: Connection, case_id: CaseId, number: ApprovalId) -> int:
    pages = office.settings.crawl.host_pages
    order_id = orders.carry_out(tx, office.who, case_id, number, host_pages=pages)
    print(f"crawl order {order_id} is made; tutela crawl start {order_id} lets it run")
    return 0


def _some(url: list[str] | None) -> list[str]:
    if not url:
        raise UsageError("say where to begin: one URL or more", code="order")
    return url
