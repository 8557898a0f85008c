"""`tutela case`: make cases, add evidence, see where they stand, export them."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from tutela.cli import case_status, output
from tutela.core.errors import UsageError

if TYPE_CHECKING:
    from tutela.casework.model import CaseInfo, ExhibitInfo
    from tutela.cli.open import Office
    from tutela.core.settings import Settings

SOME_FAILED = 1
ExportFormat = Literal["vics", "case-uco", "jsonl", "csv", "html", "pdf"]
Words = Annotated[list[str] | None, Parameter(consume_multiple=True)]
_COLUMNS = ("v", "type", "number", "title", "state", "scheme", "keeps_media", "valid_until")

app = App(
    name="case",
    help="Make cases, add evidence, see where they stand, export them.",
    default_parameter=Parameter(negative=()),
)
app.command(
    "tutela.cli.case_import:import_", name="import", help="Import a case of another system (VICS)."
)


@app.command
def new(
    number: str,
    *,
    legal_basis: str,
    reference: str,
    granted_by: str,
    scope: str = "all evidence of this case",
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    valid_days: int = 365,
    title: str = "",
    scheme: str = "uk-abc",
    keep_media: bool = False,
    team: Words = None,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Make a case. It needs the authority under which it is worked on.

    Outside the time for which the authority is valid nothing can be added, graded or viewed.

    Examples:
        tutela case new OP-17 --legal-basis "Police Act, s. 8" --reference "W 12/26" --granted-by
        "Northtown Court" --valid-days 90 --keep-media --team ann.lee bo.ray

    Args:
        number: Number of the case, as people know it.
        legal_basis: The law or decision that allows the work.
        reference: Number of the warrant or order.
        granted_by: Court or office that granted it.
        scope: What it covers.
        valid_from: First day, as 2026-11-23; today if left out.
        valid_until: Last day; it counts.
        valid_days: For how many days it is valid, where no last day is given.
        title: A few words for people.
        scheme: Grading scheme: uk-abc, vics-us, iccam, ncmec, interpol-baseline or a profile.
        keep_media: Keep pictures, encrypted, so that they can be reviewed; else only hashes.
        team: Accounts that shall see the case, besides this one.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.access import teams  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.casework import case as cases  # noqa: PLC0415 - as above
    from tutela.casework import team as joining  # noqa: PLC0415 - as above
    from tutela.casework.model import NewAuthority  # noqa: PLC0415 - as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    first = _day(valid_from or datetime.now(UTC))
    last = _day(valid_until) + timedelta(days=1) if valid_until else None
    authority = NewAuthority(
        legal_basis=legal_basis,
        reference=reference,
        scope=scope,
        granted_by=granted_by,
        valid_from=first,
        valid_until=last or first + timedelta(days=valid_days),
    )
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        case_id = cases.create(
            tx, office.who, number, title, authority, scheme, keeps_media=keep_media
        )
        for name in team or []:
            teams.add(tx, office.who, case_id, joining.by_name(tx, office.who, case_id, name))
    until = (authority.valid_until - timedelta(days=1)).date()
    print(f"case {number} is open; its authority is valid from {first.date()} to {until}")
    print(f"next: tutela case add {number} PATH --label EXHIBIT", file=sys.stderr)
    return 0


@app.command(name="list")
def list_(
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """List the cases whose team this account is of.

    Args:
        format_: text for a person, or one row for each case as jsonl or csv.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.casework import case as cases  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        found = cases.list_(tx, office.who)
    write = output.writer(format_, case_status.case_line, _COLUMNS)
    for one in found:
        write(case_status.case_row(one))
    if not found and format_ == "text":
        print("no cases; tutela case new makes one", file=sys.stderr)
    return 0


@app.command
def add(
    number: str,
    *paths: Path,
    label: str,
    device: str = "",
    list_: Annotated[list[str] | None, Parameter(name="--list", consume_multiple=True)] = None,
    jobs: int | None = None,
    resume: bool = False,
    fresh: bool = False,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Add evidence to a case as one exhibit: scan it, grade what is known, stack the rest.

    Stopped or killed, it goes on with --resume. Originals are only read. The exit status is 1 if
    some files could not be read; each is in the case with its reason.

    Examples:
        tutela case add OP-17 /mnt/phone --label EXH01 --device "Phone 9, serial 77"

        tutela case add OP-17 /mnt/phone --label EXH01 --resume

    Args:
        number: Number of the case.
        paths: Folders, files, archives or disk images.
        label: What the exhibit is called in the case.
        device: The thing itself: make, model, serial number.
        list_: Hash lists to ask: names of imported lists, or files. All imported ones if left out.
        jobs: Worker processes; one for each core if left out.
        resume: Go on with an unfinished adding of the same paths.
        fresh: Read everything again, and forget an unfinished scan of the same paths.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.casework import intake  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.cli import progress  # noqa: PLC0415 - as above
    from tutela.cli.keeping import Keeping  # noqa: PLC0415 - as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above
    from tutela.cli.scan import stopping  # noqa: PLC0415 - as above
    from tutela.scan.session import open_session  # noqa: PLC0415 - as above

    if not paths:
        raise UsageError("nothing to add", hint=f"tutela case add {number} PATH... --label {label}")
    settings = _settings(config, jobs)
    # Asked before the workers start, and closed again: they are forked from this process, and
    # must hold neither database nor key.
    with opened(config, break_glass=break_glass) as office:
        case = _case(office, number)
    keeping = Keeping(settings)
    with (
        progress.shown() as watch,
        contextlib.ExitStack() as stack,
        open_session(
            paths,
            list_ or [],
            settings,
            "fresh" if fresh else "resume" if resume else "new",
            watch,
            facts=True,
            keep=(lambda: keeping.keeper(stack)) if case.keeps_media else None,
        ) as session,
        stopping(session.pipeline),
        opened(config, break_glass=break_glass) as office,
    ):
        for note in session.notes:
            watch.clear()
            print(f"note: {note}", file=sys.stderr)
        source = intake.Source(label, device, ", ".join(str(path) for path in paths))
        done = intake.add(
            office.database,
            office.who,
            case.id,
            source,
            session,
            vault=keeping.vault,
            again=resume,
        )
        session.forget()
        watch.clear()
        _say_added(office, case, done)
    return SOME_FAILED if done.failed else 0


@app.command
def status(
    number: str,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Say where a case stands, and how much work it still asks of people.

    Args:
        number: Number of the case.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy; only when a command runs

    with opened(config, break_glass=break_glass) as office:
        case = _case(office, number)
        case_status.say(office, case, format_)
    return 0


@app.command
def team(
    number: str,
    *,
    add: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    remove: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show who sees a case, after putting accounts on its team or taking them off.

    Args:
        number: Number of the case.
        add: Accounts to put on the team.
        remove: Accounts to take off the team.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.access import teams  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.casework import team as joining  # noqa: PLC0415 - as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        case = _case(office, number)
        with office.database.write() as tx:
            for name in add or []:
                account_id = joining.by_name(tx, office.who, case.id, name)
                teams.add(tx, office.who, case.id, account_id)
            on_team = {m.name: m.account_id for m in teams.members(tx, office.who, case.id)}
            for name in remove or []:
                if name not in on_team:
                    raise UsageError(f"{name} is not on the team of case {number}")
                teams.remove(tx, office.who, case.id, on_team[name])
            members = teams.members(tx, office.who, case.id)
    for member in members:
        print(f"{member.name:<32} {member.display_name}")
    return 0


@app.command
def export(
    number: str,
    *,
    format_: Annotated[ExportFormat, Parameter(name="--format")],
    output_: Annotated[Path, Parameter(name=["--output", "-o"])],
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Write a case to a file, without media. Export of media needs two persons, in the browser.

    Args:
        number: Number of the case.
        format_: vics (2.0), case-uco, every row as jsonl or csv, or a report as html or pdf.
        output_: Where to write; what is there already is not replaced.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.casework.formats import export as exporting  # noqa: PLC0415 - heavy
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        case = _case(office, number)
        exporting.write(office.database, office.who, case.id, format_, output_)
    print(f"written: {output_}", file=sys.stderr)
    return 0


def _settings(config: Path | None, jobs: int | None) -> Settings:
    from tutela.core import settings as core_settings  # noqa: PLC0415 - as above

    settings = core_settings.load(config)
    return settings if jobs is None else core_settings.override(settings, "scan", {"jobs": jobs})


def _case(office: Office, number: str) -> CaseInfo:
    from tutela.casework import case as cases  # noqa: PLC0415 - as above

    with office.database.read() as tx:
        return cases.by_number(tx, office.who, number)


def _say_added(office: Office, case: CaseInfo, done: ExhibitInfo) -> None:
    from tutela.casework.workload import workload  # noqa: PLC0415 - as above

    print(
        f"{done.label}: {done.seen:,} files seen: {done.hashed:,} hashed, "
        f"{done.skipped:,} skipped, {done.failed:,} failed."
    )
    with office.database.read() as tx:
        for line in case_status.sentences(workload(tx, office.who, case.id)):
            print(line)


def _day(moment: datetime) -> datetime:
    """Return the beginning of a day, UTC."""
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
