"""`tutela case import`: cases of other systems, with the files beside them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tutela.casework import case as cases
from tutela.casework.arrange import arrange
from tutela.casework.compare import compare
from tutela.casework.formats import vics_named, vics_taken
from tutela.casework.formats.vics_case_read import Imported, import_vics
from tutela.casework.formats.vics_import import ImportedCase
from tutela.casework.formats.vics_named import Wanted
from tutela.casework.model import ExhibitInfo, ExhibitState, NewAuthority
from tutela.cli import progress
from tutela.cli.drawing import drawn
from tutela.cli.keeping import Keeping
from tutela.cli.open import Office, opened
from tutela.cli.scan import stopping
from tutela.core.errors import UsageError
from tutela.core.settings import Settings
from tutela.evidence.folder import Found
from tutela.scan.rows import shown
from tutela.scan.session import open_lists, open_session
from tutela.store import Database

SOME_FAILED = 1
SHOWN = 10


class Chosen(msgspec.Struct, frozen=True):
    """What a person chose about files and lists: see `import_`."""

    file: Path
    media: Path | None
    no_media: bool
    lists: list[str]
    config: Path | None
    break_glass: str


def import_(
    file: Path,
    *,
    number: str | None = None,
    title: str | None = None,
    scheme: str | None = None,
    media: Path | None = None,
    no_media: bool = False,
    keep_media: bool = False,
    list_: Annotated[list[str] | None, Parameter(name="--list", consume_multiple=True)] = None,
    legal_basis: str = "",
    reference: str = "",
    granted_by: str = "",
    scope: str = "what the imported file names",
    valid_days: int = 365,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Import a VICS 1.x or 2.0 case file with its media. A broken file is refused whole.

    What other systems graded comes in as their word: it is shown, and is no vote. Keys that Tutela
    does not know are kept and given back on export. Killed and run again, it goes on.

    Files that records name are read where at least one of them lies beside the JSON file. Each
    must have the digests of its record; one that has not is reported, and not kept. Run it again
    when files that were missing are there. The exit status is 1 if records were refused or files
    could not be read.

    Examples:
        tutela case import op-17.json --legal-basis "Police Act, s. 8" --reference "W 12/26"
        --granted-by "Northtown Court" --keep-media

        tutela case import op-17.json --media /mnt/disk

    Args:
        file: The JSON file.
        number: Number of the case; the file's own if left out. An open case of it is added to.
        title: A few words for people.
        scheme: Grading scheme of a new case, where the file's profile does not name one.
        media: Folder that the paths of media begin at; all that are named are then asked for.
        no_media: Read no files, even where they are there.
        keep_media: Let a new case keep pictures, encrypted, so that they can be reviewed.
        list_: Hash lists to ask: names of imported lists, or files. All imported ones if left out.
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
    if media is not None and (no_media or not media.is_dir()):
        raise UsageError(f"{media} is no folder of media", hint="--media FOLDER, or --no-media")
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
    chosen = Chosen(file, media, no_media, list_ or [], config, break_glass)
    with opened(config, break_glass=break_glass) as office, drawn() as draw:
        settings = office.settings
        done = import_vics(
            office.database,
            office.who,
            file,
            number=number,
            title=title,
            authority=authority,
            scheme=scheme,
            keeps_media=keep_media,
            folder=media,
            arranged=False,
            watch=lambda taken, total: draw(f"{taken:,} of {total:,} records"),
        )
    failed = 0
    first = 0
    for case in done.cases:
        _say(case)
        failed += case.refused + _finish(chosen, settings, done, case, first)
        first += case.entries
    return SOME_FAILED if failed else 0


def _finish(
    chosen: Chosen, settings: Settings, done: Imported, case: ImportedCase, first: int
) -> int:
    """Read the files of a case, hold the rest against the lists, and put all in order.

    Returns:
        How many files could not be read.
    """
    if chosen.no_media or not case.named:
        _settle(chosen, settings, case)
        return 0
    if chosen.media is None and not case.beside:
        said = f"  note: {case.named:,} records name a file, and none of those is there"
        print(said, file=sys.stderr)
        _settle(chosen, settings, case)
        return 0
    folder = chosen.media or chosen.file.parent
    files = Wanted(case.case_id, chosen.file, folder, done.sha256, first, case.entries)
    # Closed before the workers are forked: they must hold neither database nor key.
    with opened(chosen.config, break_glass=chosen.break_glass) as office:
        exhibit = vics_named.begin(office.database, office.who, files)
        keeps_media = _keeps_media(office, case)
    if exhibit.state is ExhibitState.COMPLETE:
        read = exhibit
        _settle(chosen, settings, case)
    else:
        read = _read(chosen, settings, exhibit, folder, keeps_media=keeps_media)
    print(
        f"files beside: {read.seen:,} named: {read.hashed:,} taken, {read.skipped:,} skipped, "
        f"{read.failed:,} failed"
    )
    return read.failed


def _settle(chosen: Chosen, settings: Settings, case: ImportedCase) -> None:
    """Hold a case of which no file is read against the lists, and put it in order."""
    with opened(chosen.config, break_glass=chosen.break_glass) as office:
        matcher, used, _ = open_lists(chosen.lists, settings)
        if used:
            compare(office.database, office.who, case.case_id, matcher)
        arrange(office.database, office.who, case.case_id)


def _read(
    chosen: Chosen, settings: Settings, exhibit: ExhibitInfo, folder: Path, *, keeps_media: bool
) -> ExhibitInfo:
    keeping = Keeping(settings)
    with (
        progress.shown() as watch,
        contextlib.ExitStack() as stack,
    ):

        def named() -> Iterator[Found]:
            database = stack.enter_context(Database(settings.database.url))
            return vics_taken.walk(database, exhibit, folder)

        session = stack.enter_context(
            open_session(
                [folder],
                chosen.lists,
                settings,
                "resume",
                watch,
                facts=True,
                keep=(lambda: keeping.keeper(stack)) if keeps_media else None,
                named=named,
            )
        )
        stack.enter_context(stopping(session.pipeline))
        office = stack.enter_context(opened(chosen.config, break_glass=chosen.break_glass))
        read = vics_taken.take(
            office.database, office.who, exhibit, folder, session, vault=keeping.vault
        )
        if session.lists:
            compare(office.database, office.who, exhibit.case_id, session.pipeline.matcher)
        arrange(office.database, office.who, exhibit.case_id)
        session.forget()
        watch.clear()
    return read


def _keeps_media(office: Office, case: ImportedCase) -> bool:
    with office.database.read() as tx:
        return cases.info(tx, office.who, case.case_id).keeps_media


def _say(case: ImportedCase) -> None:
    if case.already:
        print(f"case {case.number}: this file was imported before; no record was added")
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
