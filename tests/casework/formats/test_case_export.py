"""Every way out of a case: who may, what is in it, what is not, and what the log says."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from casework_office import MadeCase, Office
from sqlalchemy import insert, select, update

from tutela.access import approvals
from tutela.audit import log
from tutela.casework.formats import beside, case_uco, export
from tutela.casework.formats.export import Options
from tutela.core.errors import AccessError, InputError, ServiceError, UsageError
from tutela.core.ids import ApprovalId
from tutela.core.time import now
from tutela.store.tables import casework as tables
from tutela.store.tables.audit import AuditCheckpoint, AuditEvent
from tutela.store.tables.grading import Grade, View


@pytest.fixture
def made(office: Office) -> MadeCase:
    case = office.make_case(5, scheme="uk-abc")
    other = office.make_case(2, scheme="uk-abc")
    first = case.media_ids[0]
    with office.database.write() as tx:
        for one in (case, other):
            tx.execute(
                insert(Grade).values(
                    media_id=first,
                    case_id=one.id,
                    organisation_id=office.organisations[0 if one is case else 1],
                    scheme="uk-abc",
                    code="A" if one is case else "C",
                    facets={},
                    law="",
                    basis="viewed",
                    at=now(),
                )
            )
        tx.execute(
            update(tables.CaseMedia)
            .where(tables.CaseMedia.case_id == case.id, tables.CaseMedia.media_id == first)
            .values(state="graded", code="A")
        )
        tx.execute(
            update(tables.Media)
            .where(tables.Media.id == first)
            .values(captured_at=now(), latitude=64.15, longitude=-21.94)
        )
        tx.execute(
            insert(tables.Sighting).values(
                exhibit_id=case.exhibit_id,
                media_id=first,
                ordinal=99,
                place=b"p" * 32,
                path="=cmd|' /C calc'!A0",
                inside=["in\u202eside.zip"],
                status="hashed",
                reason="",
                detail="",
                size_bytes=1,
                modified_at=now(),
                deleted=False,
                extra={},
            )
        )
        tx.execute(
            insert(View).values(
                account_id=office.person("grader").account_id,
                case_id=case.id,
                media_id=first,
                at=now(),
                reason="grading",
            )
        )
        log.record(tx, office.person("examiner"), "case.created", f"case:{case.id}")
    return case


def write(office: Office, case: MadeCase, form: Any, out: Path, **more: Any) -> export.Exported:
    return export.write(
        office.database, office.person("examiner"), case.id, form, out, Options(**more)
    )


def test_every_format_is_written_and_logged(office: Office, made: MadeCase, tmp_path: Path):
    for form, ending in export.ENDINGS.items():
        done = write(office, made, form, tmp_path / f"case{ending}")
        assert done.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
        assert done.size_bytes == done.path.stat().st_size > 500
    with office.database.read() as tx:
        bodies = tx.execute(
            select(AuditEvent.body).where(AuditEvent.action == "case.exported")
        ).scalars()
        said = [json.loads(body)["data"] for body in bodies]
    assert [one["format"] for one in said] == list(export.ENDINGS)
    assert said[-1]["sha256"] == done.sha256
    assert not any(one["media"] for one in said)


@pytest.mark.parametrize("form", list(export.ENDINGS))
def test_who_may_not_export_gets_nothing(small_office: Office, tmp_path: Path, form: Any):
    case = small_office.make_case(1)
    out = tmp_path / "out"
    for name, organisation in (("grader", 0), ("auditor", 0), ("examiner", 1)):
        who = small_office.person(name, organisation)
        with pytest.raises(AccessError):
            export.write(small_office.database, who, case.id, form, out)
    assert list(tmp_path.glob("*out*")) == []


def test_rows_are_all_there_and_only_of_this_case(office: Office, made: MadeCase, tmp_path: Path):
    done = write(office, made, "jsonl", tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in done.path.read_text().splitlines()]
    assert all(row["v"] == 1 for row in rows)
    counted = {kind: sum(row["type"] == kind for row in rows) for kind in done.counts}
    assert counted == done.counts
    assert (counted["media"], counted["sighting"], counted["grade"], counted["view"]) == (
        5,
        6,
        1,
        1,
    )
    (grade,) = [row for row in rows if row["type"] == "grade"]
    assert (grade["code"], grade["case_id"]) == ("A", made.id)
    media = next(row for row in rows if row["type"] == "media")
    assert re.fullmatch("[0-9a-f]{64}", media["sha256"])
    assert media["first_seen_at"].endswith("Z")


def test_csv_is_one_table_a_type_and_carries_out_nothing(
    office: Office, made: MadeCase, tmp_path: Path
):
    done = write(office, made, "csv", tmp_path / "rows.zip")
    with zipfile.ZipFile(done.path) as archive:
        assert "tag.csv" in archive.namelist()
        text = archive.read("sighting.csv").decode()
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(table) == done.counts["sighting"] == 6
    assert table[-1]["path"] == " =cmd|' /C calc'!A0"
    assert json.loads(table[-1]["inside"]) == ["in\u202eside.zip"]


def test_case_uco_holds_together(office: Office, made: MadeCase, tmp_path: Path):
    done = write(office, made, "case-uco", tmp_path / "case.jsonld")
    document = json.loads(done.path.read_text())
    assert document["@context"] == case_uco.CONTEXT
    nodes = list(_nodes(document["@graph"]))
    defined = [node["@id"] for node in nodes if "@type" in node and "@id" in node]
    assert len({node["@id"] for node in document["@graph"]}) == len(document["@graph"])
    assert all(re.fullmatch(r"kb:[0-9a-f-]{36}", name) for name in defined)
    asked = {node["@id"] for node in nodes if set(node) == {"@id"}}
    assert asked
    assert asked <= set(defined)
    terms = {key for node in nodes for key in node if not key.startswith("@")}
    terms |= {node["@type"] for node in nodes if "@type" in node}
    assert {term.partition(":")[0] for term in terms} <= set(case_uco.CONTEXT)
    by_type: dict[str, list[Any]] = {}
    for node in nodes:
        by_type.setdefault(node.get("@type", ""), []).append(node)
    (record,) = by_type["case-investigation:ProvenanceRecord"]
    assert record["case-investigation:exhibitNumber"] == "EXH01"
    assert len(record["uco-core:object"]) == 1 + 6
    assert len(by_type["uco-observable:File"]) == 6
    hashes = by_type["uco-observable:File"][0]["uco-core:hasFacet"][1]["uco-observable:hash"]
    assert [one["uco-types:hashMethod"]["@value"] for one in hashes] == ["MD5", "SHA1", "SHA256"]
    (grade,) = by_type["uco-core:Annotation"]
    assert grade["uco-core:tag"] == ["uk-abc:A", "graded"]
    assert len(grade["uco-core:object"]) == 2
    again = write(office, made, "case-uco", tmp_path / "again.jsonld")
    assert again.sha256 == done.sha256


def _nodes(value: Any) -> Any:
    if isinstance(value, dict):
        if "@value" not in value:
            yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def test_a_report_shows_names_only_when_asked(office: Office, made: MadeCase, tmp_path: Path):
    quiet = write(office, made, "html", tmp_path / "quiet.html").path.read_text()
    assert "Test Act, section 1" in quiet
    assert "What the scores mean" in quiet
    assert "No checkpoint has been signed yet" in quiet
    assert "<svg" in quiet
    assert "000000.jpg" not in quiet
    assert "Reykjav" not in quiet
    loud = write(office, made, "html", tmp_path / "loud.html", files=True, places=True)
    text = loud.path.read_text()
    assert "000000.jpg" in text
    assert "Reykjav" in text
    assert "in\\u202eside.zip" in text
    assert "\u202e" not in text
    for page in (quiet, text):
        assert not re.search(r"<img|<script|style=|src=|href=", page)


def test_a_report_says_what_the_signed_log_was(office: Office, made: MadeCase, tmp_path: Path):
    note = "tutela.invalid/audit\n1\nabc=\n\n\u2014 tutela.invalid/audit xyz\n"
    with office.database.write() as tx:
        tx.execute(insert(AuditCheckpoint).values(size=1, at=now(), note=note))
    page = write(office, made, "html", tmp_path / "page.html").path.read_text()
    assert note.rstrip("\n") in page
    assert "No checkpoint" not in page


def test_media_go_along_only_when_two_agree(office: Office, made: MadeCase, tmp_path: Path):
    examiner, supervisor = office.person("examiner"), office.person("supervisor")
    opened: list[int] = []

    def open_media(media_id: Any) -> list[bytes] | None:
        opened.append(media_id)
        return None if media_id == made.media_ids[1] else [b"content ", str(media_id).encode()]

    def attempt(number: Any, folder: str) -> export.Exported:
        return write(
            office,
            made,
            "vics",
            tmp_path / folder / "case.json",
            approval=number,
            open_media=open_media,
        )

    with office.database.write() as tx:
        asked = approvals.ask(
            tx, examiner, export.APPROVAL, f"case:{made.id}", {"profile": "US"}, "for the court"
        )
    for number in (None, asked, ApprovalId(999)):
        with pytest.raises(AccessError) as caught:
            attempt(number, "refused")
        assert caught.value.code == "second_person"
    assert not opened
    assert not (tmp_path / "refused").exists()
    with office.database.write() as tx:
        approvals.decide(tx, supervisor, asked, True)  # noqa: FBT003 the contract of the rooms
    done = attempt(asked, "granted")
    assert done.counts["files"] == 4
    document = json.loads(done.path.read_text())
    paths = [record.get("RelativeFilePath") for record in document["value"][0]["Media"]]
    assert paths[:3] == ["Files\\0000001.jpeg", None, "Files\\0000003.jpeg"]
    for media_id, path in zip(made.media_ids, paths, strict=True):
        if path:
            with beside.opened(done.path.parent, path) as stream:
                assert stream.read() == f"content {media_id}".encode()
    with pytest.raises(AccessError):
        attempt(asked, "again")


def test_options_that_make_no_sense_are_refused(small_office: Office, tmp_path: Path):
    case, out = small_office.make_case(1), tmp_path / "folder" / "out"
    with pytest.raises(UsageError, match="unknown format"):
        write(small_office, case, "doc", out)
    with pytest.raises(UsageError, match="cannot go along"):
        write(small_office, case, "jsonl", out, open_media=lambda _: [])
    with pytest.raises(UsageError, match="no media"):
        write(small_office, case, "vics", out, approval=ApprovalId(1))
    with pytest.raises(UsageError, match="Atlantis"):
        write(small_office, case, "vics", out, profile="Atlantis")
    assert not out.exists()
    assert not list(out.parent.glob("*"))


@pytest.mark.parametrize(
    "path",
    [
        "..\\x",
        "Files\\..\\..\\x",
        "/etc/passwd",
        "C:\\x",
        "\\\\host\\x",
        "",
        "link",
        "Files\\link",
        "Files",
        "none",
        "pipe",
        "a\0b",
    ],
)
def test_a_path_leads_nowhere_else(tmp_path: Path, path: str):
    folder = tmp_path / "folder"
    (folder / "Files").mkdir(parents=True)
    (tmp_path / "x").write_bytes(b"outside")
    (folder / "link").symlink_to(tmp_path / "x")
    (folder / "Files" / "link").symlink_to(tmp_path / "x")
    os.mkfifo(folder / "pipe")
    (folder / "Files" / "good").write_bytes(b"inside")
    with beside.opened(folder, "Files\\good") as stream:
        assert stream.read() == b"inside"
    with pytest.raises(InputError):
        beside.opened(folder, path)


def test_a_folder_through_a_link_is_refused(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(InputError):
        beside.opened(tmp_path, "link\\x")


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path):
    folder = beside.Folder(tmp_path, lambda _: [b"x"])
    folder.put(1, 1, "jpeg")  # type: ignore[arg-type]
    with pytest.raises(ServiceError):
        folder.put(1, 1, "jpeg")  # type: ignore[arg-type]
