"""What `tutela leads` says: rows for programs, and lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tutela.actors.explain import Comparison, Difference
from tutela.actors.linking import LinkInfo
from tutela.actors.marking import Marked
from tutela.actors.ranking import RankedInfo, RankingInfo
from tutela.actors.release import LeadInfo
from tutela.cli import output
from tutela.core.time import iso
from tutela.observation.find import AccountInfo

VERSION = 1
Row = dict[str, Any]
COLUMNS = (
    *("v", "type", "ranking", "made_at", "weights", "seen", "ranked", "withheld"),
    *("place", "best_place", "worst_place", "account", "members", "handle", "site"),
    *("lower", "score", "kind", "about", "points", "factors", "posts", "sentence", "value"),
    *("without", "link", "other", "tier", "bits", "state"),
    *("mark", "reason", "since", "lead", "expires_at", "log_event"),
)


def ranking(info: RankingInfo) -> Row:
    """Return the row of a ranking."""
    return {
        "v": VERSION,
        "type": "ranking",
        "ranking": info.id,
        "made_at": iso(info.made_at),
        "weights": info.weights_version,
        "seen": info.seen,
        "ranked": info.ranked,
        "withheld": info.withheld,
    }


def ranked(one: RankedInfo, account: AccountInfo | None) -> Row:
    """Return the row of an account in a ranking."""
    return {
        "v": VERSION,
        "type": "account",
        "ranking": one.ranking_id,
        "place": one.place,
        "best_place": one.best_place,
        "worst_place": one.worst_place,
        "account": one.account_id,
        "members": list(one.members),
        "handle": account.handle if account else "",
        "site": account.host if account else "",
        "lower": round(one.lower, 3),
        "score": round(one.score, 3),
    }


def explanation(one: RankedInfo, account: AccountInfo | None) -> Iterator[Row]:
    """Yield the rows that explain where an account stands."""
    yield ranked(one, account)
    for kind in ("terms", "counter", "sensitivity"):
        for row in one.explanation[kind]:
            yield {
                "v": VERSION,
                "type": {"terms": "term"}.get(kind, kind),
                "account": one.account_id,
                **row,
            }


def comparison(found: Comparison) -> Iterator[Row]:
    """Yield the rows of what sets one account above another."""
    for one in (*found.differences, Difference("what ranks", found.points)):
        yield {"v": VERSION, "type": "difference", "about": one.what, "points": one.points}


def link(one: LinkInfo) -> Row:
    """Return the row of a link."""
    return {
        "v": VERSION,
        "type": "link",
        "link": one.id,
        "account": one.one_id,
        "other": one.other_id,
        "tier": one.tier,
        "bits": round(one.weight, 3),
        "state": one.state,
        "reason": one.reason,
        "about": [each["sentence"] for each in one.evidence],
    }


def mark(one: Marked) -> Row:
    """Return the row of a mark."""
    return {
        "v": VERSION,
        "type": "mark",
        "mark": one.id,
        "account": one.account_id,
        "kind": one.kind.value,
        "reason": one.reason,
        "since": iso(one.set_at),
    }


def lead(one: LeadInfo) -> Row:
    """Return the row of a lead."""
    return {
        "v": VERSION,
        "type": "lead",
        "lead": one.id,
        "account": one.account_id,
        "members": list(one.members),
        "ranking": one.ranking_id,
        "state": one.state,
        "expires_at": iso(one.expires_at) if one.expires_at else None,
        "log_event": one.released_seq,
    }


def line(row: output.Row) -> str:
    """Return the line of a row for a person."""
    return _LINES[row["type"]](row)


def _ranking(row: output.Row) -> str:
    withheld = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in row["withheld"].items())
    return (
        f"ranking {row['ranking']} of {row['made_at']}, weights {row['weights']}: "
        f"{row['seen']:,} accounts seen, {row['ranked']:,} ranked; {withheld or 'none left out'}"
    )


def _account(row: output.Row) -> str:
    span = f"{row['best_place']}-{row['worst_place']}"
    grouped = f" with {len(row['members']) - 1} more" if len(row["members"]) > 1 else ""
    return (
        f"{row['place']:>4}  {span:<9} account {row['account']:<6} {row['handle']} "
        f"({row['site']}){grouped}  bound {row['lower']:.1f}, score {row['score']:.1f}"
    )


def _term(row: output.Row) -> str:
    factors = " x ".join(f"{name} {value:.3g}" for name, value in row["factors"])
    posts = ", ".join(map(str, row["posts"][:8]))
    about = f" {row['about']}" if row["about"] != row["kind"] else ""
    return f"  {row['points']:>8.1f}  {row['kind']}{about}: {factors or 'context'}; posts {posts}"


def _counter(row: output.Row) -> str:
    return f"  against: {row['sentence']}"


def _sensitivity(row: output.Row) -> str:
    place = "no lead" if row["place"] is None else f"place {row['place']}"
    return f"  {row['without']}: {place}"


def _difference(row: output.Row) -> str:
    return f"  {row['points']:>+9.1f}  {row['about']}"


def _link(row: output.Row) -> str:
    why = f" ({row['reason']})" if row["reason"] else ""
    return (
        f"{row['tier']}  {row['account']} and {row['other']}: {row['state']}{why}, "
        f"{row['bits']:.1f} bits; {'; '.join(row['about'])}"
    )


def _mark(row: output.Row) -> str:
    return f"account {row['account']}: {row['kind']}, since {row['since']}: {row['reason']}"


def _lead(row: output.Row) -> str:
    until = f" until {row['expires_at']}" if row["expires_at"] else ""
    return f"lead {row['lead']} about account {row['account']}: {row['state']}{until}"


_LINES = {
    "ranking": _ranking,
    "account": _account,
    "term": _term,
    "counter": _counter,
    "sensitivity": _sensitivity,
    "difference": _difference,
    "link": _link,
    "mark": _mark,
    "lead": _lead,
}
