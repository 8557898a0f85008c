"""Puts a scan together: confined workers first, then journal and lists, then the pipeline."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.settings import ScanSettings, Settings
from tutela.evidence import folder
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.sandbox import Limits, Pool
from tutela.scan import wire, worker
from tutela.scan.journal import Journal, Mode, journal_path
from tutela.scan.matching import LibraryMatcher, NoLists
from tutela.scan.pipeline import Matcher, Pipeline, State

# An E01 of several terabytes in parts of one CD each still opens.
SEGMENTS = 8192


@dataclass(frozen=True)
class Session:
    """A scan that is ready to run, the lists it asks, and what to know about fresh imports."""

    pipeline: Pipeline
    lists: Sequence[ListInfo]
    notes: Sequence[str]

    def forget(self) -> None:
        """Remove the journal: every row is out and kept elsewhere."""
        self.pipeline.journal.remove()


@contextlib.contextmanager
def open_session(
    roots: Sequence[Path],
    lists: Sequence[str],
    settings: Settings,
    mode: Mode = "new",
    watch: Callable[[State], None] = lambda _state: None,
) -> Iterator[Session]:
    """Prepare a scan of `roots`; `lists` are names in the library or files, all lists if empty.

    A file is imported into the library once, under its name and digest, and found there again.

    Raises:
        UsageError: a root or list does not exist, or an unfinished scan is there.
        ServiceError: workers, journal or library cannot be opened.
    """
    scan = settings.scan
    limits = _limits(scan)
    confinement = Limits(
        memory_bytes=scan.worker_memory_mib << 20,
        silence_s=scan.item_seconds,
        open_files=SEGMENTS,
    )
    _allow_segments()
    with contextlib.ExitStack() as stack:
        # The workers are forked before a list is opened: they never hold one.
        pool = stack.enter_context(
            Pool(
                worker.Worker(),
                jobs=scan.jobs or len(os.sched_getaffinity(0)),
                limits=confinement,
                warm_up=worker.warm_up,
            )
        )
        journal = stack.enter_context(Journal(journal_path(scan.state, roots, limits), mode))
        notes: list[str] = []
        matcher, used = _matcher(lists, settings, notes)
        yield Session(
            Pipeline(
                journal=journal,
                pool=pool,
                matcher=matcher,
                walk=folder.walk(roots),
                limits=limits,
                watch=watch,
            ),
            used,
            notes,
        )


def _allow_segments() -> None:
    """Let this process open all segments of a large image at once, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(2 * SEGMENTS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _limits(scan: ScanSettings) -> wire.Limits:
    return wire.Limits(
        picture_bytes=scan.picture_mib << 20,
        picture_pixels=scan.picture_megapixels * 1_000_000,
        frames=scan.frames,
        nesting=scan.nesting,
        nested_bytes=scan.nested_mib << 20,
        container_bytes=scan.container_gib << 30,
        expansion=scan.expansion,
        sparse_bytes=scan.sparse_mib << 20,
    )


def _matcher(
    lists: Sequence[str], settings: Settings, notes: list[str]
) -> tuple[Matcher, Sequence[ListInfo]]:
    path = settings.library.path
    if not lists and not (path / "library.json").exists():
        return NoLists(), ()
    library = Library.create(path)
    used = [_list(library, name, notes) for name in lists] or library.lists
    return LibraryMatcher(library, used, settings.scan.radius_bits), used


def _list(library: Library, name: str, notes: list[str]) -> ListInfo:
    """Return a list by its name in the library, or import the file of that name, once."""
    known = {info.name: info for info in library.lists}
    file = Path(name)
    if name in known:
        return known[name]
    if not file.is_file():
        raise UsageError(
            f"no hash list or file is called {name}",
            code="no_such_list",
            hint="tutela list info shows the imported lists",
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    name = f"{file.name}@{digest[:12]}"
    if name in known:
        return known[name]
    report = library.add(file, name=name, role=Role.ALERT)
    notes += [f"{file.name}: {note}" for note in report.notes]
    return report.info
