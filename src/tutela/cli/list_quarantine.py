"""`tutela list quarantine`: entries that were too noisy to answer, and how a list matches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tutela.cli import output


def quarantine(
    name: str,
    *,
    release: list[int] | None = None,
    counts: bool = False,
    days: int = 30,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show entries that were too noisy to answer platforms, and let them answer again.

    Examples:
        tutela list quarantine known

        tutela list quarantine known --release 17

    Args:
        name: The list, one of your organisation's.
        release: Numbers of entries that shall answer again.
        counts: Show how often the list answered each member, instead.
        days: Of how many days, today included.
        format_: text for a person, or one row each as jsonl or csv.
        config: Settings file.
    """
    import msgspec  # noqa: PLC0415 - a command loads what it needs

    from tutela.cli.open import opened  # noqa: PLC0415 - heavy, as above
    from tutela.core.time import now  # noqa: PLC0415 - as above
    from tutela.exchange import lists, match_counts, match_quarantine  # noqa: PLC0415 - as above

    with opened(config) as office, office.database.write() as tx:
        view = lists.view(tx, office.who, name)
        for entry in release or ():
            match_quarantine.release(tx, office.who, view.id, entry)
        found: Iterable[Any] = (
            match_counts.of_list(tx, office.who, view.id, now() - timedelta(days=days - 1))
            if counts
            else match_quarantine.queue(tx, office.who, view.id)
        )
        kind = "answers" if counts else "noisy"
        rows = [{"v": 1, "type": kind, **msgspec.to_builtins(one)} for one in found]
    line = _count_line if counts else _noisy_line
    write = output.writer(format_, line, list(rows[0] if rows else []))
    for row in rows:
        write(row)
    return 0


def _noisy_line(row: Mapping[str, Any]) -> str:
    what = "contents resemble it" if row["cause"] == "resembles" else "members report it"
    return f"{row['entry']:>9}  {row['state']:<12}{row['count']:>7} {what}, {row['at'][:16]}"


def _count_line(row: Mapping[str, Any]) -> str:
    return (
        f"{row['organisation']:<32}{row['entries']:>9} entries{row['exact']:>9} exact"
        f"{row['indicative']:>9} indicative"
    )
