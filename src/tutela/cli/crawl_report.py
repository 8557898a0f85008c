"""`tutela crawl report`: what came of a crawl order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tutela.cli import output
from tutela.cli.open import opened
from tutela.core.ids import CrawlOrderId
from tutela.crawl import standing
from tutela.crawl.standing import Report

_COLUMNS = ["v", "type", "order", "host", "net", "path", "depth", "dropped", "found", "waiting"]
_COLUMNS += ["leased", "done", "failed", "refused", "skipped", "pages_taken", "media_taken"]
_COLUMNS += ["size_bytes", "robots", "trouble", "state", "reason", "count"]


def report(
    order: int,
    *,
    linked: str = "",
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show what came of an order: totals by host, outcomes by reason, and links left alone.

    Rows are of the type `crawl_host`, `crawl_outcome`, `crawl_left` (links that were not followed,
    by reason) and `crawl_outside` (how many hosts outside the scope were linked to).

    Args:
        order: The number of the order.
        linked: Say only how many links led to this host outside the scope; names are not kept.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    write = output.writer(format_, _line, _COLUMNS)
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        if linked:
            links = standing.outside(tx, office.who, CrawlOrderId(order), linked)
            write({"v": 1, "type": "crawl_linked", "order": order, "count": links})
            return 0
        made = standing.report(tx, office.who, CrawlOrderId(order))
    for row in _rows(made):
        write({"v": 1, "order": order, **row})
    return 0


def _rows(made: Report) -> Iterator[dict[str, Any]]:
    for host in made.hosts:
        yield {
            "type": "crawl_host",
            "host": host.host,
            "net": host.net,
            "path": host.path,
            "depth": host.depth,
            "dropped": host.dropped,
            "found": sum(host.states.values()),
            **host.states,
            "pages_taken": host.pages_taken,
            "media_taken": host.media_taken,
            "size_bytes": host.size_bytes,
            "robots": host.robots,
            "trouble": host.trouble,
        }
    for state, reason, count in made.outcomes:
        yield {"type": "crawl_outcome", "state": state, "reason": reason, "count": count}
    for reason, count in made.standing.left.items():
        yield {"type": "crawl_left", "reason": reason, "count": count}
    yield {"type": "crawl_outside", "count": made.standing.outside_hosts}


def _line(row: Mapping[str, Any]) -> str:
    match row["type"]:
        case "crawl_host":
            robots = "never read" if row["robots"] is None else row["robots"]
            return (
                f"{row['host']}{row['path']} to depth {row['depth']}: {row['found']:,} found, "
                f"{row['done']:,} done, {row['failed']:,} failed, {row['waiting']:,} wait; "
                f"{row['size_bytes']:,} bytes; robots.txt: {robots}"
            )
        case "crawl_outcome":
            return f"{row['state']:<8} {row['reason'] or '-':<20} {row['count']:>10,}"
        case "crawl_left":
            return f"not followed: {row['reason']:<20} {row['count']:>10,} links"
        case "crawl_linked":
            return f"{row['count']:,} links led there"
        case _:
            return f"{row['count']:,} hosts outside the scope were linked to"
