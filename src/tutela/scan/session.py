"""Puts a scan together: confined workers first, then journal and lists, then the pipeline."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.settings import ScanSettings, Settings
from tutela.evidence import folder
from tutela.evidence.folder import Found
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.hashlist.report import warnings
from tutela.sandbox import Limits, Pool
from tutela.scan import wire, worker
from tutela.scan.journal import Journal, Mode, journal_path
from tutela.scan.keeper import Keeper
from tutela.scan.matching import ListMatcher
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
def open_session(  # noqa: PLR0913 each is an option of its own
    roots: Sequence[Path],
    lists: Sequence[str],
    settings: Settings,
    mode: Mode = "new",
    watch: Callable[[State], None] = lambda _state: None,
    *,
    facts: bool = False,
    keep: Callable[[], Keeper] | None = None,
    named: Callable[[], Iterator[Found]] | None = None,
) -> Iterator[Session]:
    """Prepare a scan of `roots`; `lists` are names in the library or files, all lists if empty.

    A file is imported into the library once, under its name and digest, and found there again.

    `facts` asks for sizes, EXIF and scene hash of pictures. `keep` makes the keeper of thumbnails
    and originals; it is called when the workers have been forked, so that they never hold a key.
    `named` gives the files below `roots` that are read, in place of all; what is in them is not
    looked for. It is called after the fork too.

    Raises:
        UsageError: a root or list does not exist, or an unfinished scan is there.
        ServiceError: workers, journal or library cannot be opened.
    """
    scan = settings.scan
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
        keeper = keep() if keep else None
        limits = _limits(scan, keeper, facts=facts, members=named is None)
        matcher, used, notes = open_lists(lists, settings)
        # What can be wrong with the command has been, before anything is kept of it.
        walk = _begun(named() if named else folder.walk(roots))
        path = journal_path(scan.state, roots, limits, keeper.name if keeper else "")
        journal = stack.enter_context(Journal(path, mode))
        yield Session(
            Pipeline(
                journal=journal,
                pool=pool,
                matcher=matcher,
                walk=_without_state(walk, scan.state),
                limits=limits,
                watch=watch,
                keeper=keeper,
            ),
            used,
            notes,
        )


def _begun(walk: Iterator[Found]) -> Iterator[Found]:
    """Take the first step of a walk now, which tells whether the roots are there."""
    first = list(itertools.islice(walk, 1))
    return itertools.chain(first, walk)


def _without_state(walk: Iterator[Found], state: Path) -> Iterator[Found]:
    """Skip our own journals, which change while they are read, where the evidence holds them."""
    own = os.path.realpath(os.fsencode(state)) + b"/"
    for found in walk:
        if found.path.startswith(own) and found.outcome == "file":
            found = replace(found, outcome="skipped", reason="own_state", segments=())  # noqa: PLW2901 the same, skipped
        yield found


def _allow_segments() -> None:
    """Let this process open all segments of a large image at once, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(2 * SEGMENTS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _limits(
    scan: ScanSettings, keeper: Keeper | None, *, facts: bool, members: bool
) -> wire.Limits:
    keep: wire.Keep = "nothing"
    if keeper is not None:
        keep = "originals" if keeper.originals else "thumbnails"
    return wire.Limits(
        picture_bytes=scan.picture_mib << 20,
        picture_pixels=scan.picture_megapixels * 1_000_000,
        frames=scan.frames,
        nesting=scan.nesting,
        nested_bytes=scan.nested_mib << 20,
        container_bytes=scan.container_gib << 30,
        expansion=scan.expansion,
        sparse_bytes=scan.sparse_mib << 20,
        facts=facts,
        keep=keep,
        members=members,
    )


def open_lists(
    lists: Sequence[str], settings: Settings
) -> tuple[Matcher, Sequence[ListInfo], list[str]]:
    """Open hash lists by name or file, all imported ones if none is named; the last are notes.

    Raises:
        UsageError: a list is neither imported nor a file.
    """
    path = settings.library.path
    imported = Library.open(path) if (path / "library.json").exists() else None
    asked: list[tuple[Library, ListInfo]] = []
    if lists:
        asked = [_list(imported, name, settings) for name in lists]
    elif imported is not None:
        asked = [(imported, info) for info in imported.lists]
    used = [info for _, info in asked]
    notes = [f"list {info.name}: {warning}" for info in used for warning in warnings(info)]
    if not used:
        notes.append("no hash list was asked: files are only hashed, nothing is compared")
    return ListMatcher(asked, settings.scan.radius_bits), used, notes


def _list(imported: Library | None, name: str, settings: Settings) -> tuple[Library, ListInfo]:
    """Return a list by its name in the library, or read the file of that name.

    Files are kept apart from what was imported on purpose, so that they are read once but asked
    only where they are named.
    """
    for info in imported.lists if imported else ():
        if imported and info.name == name:
            return imported, info
    file = Path(name)
    if not file.is_file():
        raise UsageError(
            f"{name} is neither an imported hash list nor a file",
            code="no_such_list",
            hint="tutela list info shows the imported lists",
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    kept = f"{file.name}@{digest[:12]}"
    path = settings.library.path
    files = Library.create(path.with_name(f"{path.name}-files"))
    for info in files.lists:
        if info.name == kept:
            return files, info
    return files, files.add(file, name=kept, role=Role.ALERT).info
