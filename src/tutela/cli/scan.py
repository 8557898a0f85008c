"""`tutela scan`."""

from __future__ import annotations

import sys
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
from tutela.scan.rows import Row
from tutela.scan.session import Session, open_session
from tutela.scan.summary import Summary
from tutela.scan.wire import Status

SOME_FAILED = 1
EVIDENCE_BROKEN = 4


def scan(
    *paths: Path,
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
    if not paths:
        raise UsageError("nothing to scan", hint="tutela scan PATH... [--list FILE...]")
    settings = _settings(config, radius, jobs)
    mode: Mode = "fresh" if fresh else "resume" if resume else "new"
    started = now()
    with (
        progress.shown() as watch,
        open_session(paths, list_ or [], settings, mode, watch) as session,
    ):
        for note in session.notes:
            print(f"note: {note}", file=sys.stderr)
        wanted = page.Report(report) if report else None
        try:
            _print_rows(session, output.writer(format_, _text, rows.COLUMNS), wanted)
        except BaseException:
            if wanted:
                wanted.abandon()
            raise
        summary = session.pipeline.summary
        where = None
        if wanted:
            where = wanted.finish(_circumstances(paths, session, settings, started), summary)
        sys.stdout.flush()
        if not (wanted and wanted.error):
            session.forget()
    if format_ == "text":
        _say_summary(summary)
    if wanted and wanted.error:
        print(f"error: {wanted.error.message}", file=sys.stderr)
        print("hint: scan again with --resume and another --report folder", file=sys.stderr)
        return SOME_FAILED
    if where:
        print(f"report: {where}", file=sys.stderr)
    return _status(summary)


def _settings(config: Path | None, radius: int | None, jobs: int | None) -> Settings:
    settings = core_settings.load(config)
    given = {"radius_bits": radius, "jobs": jobs}
    return core_settings.override(
        settings, "scan", {key: value for key, value in given.items() if value is not None}
    )


def _print_rows(session: Session, write: output.Writer, report: page.Report | None) -> None:
    def out(row: Row) -> None:
        write(row)
        if report:
            report.add(row)

    for recorded in session.pipeline.run():
        for row in rows.rows_of(recorded):
            out(row)
    out(session.pipeline.summary.row())


def _circumstances(
    paths: tuple[Path, ...], session: Session, settings: Settings, started: datetime
) -> page.Circumstances:
    return page.Circumstances(
        roots=[str(path) for path in paths],
        lists=[(info.name, info.role.value, info.entries) for info in session.lists],
        radius_bits=settings.scan.radius_bits,
        started=started,
        ended=now(),
        version=version("tutela"),
    )


def _text(row: output.Row) -> str:
    if row["type"] == "hit":
        codes = ",".join(f"{c['scheme']}:{c['code']}" for c in row["classification"])
        word = "quiet" if row.get("silenced") or row["role"] != "alert" else "HIT"
        how = f"{row['strength']} {rows.shown_match(row)}"
        return f"{word:<7}{how:<43} {rows.shown(codes):<8} {_place(row)}"
    if row["type"] == "failed":
        return f"failed {row['reason']:<52} {_place(row)}"
    return ""


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
        print(f"  {outcome.value:<8}{count:>8,}  {page.REASONS.get(reason, reason)}")


def _status(summary: Summary) -> int:
    if any(reason == "hash_mismatch" for _, reason in summary.reasons):
        return EVIDENCE_BROKEN
    return SOME_FAILED if summary.failed else 0
