"""`tutela list add|proposals|withdraw`: what is on the lists that this installation publishes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core.errors import UsageError
from tutela.core.ids import EntryId
from tutela.core.time import iso
from tutela.exchange import entries, lists, receive
from tutela.exchange import grades as agreed
from tutela.exchange import proposals as proposed
from tutela.exchange.candidate import Candidate
from tutela.exchange.merging import COUNTS
from tutela.exchange.model import ListView, is_jurisdiction
from tutela.exchange.proposals import Proposal
from tutela.exchange.receive import Received, Terms

SOME_FAILED = 1
AT_ONCE = 10_000
_PAGE = 500
_PROPOSAL_COLUMNS = ["v", "type", "entry", "source", "codes", "tags", "reference", "sha256"]
_PROPOSAL_COLUMNS += ["sha1", "md5", "algorithms", "proposed_at"]


def add(
    name: str,
    file: Path | None = None,
    *,
    grades: str = "",
    library: str = "",
    jurisdiction: str = "",
    scheme: str = "",
    code: str = "",
    tag: list[str] | None = None,
    format_: Annotated[str, Parameter(name="--format")] = "",
    algorithm: str = "",
    config: Path | None = None,
) -> int:
    """Put contents on a published list: of a file, of a list in the library, or agreed grades.

    An entry of an alert list needs a code of a grading scheme by which it is illegal. Who only
    contributes to a list proposes; its owner decides. It can be run again: what is there already
    stays, what was withdrawn is not brought back. The exit status is 1 where anything was refused.

    Examples:
        tutela list add known --grades uk-abc --jurisdiction GB

        tutela list add known set.csv --scheme uk-abc --code A --jurisdiction GB

        tutela list add known --library vic-2026-11 --scheme vics-us --jurisdiction US

    Args:
        name: The list.
        file: A hash list in any format that `tutela list import` reads.
        grades: Take what is trusted under this grading scheme, instead of a file.
        library: Take a list that was imported on this machine, instead of a file.
        jurisdiction: By whose law the codes are: two letters, or INT for a scheme of no country.
        scheme: Read the codes of the entries as codes of this grading scheme.
        code: The code of entries that carry none, under --scheme.
        tag: A word for every entry of the file; may be repeated.
        format_: Format of the file; recognised by its content if left out.
        algorithm: What the hashes are if the file does not say: md5, sha1, sha256, pdq or photodna.
        config: Settings file.
    """
    if sum((file is not None, bool(grades), bool(library))) != 1:
        raise UsageError("name a file, --library LIST or --grades SCHEME", hint="one of the three")
    law = jurisdiction.upper()
    if not is_jurisdiction(law):
        raise UsageError("say by whose law the codes are", hint="--jurisdiction GB, or INT")
    if code and not scheme:
        raise UsageError("a code is of a scheme", hint="--scheme S --code C")
    with opened(config) as office:
        with office.database.read() as tx:
            view = lists.view(tx, office.who, name)
        if grades:
            return _take(office, view, grades, law)
        with contextlib.ExitStack() as stack:
            if file is None:
                _no_words_of_a_file(code, format_, algorithm)
                path = office.settings.library.path
                received = receive.from_library(path, library, view.role)
            else:
                said = {"scheme": scheme, "code": code} if code else {}
                said |= {"format": format_, "algorithm": algorithm}
                received = stack.enter_context(receive.from_file(file, view.role, **said))
            return _receive(office, view, received, Terms(law, scheme, tuple(tag or ())))


def withdraw(
    name: str,
    entry: list[int],
    *,
    reason: str,
    restore: bool = False,
    delete: bool = False,
    config: Path | None = None,
) -> int:
    """Let entries of a published list match no more; members are told by their next sync.

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
    if restore and delete:
        raise UsageError("restore or delete, not both")
    act = entries.restore if restore else entries.remove if delete else entries.withdraw
    with opened(config) as office, office.database.write() as tx:
        view = lists.view(tx, office.who, name)
        done = act(tx, office.who, view.id, [EntryId(one) for one in entry], reason)
    said = "restored" if restore else "deleted" if delete else "withdrawn"
    print(f"{name}: {done} of {len(set(entry))} {said}")
    return 0


def proposals(
    name: str,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show what contributors propose for a published list; a person decides, in the pages.

    Args:
        name: The list.
        format_: text for a person, or one row for each proposal as jsonl or csv.
        config: Settings file.
    """
    write = output.writer(format_, _proposal_line, _PROPOSAL_COLUMNS)
    with opened(config) as office, office.database.read() as tx:
        view = lists.view(tx, office.who, name)
        found = proposed.waiting(tx, office.who, view, _PAGE)
        while found:
            for one in found:
                write(_proposal_row(one))
            found = proposed.waiting(tx, office.who, view, _PAGE, found[-1].id)
    return 0


def _no_words_of_a_file(*words: str) -> None:
    if any(words):
        raise UsageError(
            "--code, --format and --algorithm say what a file does not",
            hint="they were said when the list was imported",
        )


def _take(office: Office, view: ListView, scheme: str, law: str) -> int:
    with office.database.write() as tx:
        taken = agreed.take(tx, office.who, view.id, scheme, law)
    print(
        f"{view.name}: {taken.added} added, {taken.changed} changed, {taken.unchanged} as before, "
        f"{taken.kept_withdrawn} stay withdrawn, {taken.disputed} now disputed"
    )
    if taken.waiting:
        print(f"note: {taken.waiting} are proposals that wait for a decision", file=sys.stderr)
    if taken.agreed_again:
        print(f"note: {taken.agreed_again} disputed entries are agreed on again", file=sys.stderr)
    return 0


def _receive(office: Office, view: ListView, received: Received, terms: Terms) -> int:
    counts = dict.fromkeys(COUNTS, 0)
    refused: dict[str, int] = {}
    for part in _parts(received.candidates(terms)):
        with office.database.write() as tx:
            done = entries.add(tx, office.who, view.id, part)
        for name in COUNTS:
            counts[name] += getattr(done, name)
        for reason, count in done.refused.items():
            refused[reason] = refused.get(reason, 0) + count
    for reason, count in received.passed.items():
        refused[reason] = refused.get(reason, 0) + count
    info = received.info
    print(
        f"{view.name}: {info.rows} rows: {counts['added']} added, {counts['changed']} changed, "
        f"{counts['unchanged']} as before, {counts['waiting']} wait for a decision, "
        f"{counts['kept_withdrawn']} stay withdrawn, {sum(refused.values())} refused, "
        f"{info.quarantined} not read"
    )
    for reason, count in sorted(refused.items()):
        print(f"note: refused: {reason}: {count}", file=sys.stderr)
    return SOME_FAILED if refused or info.quarantined else 0


def _parts(candidates: Iterator[Candidate]) -> Iterator[list[Candidate]]:
    while part := list(islice(candidates, AT_ONCE)):
        yield part


def _proposal_row(one: Proposal) -> dict[str, Any]:
    digests = one.digests
    return {
        "v": 1,
        "type": "proposal",
        "entry": one.id,
        "source": one.source,
        "codes": [f"{c.jurisdiction} {c.scheme} {c.code}" for c in one.codes],
        "tags": list(one.tags),
        "reference": one.reference,
        "sha256": digests.sha256.hex() if digests.sha256 else None,
        "sha1": digests.sha1.hex() if digests.sha1 else None,
        "md5": digests.md5.hex() if digests.md5 else None,
        "algorithms": [fingerprint.algorithm for fingerprint in one.fingerprints],
        "proposed_at": iso(one.proposed_at),
    }


def _proposal_line(row: output.Row) -> str:
    codes = ", ".join(row["codes"])
    return f"{row['entry']:>10}  {row['source']:<24} {codes:<24} {row['reference']}".rstrip()
