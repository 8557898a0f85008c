"""One way out of a case for every format: who may, what was written, and the entry in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
from sqlalchemy import Connection

from tutela.access import approvals
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import blind
from tutela.casework import case as cases
from tutela.casework.formats import case_uco, report, rows, vics_case_write
from tutela.casework.formats.beside import Folder, OpenMedia
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import ApprovalId, CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.report import html, pdf
from tutela.report.html import replacing
from tutela.store.database import Database

Format = Literal["vics", "case-uco", "jsonl", "csv", "html", "pdf"]
ENDINGS: Final[dict[Format, str]] = {
    "vics": ".json",
    "case-uco": ".jsonld",
    "jsonl": ".jsonl",
    "csv": ".zip",
    "html": ".html",
    "pdf": ".pdf",
}
APPROVAL: Final = "case.export_media"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What single formats may be told.

    `profile` is that of VICS. `files` and `places` let a report show names of files, and places.
    `approval` and `open_media` belong together: media go along only when another person granted it.
    """

    profile: str = ""
    files: bool = False
    places: bool = False
    approval: ApprovalId | None = None
    open_media: OpenMedia | None = None


class Exported(msgspec.Struct, frozen=True):
    """What was written: how many of what, and the SHA-256 of the file as the log has it."""

    format: str
    path: Path
    counts: dict[str, int]
    sha256: str
    size_bytes: int


def write(  # noqa: PLR0913, PLR0917 what of which case, for whom, how, and where to
    database: Database,
    who: Principal,
    case_id: CaseId,
    format: Format,  # noqa: A002 the option's name
    out: Path,
    options: Options | None = None,
) -> Exported:
    """Write a case to the file `out`, whole or not at all, and say so in the log.

    Raises:
        AccessError: `who` may not export the case; or media were asked for and nobody granted it.
        UsageError: the format or an option is not one that there is.
        ServiceError: the file cannot be written.
    """
    chosen = options or Options()
    if format not in ENDINGS:
        raise UsageError(f"unknown format {format!r}", hint=f"choose one of {', '.join(ENDINGS)}")
    with database.read() as tx:
        require(tx, who, Permission.EXPORT, case_id)
        if blind.waits_for(tx, who, case_id):
            raise UsageError(
                "second readings of this case wait for you, and the export would tell the first",
                code="blind",
                hint="give the readings first, or let somebody export who does not grade",
            )
    _release(database, who, case_id, format, chosen)
    with database.read() as tx:
        counts = _write(tx, who, case_id, format, out, chosen)
    with out.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    size = out.stat().st_size
    with database.write() as tx:
        log.record(
            tx,
            who,
            "case.exported",
            f"case:{case_id}",
            format=format,
            counts=counts,
            sha256=digest,
            size_bytes=size,
            media=chosen.open_media is not None,
        )
    return Exported(format, out, counts, digest, size)


def _release(
    database: Database, who: Principal, case_id: CaseId, form: Format, options: Options
) -> None:
    """Use up the grant to take media along, before the first of them is read."""
    if options.open_media is None:
        if options.approval is not None:
            raise UsageError("an approval was given, and no media to take along")
        return
    if form != "vics":
        raise UsageError(f"media cannot go along with {form}", hint="choose vics")
    if options.approval is None:
        raise AccessError(
            "media leave a case only when two people agree",
            code="second_person",
            hint="ask for the export; another person grants it; then carry it out",
        )
    with database.write() as tx:
        require(tx, who, Permission.EXPORT_MEDIA, case_id)
        cases.under_authority(tx, case_id)
        approvals.carry_out(tx, who, options.approval, APPROVAL, f"case:{case_id}")


def _write(  # noqa: PLR0913, PLR0917 one call, above
    tx: Connection, who: Principal, case_id: CaseId, form: Format, out: Path, options: Options
) -> dict[str, int]:
    if form in ("html", "pdf"):
        shown = report.Options(files=options.files, places=options.places)
        page = report.page(tx, who, case_id, shown)
        if form == "html":
            html.write(page, out)
        else:
            pdf.write(page, out, now())
        return {"sections": len(page.sections)}
    writers: dict[str, Callable[[Connection, Principal, CaseId, BinaryIO], dict[str, int]]] = {
        "case-uco": case_uco.write,
        "jsonl": rows.write_jsonl,
        "csv": rows.write_csv,
    }
    with replacing(out) as stream:
        if form in writers:
            return writers[form](tx, who, case_id, stream)
        beside = Folder(out.parent, options.open_media) if options.open_media else None
        written = vics_case_write.write(
            tx, who, case_id, stream, profile=options.profile, beside=beside
        )
        return {name: value for name, value in msgspec.structs.asdict(written).items() if value}
