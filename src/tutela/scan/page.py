"""The report of a scan as a page for a person: counts, hits by list, what failed and why.

No picture is embedded and no script runs: the file can be mailed, printed and kept with the case.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from tutela.core.errors import ServiceError, TutelaError, UsageError
from tutela.core.time import iso
from tutela.report import html
from tutela.report.html import Fact, Section, Table
from tutela.scan import rows
from tutela.scan.rows import Row
from tutela.scan.summary import Summary
from tutela.scan.wire import Status

# A page that a browser opens easily; everything is in rows.jsonl beside it.
SHOWN_ROWS = 5000

_encode = msgspec.json.Encoder().encode

_EXACT = (
    "Exact means the same bytes (SHA-256, or SHA-1 and MD5 together). Indicative means that a "
    "person has to look: similar pictures, or one weak digest alone."
)

_DEPTH = (
    "Files that a file system holds were read, and what archives hold. Deleted files, unallocated "
    "space and slack were not."
)

REASONS = {
    "changed": "changed while it was read",
    "crashed": "the reader broke on it; it was confined and nothing else was touched",
    "damaged": "damaged; what could be read of it was",
    "device": "a device node",
    "encrypted": "encrypted",
    "error": "the reader met something it does not know",
    "expansion_limit": "expands beyond the limit: perhaps a decompression bomb",
    "fifo": "a named pipe",
    "filesystem_metadata": "the file system's own bookkeeping",
    "hardlink": "another name of a file that is read under its first",
    "hash_mismatch": "the image does not match the hash stored in it",
    "larger_than_image": "claims to be larger than the image it lies in",
    "member_limit": "holds more entries than the limit",
    "memory": "needs more memory than one file may take",
    "missing_segment": "a part of the disk image is missing",
    "own_state": "Tutela's own record of this scan",
    "nested_too_large": "a packed container inside another, too large to open",
    "nesting_limit": "too many containers inside each other",
    "segment": "a later part of a disk image: see its first part",
    "silent": "no progress within the time limit",
    "socket": "a socket",
    "sparse": "almost all of it is a hole; opened if it is a container, not digested",
    "swapped": "another file lay there when it was opened",
    "symlink": "a symbolic link, not followed",
    "too_deep": "lies too deep in its folders",
    "too_large": "a picture beyond the size limit",
    "truncated": "cut short",
    "undecodable": "damaged, or not what it says it is",
    "unknown_filesystem": "a partition without a file system that Tutela reads",
    "unknown_type": "neither a file nor a folder",
    "unreadable": "could not be opened or read",
    "unreadable_folder": "a folder that could not be read",
    "unsupported": "a kind of picture that Tutela does not decode",
    "unsupported_method": "packed in a way that Tutela does not unpack",
    "vanished": "was gone when it was opened",
    "visited": "a folder that was read under another name",
}


@dataclass(frozen=True)
class Circumstances:
    """What the report says about the run: lists are (name, role, entries, SHA-256 of the file)."""

    roots: Sequence[str]
    lists: Sequence[tuple[str, str, int, str]]
    radius_bits: int
    started: datetime
    ended: datetime
    version: str


class Report:
    """A folder with report.html and rows.jsonl, filled as the scan goes on.

    A disk that is full must not stop a scan: the first failure is kept in `error`, what was
    written so far is removed, and the caller says so at the end.
    """

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        """Begin a report in `folder`, which is made.

        Raises:
            UsageError: the folder lies in the evidence, which is only read.
            ServiceError: it cannot be written.
        """
        _refuse_inside(folder, roots)
        self.error: ServiceError | None = None
        self._folder = folder
        self._kept: dict[str, list[Row]] = {
            kind: [] for kind in ("exact", "hit", "failed", "skipped")
        }
        self._closing = contextlib.ExitStack()
        self._rows: BinaryIO | None = self._closing.enter_context(
            html.replacing(folder / "rows.jsonl")
        )

    def add(self, row: Row) -> None:
        """Take one row of the scan."""
        kind = row["type"]
        if kind == "hit" and row["strength"] == "exact" and row["role"] == "alert":
            kind = "exact"
        kept = self._kept.get(kind)
        if kept is not None and len(kept) < SHOWN_ROWS:
            kept.append(row)
        if self._rows is not None:
            with self._failing():
                self._rows.write(_encode(row) + b"\n")

    def finish(self, circumstances: Circumstances, summary: Summary) -> Path:
        """Put both files in place; return the page's path. Look at `error` afterwards."""
        page = self._folder / "report.html"
        if self.error:
            return page
        with self._failing():
            self._closing.close()
            _write(page, circumstances, summary, self._kept)
        return page

    def abandon(self) -> None:
        """The scan did not end: leave nothing half-written behind."""
        with contextlib.suppress(TutelaError, OSError), self._closing:
            raise ServiceError("abandoned")

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (ServiceError, OSError) as error:
            self._rows = None
            self.abandon()
            if isinstance(error, OSError):
                error = ServiceError(f"cannot write {self._folder}: {error.strerror}")
            self.error = self.error or error


def _refuse_inside(folder: Path, roots: Sequence[Path]) -> None:
    place = Path(os.path.realpath(folder))
    for root in roots:
        if place.is_relative_to(os.path.realpath(root)):
            raise UsageError(
                f"the report folder {folder} lies in the evidence, which is only read",
                hint="name a folder outside of what is scanned",
            )


def _write(
    path: Path, circumstances: Circumstances, summary: Summary, kept: Mapping[str, list[Row]]
) -> None:
    count = f"{summary.seen:,}"
    facts = [
        Fact(
            "with an alert",
            f"{summary.contents_with_alerts:,}",
            "alert" if summary.contents_with_alerts else "good",
            "files that match an alert list",
        ),
        Fact(
            "seen", count, note=f"{_size(summary.size_bytes)}, {summary.media:,} different contents"
        ),
        Fact("hashed", f"{summary.status[Status.HASHED]:,}", note=f"{summary.pictures:,} pictures"),
        Fact("skipped", f"{summary.status[Status.SKIPPED]:,}", note="each with a reason"),
        Fact("failed", f"{summary.failed:,}", "warn" if summary.failed else "", "listed below"),
    ]
    sections = [
        _by_list(summary),
        _hits(kept["exact"] + kept["hit"], summary.hits),
        _problems(kept["failed"], summary),
        _skipped(kept["skipped"], summary),
        _lists(circumstances),
    ]
    html.write(
        html.Page(
            title="Scan report",
            subtitle="Scanned: " + ", ".join(rows.shown(root) for root in circumstances.roots),
            facts=facts,
            sections=sections,
            footer=[
                _circumstances(circumstances),
                _EXACT,
                _DEPTH,
                "All rows, with every digest, are in rows.jsonl beside this page.",
            ],
        ),
        path,
    )


def _circumstances(run: Circumstances) -> str:
    return (
        f"Started {iso(run.started)}, ended {iso(run.ended)}; "
        f"PDQ radius {run.radius_bits} bits; Tutela {run.version}."
    )


def _by_list(summary: Summary) -> Section:
    table = Table(
        ("List", "Role", "Classification", "Strength", "Hits"),
        [(*key, f"{n:,}") for key, n in sorted(summary.hits_by_list.items())],
        numeric=frozenset({4}),
    )
    return Section(
        "Hits by list and classification",
        "Codes are as the list gave them, under its own scheme.",
        table if summary.hits_by_list else None,
        "Nothing matched.",
    )


def _hits(hits: Sequence[Row], total: int) -> Section:
    def lines() -> Iterator[Sequence[str]]:
        for row in sorted(hits, key=lambda r: (r["strength"], r["distance_bits"])):
            codes = ", ".join(f"{c['scheme']} {c['code']}" for c in row["classification"])
            strength = "silenced" if row.get("silenced") else row["strength"]
            yield rows.shown_place(row), row["list"], codes, strength, rows.shown_match(row)

    return Section(
        "Hits",
        _shortened(len(hits), total),
        Table(("File", "List", "Classification", "Strength", "How"), lines()) if hits else None,
        "No file matched a list.",
    )


def _problems(broken: Sequence[Row], summary: Summary) -> Section:
    return Section(
        "Failed",
        _shortened(len(broken), summary.failed)
        or "These could not be read, or not wholly; what could be read of them was compared.",
        _reason_table(broken) if broken else None,
        "Everything could be read.",
    )


def _skipped(quiet: Sequence[Row], summary: Summary) -> Section:
    return Section(
        "Skipped",
        _shortened(len(quiet), summary.status[Status.SKIPPED]),
        _reason_table(quiet) if quiet else None,
        "Nothing was skipped.",
    )


def _reason_table(found: Iterable[Row]) -> Table:
    return Table(
        ("File", "Reason", "Detail"),
        (
            (
                rows.shown_place(row),
                REASONS.get(row["reason"], row["reason"].replace("_", " ")),
                rows.shown(row["detail"]),
            )
            for row in found
        ),
    )


def _lists(circumstances: Circumstances) -> Section:
    return Section(
        "Lists used",
        table=Table(
            ("List", "Role", "SHA-256 of its file", "Entries"),
            [(name, role, digest, f"{n:,}") for name, role, n, digest in circumstances.lists],
            numeric=frozenset({3}),
        )
        if circumstances.lists
        else None,
        empty="No list was given: files were hashed and nothing was compared.",
    )


def _shortened(shown: int, total: int) -> str:
    return f"The first {shown:,} of {total:,}; all are in rows.jsonl." if shown < total else ""


def _size(size_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
