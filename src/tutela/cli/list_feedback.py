"""`tutela list feedback`: what members say of published lists, and the owner's answer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tutela.cli import output
from tutela.cli.open import opened
from tutela.core.ids import FeedbackId
from tutela.exchange import feedback as said
from tutela.exchange import lists
from tutela.exchange.feedback import Count
from tutela.exchange.model import Said


def feedback(
    name: str,
    *,
    accept: int = 0,
    decline: int = 0,
    reason: str = "",
    counts: bool = False,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show what members say of a published list's entries and wait for, and answer it.

    An accepted dispute or false positive withdraws the entry.

    Examples:
        tutela list feedback known

        tutela list feedback known --accept 4 --reason "a landscape indeed"

    Args:
        name: The list.
        accept: Number of the feedback to accept.
        decline: Number of the feedback to decline.
        reason: Why; it is kept beside the log.
        counts: Show how often which member said what, instead of the queue.
        format_: text for a person, or one row each as jsonl or csv.
        config: Settings file.
    """
    with opened(config) as office, office.database.write() as tx:
        view = lists.view(tx, office.who, name)
        for number, yes in ((accept, True), (decline, False)):
            if number:
                said.answer(tx, office.who, FeedbackId(number), accept=yes, reason=reason)
        found: Iterable[Any] = (
            said.statistics(tx, office.who, view.id)
            if counts
            else said.queue(tx, office.who, view.id)
        )
        rows = [{"v": 1, "type": "feedback", **msgspec.to_builtins(one)} for one in found]
    columns = ["v", "type", *(Count if counts else Said).__struct_fields__]
    write = output.writer(format_, _count_line if counts else _said_line, columns)
    for row in rows:
        write(row)
    return 0


def _said_line(row: output.Row) -> str:
    about = f"entry {row['entry_id']}"
    why = "; ".join([*row["reasons"], row["note"]]).strip("; ")
    return f"{row['id']:>6}  {about:<14} {row['verdict']:<15} {row['organisation']:<24} {why}"


def _count_line(row: output.Row) -> str:
    return (
        f"{row['organisation']:<32} {row['verdict']:<15} {row['said']:>8} said "
        f"{row['waiting']:>6} waiting"
    )
