"""A conversation as a file for whoever takes it on: why it was shown, with the lines that counted.

What it cannot say stands first. Speakers are letters unless somebody says why names are needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import iso
from tutela.observation import conversation_decide, conversation_show
from tutela.observation.conversation_lines import Fold, Line
from tutela.observation.conversation_show import PairShown, Shown, Wanted, label
from tutela.observation.sealing import Words
from tutela.report import html
from tutela.report.cells import shown
from tutela.report.html import Fact, Page, Section, Table, replacing
from tutela.store import Database

Format = Literal["html", "jsonl"]
FORMATS: Final = ("html", "jsonl")
LIMITS: Final = (
    "This is triage, not proof: signs of risk put conversations in order for people to read.",
    "A sign says what a text looks like. It says nothing of what anybody is, means or did.",
    "The weights were made without conversations of real victims, and were not tested on any.",
    "Coded language, other languages, pictures and calls are missed: few points clear nobody.",
    "Families, teachers, coaches and friends of one age write lines that look alike.",
    "Times, names and ages are what the export or the speakers say. Read the source itself.",
)
AROUND: Final = 5


class Exported(msgspec.Struct, frozen=True):
    """What was written; `sha256` is the file's, as the log has it."""

    path: Path
    rows: int
    sha256: str


def write(  # noqa: PLR0913, PLR0917 what of which conversation, for whom, how, and where to
    database: Database,
    words: Words,
    who: Principal,
    case_id: CaseId,
    conversation_id: int,
    format: Format,  # noqa: A002 the option's name
    out: Path,
    *,
    names: str = "",
) -> Exported:
    """Write a report of a conversation to a file, whole or not at all, and say so in the log.

    `names` is why names of speakers are needed in it; empty for letters.

    Raises:
        AccessError: `who` may not read conversations of this case, or export anything of it.
        UsageError: code `not_found`; an unknown format; the case's authority is not valid now.
        ServiceError: the file cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format}", hint=f"choose one of {', '.join(FORMATS)}")
    with database.write() as tx:
        require(tx, who, Permission.EXPORT, case_id)
        wanted = Wanted(names=names, around=AROUND)
        found = conversation_show.show(tx, words, who, case_id, conversation_id, wanted)
        rows = list(_rows(tx, who, case_id, found))
    if format == "jsonl":
        with replacing(out) as stream:
            stream.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    else:
        html.write(_page(rows), out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    with database.write() as tx:
        log.record(
            tx,
            who,
            "conversation.exported",
            f"conversation:{conversation_id}",
            case=int(case_id),
            format=format,
            rows=len(rows),
            sha256=digest,
            names=bool(names),
        )
    return Exported(out, len(rows), digest)


def _rows(
    tx: Connection, who: Principal, case_id: CaseId, found: Shown
) -> Iterator[dict[str, Any]]:
    yield from ({"v": 1, "type": "limit", "text": text} for text in LIMITS)
    info = found.info
    case = cases.info(tx, who, case_id)
    yield {
        "v": 1,
        "type": "conversation",
        "conversation": info.id,
        "case": case.number,
        "authority": case.authority.reference,
        "import": info.import_id,
        "format": info.format,
        "title": found.title,
        "source": found.source,
        "speakers": info.speakers,
        "messages": info.messages,
        "first_at": None if info.first_at is None else iso(info.first_at),
        "last_at": None if info.last_at is None else iso(info.last_at),
        "points": info.points,
        "point": info.point,
        "alert": info.alert,
        "state": info.state.value,
        "parts_sha256": info.parts_sha256.hex(),
        "scored_at": None if info.scored_at is None else iso(info.scored_at),
        "troubles": info.troubles,
    }
    for speaker in found.speakers.values():
        row = msgspec.structs.asdict(speaker)
        yield {"v": 1, "type": "speaker", "speaker": row.pop("label"), **row}
    for place, pair in enumerate(found.pairs, 1):
        yield from _pair(place, pair)
    yield from map(_line, found.lines)
    for one in conversation_decide.feedback(tx, who, case_id, info.id):
        yield {
            "v": 1,
            "type": "feedback",
            "message": one.message,
            "sign": one.sign,
            "verdict": one.verdict.value,
            "given_at": iso(one.given_at),
        }


def _pair(place: int, pair: PairShown) -> Iterator[dict[str, Any]]:
    yield {
        "v": 1,
        "type": "pair",
        "pair": place,
        "author": label(pair.author),
        "other": label(pair.other),
        "points": pair.points,
        "against": list(pair.against),
        "may_alert": pair.may_alert,
        "crossed_at": pair.crossed_at,
        "probability": pair.probability,
    }
    for reason in pair.reasons:
        yield {"v": 1, "type": "reason", "pair": place, **msgspec.to_builtins(reason)}


def _line(line: Line | Fold) -> dict[str, Any]:
    if isinstance(line, Fold):
        return {"v": 1, "type": "folded", "first": line.first, "last": line.last}
    return {
        "v": 1,
        "type": "message",
        "number": line.number,
        "speaker": None if line.speaker is None else label(line.speaker),
        "at": None if line.at is None else iso(line.at),
        "deleted": line.deleted,
        "system": line.system,
        "replies_to": line.replies_to,
        "text": "".join(one.text for one in line.parts) if line.readable else None,
        "counted": [one.text for one in line.parts if one.counted],
        "signs": [msgspec.to_builtins(one) for one in line.signs],
        "files": len(line.files),
        "troubles": list(line.troubles),
    }


def _page(rows: list[dict[str, Any]]) -> Page:
    by: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["type"], []).append(row)
    head = by["conversation"][0]
    spoken = [row for row in rows if row["type"] in {"message", "folded"}]
    limits = [[row["text"]] for row in by["limit"]]
    return Page(
        title=f"Conversation {head['conversation']} of case {head['case']}",
        subtitle=LIMITS[0],
        facts=(
            Fact("Points", f"{head['points']:.1f}", note=f"an alert from {head['point']:.1f} on"),
            Fact("Messages", str(head["messages"]), note=f"of {head['speakers']} speakers"),
            Fact("State", head["state"].replace("_", " ")),
        ),
        sections=(
            Section("What this cannot say", table=Table(("Limit",), limits)),
            *(_section(title, by.get(kind, []), columns) for title, kind, columns in _SECTIONS),
            Section(
                "Lines that counted, and those around",
                "Letters stand for speakers unless names were asked for with a reason.",
                Table(
                    ("No.", "Time", "Speaker", "Text", "Counted", "Signs"),
                    [_cells(row) for row in spoken],
                    numeric=frozenset({0}),
                ),
            ),
        ),
        footer=(
            f"Format {head['format']}, import {head['import']}. Scored by {head['parts_sha256']}.",
            f"Authority {head['authority']}.",
        ),
    )


_SECTIONS: Final[tuple[tuple[str, str, Mapping[str, str]], ...]] = (
    (
        "Speakers",
        "speaker",
        {"speaker": "Speaker", "name": "Name", "messages": "Messages", "age_band": "Age, as said"},
    ),
    (
        "Pairs, and what speaks against it",
        "pair",
        {
            "pair": "Pair",
            "author": "Speaker",
            "other": "Towards",
            "points": "Points",
            "against": "Speaks against it",
        },
    ),
    (
        "What the points are made of",
        "reason",
        {"pair": "Pair", "sign": "Sign", "stage": "Stage", "points": "Points", "count": "Lines"},
    ),
    (
        "What people said of it",
        "feedback",
        {"message": "Message", "sign": "Sign", "verdict": "Verdict", "given_at": "When"},
    ),
)


def _section(title: str, rows: list[dict[str, Any]], columns: Mapping[str, str]) -> Section:
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    return Section(title, table=Table(tuple(columns.values()), cells) if cells else None, empty="-")


def _cells(row: dict[str, Any]) -> list[str]:
    if row["type"] == "folded":
        count = row["last"] - row["first"] + 1
        return [f"{row['first']}-{row['last']}", "", "", f"({count} messages folded)", "", ""]
    text = "(destroyed)" if row["text"] is None else row["text"]
    return [
        str(row["number"]),
        _cell(row["at"]),
        _cell(row["speaker"]),
        _safe(text),
        _safe(" | ".join(row["counted"])),
        ", ".join(f"{one['sign']} ({one['stage']}) {one['points']:.1f}" for one in row["signs"]),
    ]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.1f}" if isinstance(value, float) else "-" if value is None else _safe(value)


def _safe(value: object) -> str:
    """Return text of an export as it may stand in a cell: nothing in it can turn a line around."""
    return shown(str(value).replace("\n", " ⏎ "))
