"""`tutela scan`."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutela.cli import output, progress
from tutela.core import settings as core_settings
from tutela.core.errors import UsageError
from tutela.core.settings import Settings
from tutela.core.time import now
from tutela.scan import page, rows
from tutela.scan.journal import Mode
from tutela.scan.pipeline import Pipeline
from tutela.scan.rows import Row
from tutela.scan.session import Session, open_session
from tutela.scan.summary import Summary
from tutela.scan.wire import Status

SOME_FAILED = 1
EVIDENCE_BROKEN = 4
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def scan(
    *paths: str,
    list_: Annotated[list[str] | None, Parameter(name="--list", consume_multiple=True)] = None,
    radius: int | None = None,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    report: Path | None = None,
    jobs: int | None = None,
    resume: bool = False,
    fresh: bool = False,
    config: Path | None = None,
) -> int:
    """Find what is known in folders, archives and disk images.

    Every file is digested, every picture fingerprinted, and both are compared with hash lists.
    Originals are only read. Nothing is shown: pictures stay where they are.

    Examples:
        tutela scan /mnt/usb --list known.csv --report report/

        tutela scan disk.E01 --format jsonl > rows.jsonl

        tutela scan disk.E01 --resume

    Args:
        paths: Folders, files, archives or disk images.
        list_: Hash lists: names of imported lists, or files. All imported lists if left out.
        radius: PDQ distance in bits up to which a picture is a hit, 0 to 31.
        format_: What to print: text for a person, or every row as jsonl or csv.
        report: Folder for a report page and all rows.
        jobs: Worker processes; one for each core if left out.
        resume: Go on with an unfinished scan of the same paths.
        fresh: Start over, and forget an unfinished scan of the same paths.
        config: Settings file.
    """
    roots = _roots(paths, list_ or [])
    settings = _settings(config, radius, jobs)
    mode: Mode = "fresh" if fresh else "resume" if resume else "new"
    started = now()
    with (
        progress.shown() as watch,
        open_session(roots, list_ or [], settings, mode, watch) as session,
        stopping(session.pipeline),
    ):
        for note in session.notes:
            watch.clear()
            print(f"note: {note}", file=sys.stderr)
        wanted = page.Report(report, roots) if report else None
        write = output.writer(format_, _text, rows.COLUMNS)
        try:
            _print_rows(session, watch, write, wanted)
        except BaseException:
            if wanted:
                wanted.abandon()
            raise
        summary = session.pipeline.summary
        where = None
        if wanted:
            where = wanted.finish(_circumstances(roots, session, settings, started), summary)
        sys.stdout.flush()
        if not (wanted and wanted.error):
            session.forget()
    if format_ == "text":
        _say_summary(summary)
    if wanted and wanted.error:
        print(f"error: {wanted.error.message}", file=sys.stderr)
        print("hint: scan again with --resume and another --report folder", file=sys.stderr)
        return max(SOME_FAILED, _status(summary))
    if where:
        print(f"report: {where}", file=sys.stderr)
    return _status(summary)


def _roots(paths: Sequence[str], lists: Sequence[str]) -> list[Path]:
    if not paths:
        hint = "tutela scan PATH... [--list FILE...]"
        if lists:
            hint = "--list takes all words after it: put paths before it, or -- between"
        raise UsageError("nothing to scan", hint=hint)
    if not all(paths):
        raise UsageError("an empty path", hint="is a variable of your shell unset?")
    return [Path(path) for path in paths]


@contextlib.contextmanager
def stopping(pipeline: Pipeline) -> Iterator[None]:
    """End the scan at its next turn when asked to stop; a second signal ends it at once."""

    def ask(number: int, _frame: object) -> None:
        pipeline.stop = True
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in _STOPS}
    try:
        yield
    except KeyboardInterrupt:
        done = pipeline.state.contents_done
        raise KeyboardInterrupt(f"{done:,} files recorded, --resume goes on") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _settings(config: Path | None, radius: int | None, jobs: int | None) -> Settings:
    settings = core_settings.load(config)
    given = {"radius_bits": radius, "jobs": jobs}
    return core_settings.override(
        settings, "scan", {key: value for key, value in given.items() if value is not None}
    )


def _print_rows(
    session: Session, watch: progress.Watch, write: output.Writer, report: page.Report | None
) -> None:
    def out(row: Row) -> None:
        if output.is_terminal():
            watch.clear()
        write(row)
        if report:
            report.add(row)

    for recorded in session.pipeline.run():
        for row in rows.rows_of(recorded):
            out(row)
    out(session.pipeline.summary.row())


def _circumstances(
    roots: Sequence[Path], session: Session, settings: Settings, started: datetime
) -> page.Circumstances:
    return page.Circumstances(
        roots=[str(root) for root in roots],
        lists=[
            (info.name, info.role.value, info.entries, info.source_sha256) for info in session.lists
        ],
        radius_bits=settings.scan.radius_bits,
        started=started,
        ended=now(),
        version=version("tutela"),
    )


def _text(row: output.Row) -> str:
    if row["type"] == "hit":
        codes = ",".join(dict.fromkeys(_code(c) for c in row["classification"]))
        word = "quiet" if row.get("silenced") or row["role"] != "alert" else "HIT"
        how = f"{row['strength']} {rows.shown_match(row)}"
        source = rows.shown(f"{row['list'].rpartition('@')[0] or row['list']} {codes}")
        return f"{word:<7}{how:<43} {source:<18} {_place(row)}"
    if row["type"] == "failed":
        return f"failed {rows.shown(row['reason']):<62} {_place(row)}"
    return ""


def _code(classification: dict[str, str]) -> str:
    scheme, code = classification["scheme"], classification["code"]
    return code if scheme == code else f"{scheme}:{code}"


def _place(row: output.Row) -> str:
    """Return a place from where the person stands, where it lies below."""
    return rows.shown_place(row).removeprefix(f"{Path.cwd()}/")


def _say_summary(summary: Summary) -> None:
    status = summary.status
    print(
        f"{summary.seen:,} files seen: {status[Status.HASHED]:,} hashed, "
        f"{status[Status.SKIPPED]:,} skipped, {summary.failed:,} failed; "
        f"{summary.contents_with_alerts:,} with an alert."
    )
    for (outcome, reason), count in sorted(summary.reasons.items()):
        print(f"  {outcome.value:<8}{count:>8,}  {page.REASONS.get(reason, rows.shown(reason))}")


def _status(summary: Summary) -> int:
    if any(reason == "hash_mismatch" for _, reason in summary.reasons):
        return EVIDENCE_BROKEN
    return SOME_FAILED if summary.failed else 0
