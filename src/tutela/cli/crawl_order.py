"""`tutela crawl start`, `status`, `pause` and what else is said of one order."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core.errors import UsageError
from tutela.core.ids import CrawlOrderId
from tutela.core.time import iso
from tutela.crawl import mirrors as groups
from tutela.crawl import order as orders
from tutela.crawl import pace, signal_file, standing, switch
from tutela.crawl.model import State
from tutela.crawl.standing import Standing

_COLUMNS = ["v", "type", "order", "case", "reference", "held_by", "valid_from", "valid_until"]
_COLUMNS += ["found", "waiting", "leased", "done", "failed", "refused", "skipped"]
_COLUMNS += ["pages_taken", "page_budget", "media_taken", "waits", "next_at", "outside_hosts"]
_STATES = {
    State.WAITING: "wait",
    State.LEASED: "leased",
    State.DONE: "done",
    State.FAILED: "failed",
    State.REFUSED: "refused",
    State.SKIPPED: "skipped",
}
_SENTENCES = {
    "stopped": "the kill switch is raised",
    "revoked": "the order is revoked",
    "expired": "the order is over",
    "not_yet": "the order does not run yet",
    "case_closed": "the case is not open",
    "authority": "the authority of the case is not valid now",
    "not_started": "the order is not started",
    "paused": "the order is paused",
    "dropped": "their host was dropped from the order",
    "order_budget": "the order allows no more pages",
    "host_budget": "no more pages of their host",
    "backoff": "their host was overloaded or silent",
    "in_flight": "enough requests to their host are under way",
    "politeness": "their host was asked a moment ago",
    "retry": "they failed and are tried again later",
    "ready": "the next worker that asks gets them",
}


def start(
    order: int,
    *,
    seed: list[str] | None = None,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Let an order be worked on from now on, or again after a pause.

    Args:
        order: The number of the order.
        seed: Another URL to begin at, within the scope; may be repeated.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        _refuse_while_stopped(office)
        with office.database.write() as tx:
            new = orders.start(tx, office.who, CrawlOrderId(order), seed or ())
    print(f"crawl order {order}: started, {new} URLs to begin at were added")
    print("workers ask for them: tutela crawl work", file=sys.stderr)
    return 0


def status(
    order: int | None = None,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show the orders of your cases: what was found, what came of it, what waits and why.

    Args:
        order: One order only.
        format_: text for a person, or one row for each order as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    write = output.writer(format_, _line, _COLUMNS)
    found = 0
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        told = pace.of(office.settings.crawl)
        if format_ == "text" and signal_file.is_raised(office.settings.crawl.signal_file):
            print("the kill switch is raised on this machine; see tutela crawl release")
        numbers = [one.id for one in orders.list_(tx, office.who)] if order is None else [order]
        for number in numbers:
            write(_row(standing.of(tx, office.who, CrawlOrderId(number), told)))
            found += 1
    if not found and format_ == "text":
        print("no crawl orders yet: tutela crawl authorise CASE")
    return 0


def pause(order: int, *, reason: str, break_glass: str = "", config: Path | None = None) -> int:
    """Let nothing more of an order be asked for until it is started again.

    Args:
        order: The number of the order.
        reason: Why.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        orders.pause(tx, office.who, CrawlOrderId(order), reason)
    print(f"crawl order {order}: paused")
    return 0


def revoke(order: int, *, reason: str, break_glass: str = "", config: Path | None = None) -> int:
    """Make an order void for ever. Something else takes another order.

    Args:
        order: The number of the order.
        reason: Why.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        orders.revoke(tx, office.who, CrawlOrderId(order), reason)
    print(f"crawl order {order}: revoked")
    return 0


def drop(
    order: int, host: str, *, reason: str, break_glass: str = "", config: Path | None = None
) -> int:
    """Crawl one host of an order no more.

    Args:
        order: The number of the order.
        host: The host, as in its scope.
        reason: Why.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        ended = orders.drop(tx, office.who, CrawlOrderId(order), host, reason)
    print(f"crawl order {order}: {ended} scopes ended")
    return 0


def mirrors(order: int, *hosts: str, break_glass: str = "", config: Path | None = None) -> int:
    """Say that hosts are one machine: from now on they share one pace.

    Args:
        order: The number of the order whose scope they are in.
        hosts: Two or more of its hosts.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        count = groups.group(tx, office.who, CrawlOrderId(order), hosts)
    print(f"{count} hosts share one pace")
    return 0


def _refuse_while_stopped(office: Office) -> None:
    with office.database.read() as tx:
        raised = switch.is_stopped(tx)
    if raised or signal_file.is_raised(office.settings.crawl.signal_file):
        raise UsageError(
            "the kill switch is raised", code="stopped", hint="tutela crawl release --reason WHY"
        )


def _row(one: Standing) -> dict[str, object]:
    order = one.order
    return {
        "v": 1,
        "type": "crawl_order",
        "order": order.id,
        "case": order.case_id,
        "reference": order.reference,
        "held_by": one.held_by,
        "valid_from": iso(order.valid_from),
        "valid_until": iso(order.valid_until),
        "found": one.found,
        **one.states,
        "pages_taken": order.pages_taken,
        "page_budget": order.page_budget,
        "media_taken": order.media_taken,
        "waits": one.waits,
        "next_at": iso(one.next_at) if one.next_at else None,
        "outside_hosts": one.outside_hosts,
    }


def _line(row: Mapping[str, Any]) -> str:
    held = _SENTENCES.get(row["held_by"], row["held_by"]) or "it runs"
    lines = [
        f"order {row['order']} ({row['reference']}, until {row['valid_until']}): {held}",
        f"  found {row['found']:,}: "
        + ", ".join(f"{row[state.value]:,} {word}" for state, word in _STATES.items()),
        f"  pages {row['pages_taken']:,} of {row['page_budget']:,}, media {row['media_taken']:,}",
        f"  hosts outside the scope that were linked to: {row['outside_hosts']:,}",
    ]
    lines += [
        f"  {count:,} wait: {_SENTENCES.get(code, code)}" for code, count in row["waits"].items()
    ]
    if row["next_at"]:
        lines.append(f"  next at {row['next_at']}")
    return "\n".join(lines)
