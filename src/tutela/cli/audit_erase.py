"""`tutela audit erase`: words of the log that the law wants gone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutela.access import erasure
from tutela.cli import audit_source as source
from tutela.core.errors import UsageError
from tutela.core.ids import ApprovalId
from tutela.store import Database
from tutela.store.scrub import scrub
from tutela.store.tables.audit import AuditText


def erase(
    *seq: int,
    name: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    reason: str = "",
    authority: str = "",
    approval: int | None = None,
    rewrite: bool = False,
    break_glass: str = "",
    config: Path | None = None,
) -> None:
    """Erase words, such as names and reasons, that are kept beside events of the log.

    It takes two persons: who may read the log asks, a supervisor or administrator grants it in the
    browser, and --approval carries it out. The log verifies as before, and says who erased words
    of which event, why, and under what authority.

    Then the files of the database are written anew, so that nothing is left of the words there;
    nobody else can work meanwhile. Backups, copies of the log of PostgreSQL, exports and paper are
    out of reach: see docs/explanation/audit.md.

    Examples:
        tutela audit erase 1234 1240 --reason "request of the person named" --authority "DPA, s. 47"

        tutela audit erase --approval 7

    Args:
        seq: Numbers of the events.
        name: Which words of them, such as reason; all if left out.
        reason: Why; the other person reads it.
        authority: The law, order or decision under which they are erased.
        approval: Carry out what was granted under this number.
        rewrite: Only write the files anew, where that could not be done before.
        break_glass: Act directly on the database, without a second person; it is in the log.
        config: Settings file.
    """
    chosen = (bool(seq), approval is not None, rewrite)
    if sum(chosen) != 1:
        raise UsageError(
            "name events, or an approval, or --rewrite", hint="tutela audit erase 1234 --reason ..."
        )
    if rewrite:
        with source.database(config) as (_, database):
            _rewrite(database)
        return
    with source.reader(config, break_glass) as office:
        with office.database.write() as tx:
            if approval is not None:
                done = erasure.carry_out(tx, office.who, ApprovalId(approval))
                number = None
            else:
                why = reason or break_glass
                number = erasure.ask(tx, office.who, seq, name or [], why, authority)
                done = len(set(seq))
        if number is not None:
            print(f"asked: {number}; another person grants it in the browser, under Approvals")
            print(f"then: tutela audit erase --approval {number}", file=sys.stderr)
            return
        print(f"words of {done:,} events are erased")
        _rewrite(office.database)


def _rewrite(database: Database) -> None:
    scrub(database, AuditText)
    print("the files of the database were written anew", file=sys.stderr)
