"""Rows of `tutela chat score`, and a person's lines of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tutela.chat.budget import Chosen, false_alerts
from tutela.chat.model import ConversationScore, PairScore, Reason, stage
from tutela.chat.run import Calm, Ranked, Totals

VERSION: Final = 1
COLUMNS: Final = (
    *("v", "type", "rank", "source", "number", "conversation", "points", "alert"),
    *("messages", "speakers", "signs", "pairs"),
)
WARNING: Final = (
    "Signs of risk order this list. They prove nothing and say nothing of what a person is: "
    "somebody must read."
)
# What lies beside conversations, and is none.
HARMLESS_REASONS: Final = frozenset({"media", "no_conversation", "empty", "symlink", "visited"})
_SHOWN_CHARACTERS: Final = 160
_PAIRS: Final = 3


def conversation(
    rank: int,
    ranked: Ranked,
    source: str,
    lines: Mapping[int, str] | None,
    *,
    names: bool,
) -> dict[str, Any]:
    """Return the row of a conversation; the pair that it stands there for comes first.

    Args:
        rank: From 1 on.
        ranked: What it adds up to.
        source: What its source is called.
        lines: Words of the lines that counted, by number; None where none are shown.
        names: Whether conversation and speakers are named as the export does, not numbered.
    """
    score = ranked.score
    called = _called(score, names=names)
    return {
        "v": VERSION,
        "type": "conversation",
        "rank": rank,
        "source": source,
        "number": ranked.number,
        "conversation": score.conversation if names else "",
        "points": round(score.points, 2),
        "alert": score.alert,
        "messages": score.messages,
        "speakers": score.speakers,
        "signs": [reason.sign.value for reason in score.pairs[0].reasons],
        "pairs": [_pair(pair, called, lines) for pair in score.pairs[:_PAIRS]],
    }


def _called(score: ConversationScore, *, names: bool) -> dict[str, str]:
    """Return what speakers are called: numbers in the order in which they are told of."""
    ids = dict.fromkeys(one for pair in score.pairs for one in (pair.author, pair.other))
    return {one: one if names else f"speaker {place}" for place, one in enumerate(ids, 1)}


def _pair(
    pair: PairScore, called: Mapping[str, str], lines: Mapping[int, str] | None
) -> dict[str, Any]:
    return {
        "author": called[pair.author],
        "other": called[pair.other],
        "points": round(pair.points, 2),
        "may_alert": pair.may_alert,
        "crossed_at": pair.crossed_at,
        "against": list(pair.against),
        "reasons": [_reason(reason, lines) for reason in pair.reasons],
    }


def _reason(reason: Reason, lines: Mapping[int, str] | None) -> dict[str, Any]:
    return {
        "sign": reason.sign.value,
        "stage": stage(reason.sign).value,
        "points": round(reason.points, 2),
        "count": reason.count,
        "messages": [
            {
                "number": shown.number,
                "id": shown.message,
                "rule": shown.rule,
                "start": shown.start,
                "end": shown.end,
            }
            | ({} if lines is None else {"text": lines.get(shown.number, "")})
            for shown in reason.shown
        ],
    }


def totals(made: Totals, basis: str, point: float, parts: str) -> dict[str, Any]:
    """Return the last row: what was read, by what it was scored, and under which law."""
    return {
        "v": VERSION,
        "type": "total",
        "legal_basis": basis,
        "point": point,
        "parts": parts,
        "sources": made.sources,
        "messages": made.messages,
        "conversations": made.conversations,
        "forgotten": made.forgotten,
        "alerts": made.alerts,
        "left": dict(sorted(made.left.items())),
        "troubles": dict(sorted(made.troubles.items())),
        "files": made.files,
        "known": made.known,
        "missing": made.missing,
    }


def budget(asked: int, chosen: Chosen[Ranked], calm: Calm) -> dict[str, Any]:
    """Return the row of a budget: where it had to stop, and what that means in false alerts.

    Args:
        asked: How many conversations people can read.
        chosen: Which they are.
        calm: The operator's own harmless traffic.
    """
    made = false_alerts(calm.points, chosen.point)
    known = bool(made.conversations and chosen.shown)
    return {
        "v": VERSION,
        "type": "budget",
        "budget": asked,
        "shown": len(chosen.shown),
        "point": chosen.point if chosen.shown else None,
        "tied": chosen.tied,
        "more": chosen.left,
        "harmless": made.conversations,
        "harmless_left": dict(sorted(calm.left.items())),
        "false_alerts": made.reached if known else None,
        "false_rate": made.rate if known else None,
        "false_rate_most": made.upper if known else None,
    }


def _budget(row: Mapping[str, Any]) -> Iterator[str]:
    if row["point"] is None:
        some = f"{row['more']:,} conversations show signs" if row["more"] else "none shows any sign"
        yield f"Shown 0 of a budget of {row['budget']:,}; {some}."
        return
    tied = f", {row['tied']:,} of them with as many points" if row["tied"] else ""
    yield (
        f"Shown {row['shown']:,} of a budget of {row['budget']:,}, down to {row['point']:g} "
        f"points; {row['more'] or 'no'} more show signs{tied}."
    )
    if not row["harmless"]:
        yield (
            "False alerts that come as far: no data. Name harmless traffic of your own with "
            "--harmless."
        )
    else:
        yield (
            f"Of your own harmless conversations {row['false_alerts']:,} of {row['harmless']:,} "
            f"come as far; with 95 % confidence no more than {100 * row['false_rate_most']:.2g} %."
        )
    if row["harmless_left"]:
        yield "Left out of the harmless traffic: " + _counted(row["harmless_left"]) + "."


def line(row: Mapping[str, Any]) -> str:
    """Return a person's lines of a row."""
    kinds = {"conversation": _conversation, "total": _total, "budget": _budget}
    return "\n".join(kinds[row["type"]](row))


def _conversation(row: Mapping[str, Any]) -> Iterator[str]:
    mark = "over the point" if row["alert"] else "below the point"
    called = f"conversation {row['number']}"
    if row["conversation"]:
        called += f" [{_plain(row['conversation'])}]"
    yield (
        f"{row['rank']:>4}. {row['points']:g} points, {mark}: {_plain(row['source'])}, {called}, "
        f"{row['messages']:,} messages, {row['speakers']:,} speakers"
    )
    for pair in row["pairs"]:
        may = "" if pair["may_alert"] else ", which by itself may not alert"
        yield (
            f"      {_plain(pair['author'])} towards {_plain(pair['other'])}: "
            f"{pair['points']:g} points{may}"
        )
        for reason in pair["reasons"]:
            yield from _reason_lines(reason)
        if pair["against"]:
            yield f"        speaks against it: {', '.join(pair['against'])}"


def _reason_lines(reason: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"        {reason['points']:>5.1f}  {reason['sign']} ({reason['stage']}), "
        f"{_times(reason['count'])}"
    )
    for shown in reason["messages"]:
        text = _cut(_plain(shown.get("text", "")), shown["start"])
        yield f"               message {shown['number']}" + (f": {text}" if text else "")


def _total(row: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{row['messages']:,} messages of {row['conversations']:,} conversations in "
        f"{row['sources']:,} sources; {row['alerts']:,} over the point of {row['point']:g}."
    )
    if row["left"]:
        yield "Left out: " + _counted(row["left"]) + "."
    if row["forgotten"]:
        yield (
            f"Not scored to their end: {row['forgotten']:,} conversations, for there were more at "
            "once than are kept in mind."
        )
    if row["troubles"]:
        yield "Repaired: " + _counted(row["troubles"]) + "."
    if row["files"] or row["missing"]:
        yield (
            f"Files: {row['files']:,} looked up, {row['known']:,} on a list, "
            f"{row['missing']:,} not beside the export."
        )
    yield f"Legal basis: {_plain(row['legal_basis'])}."


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in counts.items())


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _cut(text: str, start: int) -> str:
    """Return a short piece of a text, in which what counted stands."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    begin = max(0, min(start - _SHOWN_CHARACTERS // 4, len(text) - _SHOWN_CHARACTERS))
    piece = text[begin : begin + _SHOWN_CHARACTERS]
    return ("…" if begin else "") + piece + ("…" if begin + len(piece) < len(text) else "")


def _plain(text: str) -> str:
    """Return text of others as one line that can do nothing to a terminal."""
    return "".join(one if one.isprintable() else " " for one in text)
