"""`tutela node ask|answers|reference|sync|check`: speaking with partner nodes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from tutela.casework import case as cases
from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.time import iso
from tutela.exchange.federation import asking, nodes, pointers
from tutela.exchange.federation.asking import Answered
from tutela.exchange.federation.identity import Identity

if TYPE_CHECKING:
    from tutela.exchange.federation.rounds import Round, Rounds

SOME_FAILED = 1
DIFFERENT = 4
_ANSWER_COLUMNS = ["v", "type", "media", "node", "state", "contact", "reference"]
_ANSWER_COLUMNS += ["asked_at", "answered_at"]


def ask(
    number: str,
    *,
    media: list[int] | None = None,
    code: str = "",
    node: list[str] | None = None,
    config: Path | None = None,
) -> int:
    """Ask nodes whether media of a case are known there; no picture, name or grade is sent.

    A node gets digests, PDQ values and the words of the case's authority. It answers only known or
    not, whom to speak to, and a reference. Questions wait until `tutela serve --federation` or
    `tutela node sync` sends them.

    Examples:
        tutela node ask OP-17 --code A

        tutela node ask OP-17 --media 12 --media 15 --node fr

    Args:
        number: The case.
        media: A media of it; may be repeated.
        code: All media of it that have this code.
        node: A node; may be repeated. All if left out.
        config: Settings file.
    """
    with opened(config) as office:
        pin = Identity.read(office.settings.federation.key).pin
        with office.database.read() as tx:
            case_id = _case(tx, office, number)
            wanted = [MediaId(one) for one in media or ()]
            if code:
                wanted += asking.graded(tx, office.who, case_id, code)
            if not wanted:
                raise UsageError("nothing to ask about", hint="--media NUMBER or --code CODE")
            names = node or [one.name for one in nodes.all_(tx)]
            if not names:
                raise UsageError("there is no node to ask", hint="tutela node add")
        count = 0
        # Each by itself: a node and then the log are locked, and nobody waits for two nodes.
        for one in names:
            with office.database.write() as tx:
                count += asking.ask(tx, office.who, one, pin, case_id, wanted)
    print(f"{number}: {count:,} questions for {', '.join(names)}; tutela node answers {number}")
    return 0


def answers(
    number: str,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show what nodes answered about media of a case, and to whom to speak.

    Args:
        number: The case.
        format_: text for a person, or one row for each media and node as jsonl or csv.
        config: Settings file.
    """
    write = output.writer(format_, _answer_line, _ANSWER_COLUMNS)
    with opened(config) as office, office.database.read() as tx:
        found = asking.answers(tx, office.who, _case(tx, office, number))
    for one in found:
        write(_answer_row(one))
    if format_ == "text":
        known = sum(one.state == "known" for one in found)
        waiting = sum(one.state == "waiting" for one in found)
        print(f"{len(found):,} asked: {known:,} known, {waiting:,} waiting")
    return 0


def reference(reference: str, *, break_glass: str = "", config: Path | None = None) -> int:
    """Show what a reference that a partner names stands for, if it concerns cases of yours.

    Args:
        reference: The reference, 16 digits.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        found = pointers.resolve(tx, office.who, reference)
    print(f"given to {found.node} on {iso(found.at)}")
    print(f"it asked under: {found.purpose}")
    if found.media_id is None:
        print(f"entry {found.entry} of a list")
    else:
        print(f"media {found.media_id} in {', '.join(found.cases)}")
    return 0


def sync(*, break_glass: str = "", config: Path | None = None) -> int:
    """Do one round with all nodes: send what waits, follow lists, count votes that are here.

    `tutela serve --federation` does this again and again. The exit status is 1 where a node could
    not be reached or refused something.

    Args:
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    failed = False
    with opened(config, break_glass=break_glass) as office:
        for done in _rounds(office).go():
            failed = failed or done.error is not None
            _say(done)
    return SOME_FAILED if failed else 0


def check(name: str, *, break_glass: str = "", config: Path | None = None) -> int:
    """Compare what our log and that of a node say of the messages between us.

    The exit status is 4 where they differ.

    Args:
        name: The node.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        with office.database.read() as tx:
            node = nodes.trusted(tx, name)
        different = 0
        for side, one in _rounds(office).check(node):
            different += 1
            way = "to" if side.value == "answered" else "from"
            print(f"message {one.number} {way} {name}: the logs differ", file=sys.stderr)
    print(f"{name}: " + (f"{different} messages differ" if different else "both logs say the same"))
    return DIFFERENT if different else 0


def _rounds(office: Office) -> Rounds:
    from tutela.exchange.federation.rounds import Rounds  # noqa: PLC0415 - heavy; for two of five

    federation = office.settings.federation
    identity = Identity.read(federation.key)
    library = office.settings.library.path
    return Rounds(office.database, identity, library, federation.silence_seconds)


def _say(done: Round) -> None:
    print(f"{done.node}: {done.answered} messages answered")
    for one in done.lists:
        print(
            f"{one.local}: {one.entries:,} entries: {one.added:,} added, {one.replaced:,} changed, "
            f"{one.removed:,} removed"
        )
    if done.error is not None:
        print(f"{done.node}: {done.error.message} ({done.error.code})", file=sys.stderr)
        if done.error.hint:
            print(f"hint: {done.error.hint}", file=sys.stderr)


def _case(tx: Connection, office: Office, number: str) -> CaseId:
    return cases.by_number(tx, office.who, number).id


def _answer_row(one: Answered) -> dict[str, object]:
    return {
        "v": 1,
        "type": "node_answer",
        "media": one.media_id,
        "node": one.node,
        "state": one.state,
        "contact": one.contact,
        "reference": one.reference,
        "asked_at": iso(one.asked_at),
        "answered_at": iso(one.answered_at) if one.answered_at else None,
    }


def _answer_line(row: Mapping[str, Any]) -> str:
    said = f"{row['state']}"
    if row["state"] == "known":
        said = f"known; ask {row['contact']}, reference {row['reference']}"
    return f"media {row['media']:<8} {row['node']:<12} {said}"
