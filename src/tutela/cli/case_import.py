"""`tutela case import`: cases of other systems."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tutela.casework.formats.vics_case_read import import_vics
from tutela.casework.formats.vics_import import ImportedCase
from tutela.casework.model import NewAuthority
from tutela.cli.drawing import drawn
from tutela.cli.open import opened
from tutela.core.errors import UsageError
from tutela.scan.rows import shown

SOME_REFUSED = 1
SHOWN = 10


def import_(
    file: Path,
    *,
    number: str | None = None,
    title: str | None = None,
    scheme: str | None = None,
    legal_basis: str = "",
    reference: str = "",
    granted_by: str = "",
    scope: str = "what the imported file names",
    valid_days: int = 365,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Import a VICS 1.x or 2.0 case file. A broken file is refused whole.

    What other systems graded comes in as their word: it is shown, and is no vote. Keys that Tutela
    does not know are kept and given back on export. Killed and run again, it goes on.

    Args:
        file: The JSON file.
        number: Number of the case; the file's own if left out. An open case of it is added to.
        title: A few words for people.
        scheme: Grading scheme of a new case, where the file's profile does not name one.
        legal_basis: The law or decision that allows the work; needed for a new case.
        reference: Number of the warrant or order.
        granted_by: Court or office that granted it.
        scope: What it covers.
        valid_days: For how many days from today it is valid.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    if not file.is_file():
        raise UsageError(f"{file} is no file", hint="tutela case import FILE.json")
    authority = None
    if legal_basis:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        authority = NewAuthority(
            legal_basis=legal_basis,
            reference=reference,
            granted_by=granted_by,
            scope=scope,
            valid_from=today,
            valid_until=today + timedelta(days=valid_days),
        )
    with opened(config, break_glass=break_glass) as office, drawn() as draw:
        done = import_vics(
            office.database,
            office.who,
            file,
            number=number,
            title=title,
            authority=authority,
            scheme=scheme,
            watch=lambda taken, total: draw(f"{taken:,} of {total:,} records"),
        )
    refused = 0
    for case in done.cases:
        _say(case)
        refused += case.refused
    return SOME_REFUSED if refused else 0


def _say(case: ImportedCase) -> None:
    if case.already:
        print(f"case {case.number}: this file was imported before; nothing was added")
        return
    print(
        f"case {case.number}: {case.entries:,} records read, {case.media:,} media, "
        f"{case.counts.get('places', 0):,} places, {case.counts.get('graded', 0):,} graded there, "
        f"{case.refused:,} refused"
    )
    for entry, code, excerpt in case.refusals[:SHOWN]:
        print(f"  record {entry} refused: {code} {shown(excerpt)}", file=sys.stderr)
    if case.claimed is not None and case.claimed != case.entries:
        print(f"  note: the file says it holds {case.claimed:,}", file=sys.stderr)
    if case.placeholders:
        print(f"  note: {case.placeholders:,} PhotoDNA values name no picture", file=sys.stderr)
