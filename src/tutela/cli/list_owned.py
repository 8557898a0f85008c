"""`tutela list create|add|...`: lists that this installation publishes to members."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tutela.cli import output
from tutela.core.entry import Role
from tutela.core.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tutela.cli.open import Office
    from tutela.core.ids import EntryId, OrganisationId
    from tutela.exchange.candidate import Candidate
    from tutela.exchange.model import ListView

SOME_FAILED = 1
AT_ONCE = 10_000


def create(
    name: str,
    *,
    title: str,
    purpose: str,
    role: Role,
    radius_bits: int = 31,
    config: Path | None = None,
) -> int:
    """Make an empty list that your organisation owns and gives to members.

    Examples:
        tutela list create known --title "Known" --purpose "Matching of uploads" --role alert

    Args:
        name: What the list is called: small letters, digits and -
        title: A line that says what it is.
        purpose: What members may use it for.
        role: What a match means: alert, ignorable (known and harmless) or allow.
        radius_bits: PDQ distance up to which a picture matches.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.exchange import lists  # noqa: PLC0415 - as above

    with opened(config) as office, office.database.write() as tx:
        lists.create(
            tx, office.who, name, title=title, purpose=purpose, role=role, radius_bits=radius_bits
        )
    print(f"{name}: made; add entries, then members, then publish it")
    return 0


def add(
    name: str,
    file: Path | None = None,
    *,
    grades: str = "",
    jurisdiction: str = "",
    scheme: str = "",
    code: str = "",
    tag: list[str] | None = None,
    format_: Annotated[str, Parameter(name="--format")] = "",
    algorithm: str = "",
    config: Path | None = None,
) -> int:
    """Put contents on a list: those of a file, or those that enough organisations agree on.

    An entry of an alert list needs a code of a grading scheme by which it is illegal. Who only
    contributes to a list proposes; its owner decides. It can be run again: what is there already
    stays, what was withdrawn is not brought back.

    Examples:
        tutela list add known --grades uk-abc --jurisdiction GB

        tutela list add known set.csv --scheme uk-abc --code A --jurisdiction GB

    Args:
        name: The list.
        file: A hash list in any format that `tutela list import` reads.
        grades: Take what is trusted under this grading scheme, instead of a file.
        jurisdiction: By whose law the codes are: two letters, or INT for a scheme of no country.
        scheme: Grading scheme of entries that carry none, with --code.
        code: The code under --scheme.
        tag: A word for every entry of the file; may be repeated.
        format_: Format of the file; recognised by its content if left out.
        algorithm: What the hashes are if the file does not say: md5, sha1, sha256, pdq or photodna.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy, as above
    from tutela.exchange import lists  # noqa: PLC0415 - as above

    if (file is None) != bool(grades):
        raise UsageError("name a file or --grades SCHEME", hint="one of both")
    law = jurisdiction.upper()
    if len(law) not in {2, 3}:
        raise UsageError("say by whose law the codes are", hint="--jurisdiction GB, or INT")
    with opened(config) as office:
        with office.database.read() as tx:
            view = lists.view(tx, office.who, name)
        if file is None:
            return _take(office, view, grades, law)
        said = {"scheme": scheme, "code": code, "format": format_ or None, "algorithm": algorithm}
        return _receive(office, view, file, said, law, tag or [])


def withdraw(
    name: str,
    entry: list[int],
    *,
    reason: str,
    restore: bool = False,
    delete: bool = False,
    config: Path | None = None,
) -> int:
    """Let entries match no more; members are told by their next sync.

    Examples:
        tutela list withdraw known 17 23 --reason "shows a landscape"

    Args:
        name: The list.
        entry: Numbers of the entries.
        reason: Why; it is kept beside the log.
        restore: Let withdrawn or disputed entries match again instead.
        delete: Delete what the entries say, for good; only their numbers stay.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy, as above
    from tutela.exchange import entries, lists  # noqa: PLC0415 - as above

    if restore and delete:
        raise UsageError("restore or delete, not both")
    act = entries.restore if restore else entries.remove if delete else entries.withdraw
    with opened(config) as office, office.database.write() as tx:
        view = lists.view(tx, office.who, name)
        done = act(tx, office.who, view.id, _numbers(entry), reason)
    said = "restored" if restore else "deleted" if delete else "withdrawn"
    print(f"{name}: {done} of {len(set(entry))} {said}")
    return 0


def members(
    name: str,
    *,
    set_: Annotated[str, Parameter(name="--set")] = "",
    permission: str = "read",
    jurisdiction: list[str] | None = None,
    recipient: str = "",
    remove: str = "",
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show the members of a list, make an organisation one, or end it.

    Examples:
        tutela list members known

        tutela list members known --set "Example Platform" --jurisdiction GB --recipient age1...

        tutela list members known --remove "Example Platform"

    Args:
        name: The list.
        set_: Name of an organisation that becomes a member, or may and gets other things.
        permission: What it may do: read, contribute or manage.
        jurisdiction: It gets only entries with a code by this law; may be repeated.
        recipient: age public key to which its copies are encrypted.
        remove: Name of an organisation that gets nothing more.
        format_: text for a person, or one row for each member as jsonl or csv.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy, as above
    from tutela.exchange import lists  # noqa: PLC0415 - as above
    from tutela.exchange import members as membership  # noqa: PLC0415 - as above
    from tutela.exchange.model import MemberPermission  # noqa: PLC0415 - as above

    if permission not in set(MemberPermission):
        raise UsageError(f"{permission} is no permission", hint="read, contribute or manage")
    with opened(config) as office, office.database.write() as tx:
        view = lists.view(tx, office.who, name)
        if set_:
            membership.add(
                tx,
                office.who,
                view.id,
                _organisation(tx, office, set_),
                MemberPermission(permission),
                jurisdiction or (),
                recipient,
            )
        if remove:
            membership.remove(tx, office.who, view.id, _organisation(tx, office, remove))
        rows = [
            {
                "v": 1,
                "type": "member",
                "organisation": one.organisation,
                "permission": one.permission.value,
                "jurisdictions": sorted(one.jurisdictions),
                "recipient": one.recipient,
            }
            for one in membership.of(tx, office.who, view.id)
        ]
    write = output.writer(format_, _member_line, list(rows[0] if rows else []))
    for row in rows:
        write(row)
    if not rows and format_ == "text":
        print(f"{name} has no members yet", file=sys.stderr)
    return 0


def diff(
    name: str,
    begin: int = 0,
    end: int = 0,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show what changed on a list from one generation to another, or since the last one.

    An entry that changed again later counts where it changed last.

    Args:
        name: The list.
        begin: A generation; the last one if left out.
        end: A later generation; the present state if left out.
        format_: text for a person, or one row for each entry as jsonl or csv.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy, as above
    from tutela.exchange import generation, lists  # noqa: PLC0415 - as above
    from tutela.exchange.head import last  # noqa: PLC0415 - as above

    columns = ["v", "type", "entry", "state", "source", "codes", "tags", "changed_at"]
    write = output.writer(format_, _entry_line, columns)
    with opened(config) as office, office.database.read() as tx:
        view = lists.view(tx, office.who, name)
        number = begin or view.generation
        first = generation.of(tx, view, number).change if number else 0
        until = generation.of(tx, view, end).change if end else last(tx)
        count = 0
        for one in generation.delta(tx, office.who, view, first, until):
            count += 1
            write(_entry_row(one))
    since = f"since generation {number}" if number else "since it was made"
    print(f"{name}: {count} changed {since}", file=sys.stderr)
    return 0


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
    """Show what members say of a list's entries and wait for, and answer it.

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
    import msgspec  # noqa: PLC0415 - as above

    from tutela.cli.open import opened  # noqa: PLC0415 - heavy, as above
    from tutela.core.ids import FeedbackId  # noqa: PLC0415 - as above
    from tutela.exchange import feedback as said  # noqa: PLC0415 - as above
    from tutela.exchange import lists  # noqa: PLC0415 - as above

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
    write = output.writer(
        format_, _count_line if counts else _said_line, list(rows[0] if rows else [])
    )
    for row in rows:
        write(row)
    return 0


def _take(office: Office, view: ListView, scheme: str, law: str) -> int:
    from tutela.exchange import grades as agreed  # noqa: PLC0415 - heavy, as above

    with office.database.write() as tx:
        taken = agreed.take(tx, office.who, view.id, scheme, law)
    print(
        f"{view.name}: {taken.added} added, {taken.changed} changed, {taken.unchanged} as before, "
        f"{taken.kept_withdrawn} stay withdrawn, {taken.disputed} now disputed"
    )
    if taken.agreed_again:
        print(f"note: {taken.agreed_again} disputed entries are agreed on again", file=sys.stderr)
    return 0


def _receive(  # noqa: PLR0917 what the file does not say
    office: Office,
    view: ListView,
    file: Path,
    said: dict[str, Any],
    law: str,
    tags: list[str],
) -> int:
    from tutela.exchange import entries  # noqa: PLC0415 - heavy, as above
    from tutela.exchange.receive import Received  # noqa: PLC0415 - as above

    counts = dict.fromkeys(("added", "changed", "unchanged", "kept_withdrawn"), 0)
    refused: dict[str, int] = {}
    with Received(file, view.role, **said) as received:
        for part in _parts(received.candidates(law, tags)):
            with office.database.write() as tx:
                done = entries.add(tx, office.who, view.id, part)
            for name in counts:
                counts[name] += getattr(done, name)
            for reason, count in done.refused.items():
                refused[reason] = refused.get(reason, 0) + count
        info = received.report.info
        bad = info.quarantined
    print(
        f"{view.name}: {info.rows} rows: {counts['added']} added, {counts['changed']} changed, "
        f"{counts['unchanged']} as before, {counts['kept_withdrawn']} stay withdrawn, "
        f"{sum(refused.values())} refused, {bad} not read"
    )
    for reason, count in sorted(refused.items()):
        print(f"note: refused: {reason}: {count}", file=sys.stderr)
    return SOME_FAILED if refused or bad else 0


def _parts(candidates: Iterator[Candidate]) -> Iterator[list[Candidate]]:
    while part := list(islice(candidates, AT_ONCE)):
        yield part


def _numbers(entries: Iterable[int]) -> list[EntryId]:
    from tutela.core.ids import EntryId  # noqa: PLC0415 - as above

    return [EntryId(one) for one in entries]


def _organisation(tx: Connection, office: Office, name: str) -> OrganisationId:
    from tutela.access import accounts  # noqa: PLC0415 - heavy, as above

    for one in accounts.organisations(tx, office.who):
        if one.name == name:
            return one.id
    raise UsageError(
        f"there is no organisation {name}",
        code="not_found",
        hint="an administrator makes it, under Administration",
    )


def _entry_row(one: Any) -> dict[str, Any]:
    from tutela.core.time import iso  # noqa: PLC0415 - as above

    return {
        "v": 1,
        "type": "entry",
        "entry": one.id,
        "state": one.state.value,
        "source": one.source,
        "codes": [f"{c.jurisdiction} {c.scheme} {c.code}" for c in one.codes],
        "tags": list(one.tags),
        "changed_at": iso(one.changed_at),
    }


def _entry_line(row: output.Row) -> str:
    return f"{row['entry']:>10}  {row['state']:<10} {row['source']:<24} {', '.join(row['codes'])}"


def _member_line(row: output.Row) -> str:
    where = ", ".join(row["jurisdictions"]) or "all"
    key = "encrypted copies" if row["recipient"] else "no public key"
    return f"{row['organisation']:<32} {row['permission']:<11} {where:<16} {key}"


def _said_line(row: output.Row) -> str:
    about = f"entry {row['entry_id']}"
    why = "; ".join([*row["reasons"], row["note"]]).strip("; ")
    return f"{row['id']:>6}  {about:<14} {row['verdict']:<15} {row['organisation']:<24} {why}"


def _count_line(row: output.Row) -> str:
    return (
        f"{row['organisation']:<32} {row['verdict']:<15} {row['said']:>8} said "
        f"{row['waiting']:>6} waiting"
    )
