"""Entries of a file or of a library's list become candidates for a published list."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tutela.core.entry import ListEntry, Role, State
from tutela.exchange.candidate import Candidate
from tutela.exchange.carry import carried_by
from tutela.exchange.model import Coded
from tutela.hashlist.library import Library
from tutela.hashlist.model import UNCLASSIFIED, ListInfo, role_of

_NAME = "received"


class Terms(msgspec.Struct, frozen=True):
    """What a file does not say: by whose law its codes are, and of which of our schemes.

    With a `scheme`, codes are read as codes of it, whatever the file calls theirs; of an entry that
    names the scheme itself only those count. A code that we do not know is refused later, never
    guessed. `tags` are added to each entry.
    """

    jurisdiction: str
    scheme: str = ""
    tags: tuple[str, ...] = ()


class Received:
    """A list of a library, entry by entry; `passed` counts what is no candidate, and why."""

    def __init__(self, library: Library, info: ListInfo, role: Role) -> None:
        self.info = info
        self.passed: dict[str, int] = {}
        self._library, self._role = library, role

    def candidates(self, terms: Terms) -> Iterator[Candidate]:
        """Yield a candidate for each entry that still matches and has the role of the list."""
        for entry in self._library.entries(self.info.number):
            if entry.state is not State.ACTIVE:
                self._pass("it was withdrawn where it comes from")
            elif role_of(entry, self.info.role, self.info.role_of) is not self._role:
                self._pass("it has another role than the list")
            else:
                yield candidate_of(entry, terms)

    def _pass(self, reason: str) -> None:
        self.passed[reason] = self.passed.get(reason, 0) + 1


@contextlib.contextmanager
def from_file(file: Path, role: Role, **said: Any) -> Iterator[Received]:
    """Read a file, in a confined process, into a folder that is there as long as the context.

    `said` are those options of `Library.add` that say what the file does not.

    Raises:
        ListFormatError: the file cannot be read as a list.
        SandboxError: the confined reader broke its limits.
        UsageError: an option does not fit.
    """
    with tempfile.TemporaryDirectory(prefix="tutela-received-") as folder:
        library = Library.create(Path(folder) / "library")
        report = library.add(file, name=_NAME, role=role, **said)
        yield Received(library, report.info, role)


def from_library(path: Path, name: str, role: Role) -> Received:
    """Read a list that was imported, or is followed, on this machine.

    Raises:
        UsageError: there is no such list.
    """
    library = Library.open(path)
    return Received(library, library.info(name), role)


def candidate_of(entry: ListEntry, terms: Terms) -> Candidate:
    """Return what an entry of a library says, as a candidate.

    An entry of a list that is followed brings its own jurisdictions, tags and reference.
    """
    carried = carried_by(entry)
    laws: Sequence[str] = carried.jurisdictions
    if len(laws) != len(entry.classifications):
        laws = [terms.jurisdiction] * len(entry.classifications)
    said = [
        Coded(law, c.scheme, c.code)
        for law, c in zip(laws, entry.classifications, strict=True)
        if c != UNCLASSIFIED
    ]
    return Candidate(
        content=carried.content,
        digests=entry.digests,
        fingerprints=entry.fingerprints,
        codes=tuple(dict.fromkeys(_read(said, terms.scheme))),
        tags=tuple(dict.fromkeys((*carried.tags, *terms.tags))),
        reference=carried.reference,
    )


def _read(said: Sequence[Coded], scheme: str) -> Sequence[Coded]:
    if not scheme:
        return said
    named = [code for code in said if code.scheme == scheme]
    return named or [Coded(code.jurisdiction, scheme, code.code) for code in said]
