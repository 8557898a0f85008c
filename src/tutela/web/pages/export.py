"""Taking a case out: reports and files without media at once, with media after two persons."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Stream
from sqlalchemy import Connection

from tutela.access import approvals
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.actors import forget
from tutela.casework import case as cases
from tutela.casework import deletion
from tutela.casework.formats import export
from tutela.casework.formats.profile import profiles
from tutela.core.ids import ApprovalId, CaseId, MediaId
from tutela.core.principal import Principal
from tutela.crawl import forget as crawled
from tutela.edge.routes import reads
from tutela.evidence.vault import objects
from tutela.web import words
from tutela.web.office import Asked, Office, office, who
from tutela.web.pages.cases import case_page
from tutela.web.routes import changes

PART_BYTES = 1 << 18
# What a killed server left there is removed when it starts again.
EXPORTS = "exports"
KINDS = {
    "html": "text/html",
    "pdf": "application/pdf",
    "vics": "application/json",
    "case-uco": "application/ld+json",
    "jsonl": "application/x-ndjson",
    "csv": "application/zip",
}


class Wanted(msgspec.Struct):
    """What to take out; `approval` for a VICS export with its media."""

    format: export.Format
    profile: str = ""
    approval: int = 0


class Reason(msgspec.Struct):
    """Why something that takes two persons is asked for."""

    reason: str


@reads("/cases/{case_id:int}/export", needs=Permission.EXPORT)
def page(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show what can be taken out, and what was asked for and granted."""
    asker = who(request)
    with office(request).database.read() as tx:
        mine = [
            one
            for one in approvals.pending(tx, asker)
            if one.subject == f"case:{case_id}" and one.state == "granted"
        ]
    return case_page(
        request,
        "pages/cases/export.html",
        case_id,
        formats=words.FORMATS,
        profiles=sorted(profiles()),
        granted=[one for one in mine if one.kind == export.APPROVAL],
        deletions=[one for one in mine if one.kind == "case.delete"],
        may_ask=allows(asker, Permission.EXPORT_MEDIA),
        may_delete=allows(asker, Permission.DELETE_CASE),
    )


@changes("/cases/{case_id:int}/export", needs=Permission.EXPORT, form=page)
def take(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Wanted]) -> Stream:
    """Write the export and give it to the browser."""
    place, case = office(request), CaseId(case_id)
    # Beside the vault and for this user only: pictures may lie here for a moment.
    exports = place.settings.vault.path.with_name(EXPORTS)
    exports.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = tempfile.TemporaryDirectory(dir=exports)
    try:
        file, kind = _written(place, request, case, data, Path(folder.name))
    except BaseException:
        folder.cleanup()
        raise
    name = f"case-{case_id}{file.suffix}"
    return Stream(
        _parts(file, folder),
        media_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@changes("/cases/{case_id:int}/export/ask", needs=Permission.EXPORT_MEDIA, form=page)
def ask(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Reason]) -> Redirect:
    """Ask that media may leave the case; another person decides."""
    with office(request).database.write() as tx:
        approvals.ask(tx, who(request), export.APPROVAL, f"case:{case_id}", {}, data.reason)
    return Redirect("/approvals", status_code=303)


@changes("/cases/{case_id:int}/delete/ask", needs=Permission.DELETE_CASE, form=page)
def ask_deletion(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Reason]) -> Redirect:
    """Ask that a case be deleted; another person decides."""
    with office(request).database.write() as tx:
        deletion.ask(tx, who(request), CaseId(case_id), data.reason)
    return Redirect("/approvals", status_code=303)


@changes("/cases/{case_id:int}/delete", needs=Permission.DELETE_CASE, form=page)
def delete(request: Asked, case_id: FromPath[int], approval: FromQuery[int] = 0) -> Redirect:
    """Delete a case as it was granted: its media cannot be opened by anybody afterwards."""
    place = office(request)
    deletion.delete_case(
        place.database,
        who(request),
        CaseId(case_id),
        ApprovalId(approval),
        place.vault,
        _forget,
    )
    return Redirect("/cases", status_code=303)


def _forget(tx: Connection, case: CaseId, moment: datetime) -> list[str]:
    """Remove all that was crawled for a case, read, and made of it."""
    crawled.forget_case(tx, case, moment)
    return forget.forget_case(tx, case, moment)


def _written(
    place: Office, request: Asked, case: CaseId, data: Wanted, folder: Path
) -> tuple[Path, str]:
    options = export.Options(profile=data.profile)
    if data.approval:
        options = export.Options(
            profile=data.profile,
            approval=ApprovalId(data.approval),
            open_media=lambda media: _media(place, who(request), case, media),
        )
    out = folder / "case" / f"case{export.ENDINGS[data.format]}"
    out.parent.mkdir()
    export.write(place.database, who(request), case, data.format, out, options)
    if not data.approval:
        return out, KINDS[data.format]
    whole = folder / "case.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for file in sorted(out.parent.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(out.parent))
    return whole, "application/zip"


def _media(place: Office, asker: Principal, case: CaseId, media: MediaId) -> Iterator[bytes] | None:
    if place.vault is None:
        return None
    with place.database.read() as tx:
        # What the vault has was kept for another case, under that one's authority.
        if not cases.info(tx, asker, case).keeps_media:
            return None
        found = objects.of_media(tx, media, "original")
    return None if found is None else place.vault.stream(found)


def _parts(file: Path, folder: tempfile.TemporaryDirectory[str]) -> Iterator[bytes]:
    with folder, file.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            yield part


ROUTES = [page, take, ask, ask_deletion, delete]
