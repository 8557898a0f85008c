"""`tutela leads`: what people say of accounts: links, marks, and whom no lead may be about."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutela.access import seal
from tutela.actors import deconflict as deconflicting
from tutela.actors import linking, marking
from tutela.actors.marking import Mark
from tutela.casework import case as cases
from tutela.cli import leads_rows as rows
from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core.errors import ServiceError, UsageError
from tutela.core.ids import CaseId

_FORMAT = Parameter(name="--format")


def link(
    case: str,
    account: int | None = None,
    other: int | None = None,
    *,
    confirm: bool = False,
    undo: bool = False,
    reason: str = "",
    format_: Annotated[output.Format, _FORMAT] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show what links accounts, or say that two of them are one's, or are not.

    Tier A is ranked as one unless it is undone. Tier B is said and never merged. Tier C only hints.

    Examples:
        tutela leads link OP-17 5 9 --undo --reason "the address is a shop's"

    Args:
        case: The number of the case.
        account: Only links of this account.
        other: With `--confirm` or `--undo`: the other one.
        confirm: Say that both are one's.
        undo: Say that they are not, or not any more.
        reason: Why; kept beside the log.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    write = output.writer(format_, rows.line, rows.COLUMNS)
    with opened(config, break_glass=break_glass) as office:
        number = _case(office, case)
        if confirm or undo:
            if confirm == undo or account is None or other is None:
                raise UsageError("name two accounts, and either --confirm or --undo")
            decide = linking.confirm if confirm else linking.undo
            with office.database.write() as tx:
                found = linking.between(tx, office.who, number, account, other)
                write(rows.link(decide(tx, office.who, number, found.id, reason)))
            return 0
        with office.database.read() as tx:
            wanted = [one for one in (account, other) if one is not None]
            for one in linking.listed(tx, office.who, number, wanted):
                write(rows.link(one))
    return 0


def mark(
    case: str,
    account: int | None = None,
    kind: Mark | None = None,
    *,
    reason: str = "",
    undo: bool = False,
    format_: Annotated[output.Format, _FORMAT] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Say something of an account, undo it, or show what was said.

    `safeguarding`, `self-generated`, `officer` and `hijacked` withhold it from every ranking and
    release.

    Examples:
        tutela leads mark OP-17 5 safeguarding --reason "the profile says a school year"

    Args:
        case: The number of the case.
        account: The number of the account.
        kind: What to say of it; all marks are shown where it is left out.
        reason: Why; kept beside the log.
        undo: Let the mark not count any more.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    write = output.writer(format_, rows.line, rows.COLUMNS)
    with opened(config, break_glass=break_glass) as office:
        number = _case(office, case)
        if kind is not None and account is not None:
            with office.database.write() as tx:
                if undo:
                    standing = marking.listed(tx, office.who, number, account)
                    ids = [one.id for one in standing if one.kind is kind]
                    marking.undo(tx, office.who, number, ids[0] if ids else 0, reason)
                else:
                    marking.put(tx, office.who, number, account, kind, reason)
        with office.database.read() as tx:
            for one in marking.listed(tx, office.who, number, account):
                write(rows.mark(one))
    return 0


def deconflict(
    file: Path | None = None,
    *,
    remove: bool = False,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Add identifiers that no lead may carry, from a file or standard input.

    One a line: a kind and a value, such as `handle name`. They are kept as keyed hashes, so that
    nobody can read them here; keep the file itself where it came from.

    Args:
        file: The file; `-` is standard input. Left out, only their number is shown.
        remove: Take them away instead.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        given = [] if file is None else deconflicting.read(_lines(file))
        key = deconflicting.key_of(seal.load(seal.place(office.settings.audit)))
        change = deconflicting.remove if remove else deconflicting.add
        with office.database.write() as tx:
            changed = change(tx, office.who, key, given) if given else 0
            there = deconflicting.count(tx, office.who)
    print(f"{changed:,} {'removed' if remove else 'added'}, {there:,} are there")
    return 0


def _case(office: Office, case: str) -> CaseId:
    with office.database.read() as tx:
        return cases.by_number(tx, office.who, case).id


def _lines(file: Path) -> list[str]:
    if str(file) == "-":
        return sys.stdin.read().splitlines()
    try:
        return file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"cannot read {file}: {error}") from error
