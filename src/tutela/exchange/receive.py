"""Entries of a file or of a library's list become candidates for a published list."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from tutela.core.entry import ListEntry, Role
from tutela.exchange.candidate import Candidate
from tutela.exchange.model import Coded, Content
from tutela.hashlist.library import Library
from tutela.hashlist.model import UNCLASSIFIED, ImportReport

_NAME = "received"


class Received:
    """A file, read by a confined process into a folder of its own; a context manager.

    `said` are those options of `Library.add` that say what the file does not.

    `report` says what was read and what is in quarantine.

    Raises:
        ListFormatError: the file cannot be read as a list.
        SandboxError: the confined reader broke its limits.
    """

    def __init__(self, file: Path, role: Role, **said: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tutela-received-")
        try:
            self._library = Library.create(Path(self._folder.name) / "library")
            self.report: ImportReport = self._library.add(file, name=_NAME, role=role, **said)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def candidates(self, jurisdiction: str, tags: Iterable[str] = ()) -> Iterator[Candidate]:
        """Yield a candidate for each entry, coded by the law of a jurisdiction."""
        for entry in self._library.entries(self.report.info.number):
            yield candidate_of(entry, jurisdiction, tuple(tags))


def candidate_of(entry: ListEntry, jurisdiction: str, tags: tuple[str, ...]) -> Candidate:
    """Return what an entry of a library says, as a candidate.

    Schemes keep their names: a code of a scheme that we do not know is refused later, not guessed.
    """
    codes = tuple(
        Coded(jurisdiction, c.scheme, c.code) for c in entry.classifications if c != UNCLASSIFIED
    )
    return Candidate(
        content=Content.IMAGE,
        digests=entry.digests,
        fingerprints=entry.fingerprints,
        codes=codes,
        tags=tags,
    )
