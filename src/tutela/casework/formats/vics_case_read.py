"""Imports VICS cases (models 1.0 to 1.3 and 2.0, all profiles) into cases here.

Two passes: the first takes nothing and finds out whether the file is sound to its last byte; the
second takes batches, each in a transaction that also says how far it came. An import that was
killed goes on behind its last batch when it is started again, and ends with the same rows. Memory
is bounded by one batch, however large the file is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tutela.casework.arrange import arrange
from tutela.casework.formats import vics_head, vics_survey
from tutela.casework.formats.vics_head import Head
from tutela.casework.formats.vics_import import Import, ImportedCase, Options
from tutela.casework.formats.vics_stream import Hashed
from tutela.casework.model import NewAuthority
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.hashlist.format import RowError
from tutela.store.database import Database

# Called with how many records of the file have been taken, of how many.
Watch = Callable[[int, int], None]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import of a file did."""

    sha256: str
    model: str
    profile: str
    cases: tuple[ImportedCase, ...]

    @property
    def case_id(self) -> CaseId:
        """The first case of the file; nearly all files have just one."""
        return self.cases[0].case_id


def import_vics(  # noqa: PLR0913 what a file may leave open
    database: Database,
    who: Principal,
    path: Path,
    *,
    number: str | None = None,
    title: str | None = None,
    authority: NewAuthority | None = None,
    scheme: str | None = None,
    keeps_media: bool = False,
    folder: Path | None = None,
    watch: Watch | None = None,
    arranged: bool = True,
) -> Imported:
    """Import all cases of a VICS file, each into the case of its number, made where there is none.

    `number` overrules the number in the file; a new case needs an `authority` of this
    installation, and a `scheme` where the file's profile does not name one. Afterwards the case is
    arranged for review, unless the caller does so itself. Files of media are not read here; whether
    they lie in `folder`, by default that of the file, is told.

    Raises:
        InputError: the file is broken, cut short, hostile, or no case file: nothing was imported.
        UsageError: there is no number, no authority or no scheme for a new case.
        AccessError: `who` may not add evidence to the case, or not make one.
        ConflictError: the file changed while it was read.
    """
    options = Options(
        number=number,
        title=title,
        authority=authority,
        scheme=scheme,
        keeps_media=keeps_media,
    )
    found = vics_survey.survey(path)
    heads = [_head(case.fields, options) for case in found.cases]
    _check(heads, options)
    total, before = sum(case.media for case in found.cases), 0
    done = []
    with path.open("rb") as opened:
        stream = Hashed(opened)
        records = vics_survey.media(stream)
        for index, (head, case) in enumerate(zip(heads, found.cases, strict=True)):
            one = Import(database, who, found, index, folder or path.parent)
            one.open(head, options)
            part = itertools.islice(records, case.media)
            for taken in one.take(part):
                if watch:
                    watch(before + taken, total)
            before += case.media
            done.append(one)
        if stream.finished() != found.sha256:
            raise ConflictError(
                f"{path.name} changed while it was imported",
                hint="the import is not marked as complete; see what changes the file",
            )
    ended = tuple(one.finish() for one in done)
    for case_id in dict.fromkeys(one.case_id for one in ended if arranged):
        arrange(database, who, case_id)
    return Imported(
        sha256=found.sha256,
        model=found.model.version,
        profile=found.model.profile,
        cases=ended,
    )


def _head(fields: dict[str, Any], options: Options) -> Head:
    try:
        head = vics_head.read(fields)
    except RowError as error:
        raise UsageError(str(error), code="hostile") from None
    return msgspec.structs.replace(
        head, number=options.number or head.number, title=options.title or head.title
    )


def _check(heads: list[Head], options: Options) -> None:
    if not heads:
        raise UsageError("the file holds no case", code="empty")
    if options.number and len(heads) > 1:
        raise UsageError(
            f"the file holds {len(heads)} cases, and one number was given",
            hint="leave the number out: each case has its own",
        )
    if not all(head.number for head in heads):
        raise UsageError("a case of the file has no number", hint="say which number it shall have")
