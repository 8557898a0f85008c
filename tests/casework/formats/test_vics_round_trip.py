"""What goes out comes back: into a fresh installation, on each database, with every key."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from casework_office import MadeCase, Office
from sqlalchemy import insert, update
from test_vics_case_read import imported_at
from vics_cases import case, digests, document, medium, place, written

from tutela.casework.formats import equal, profile, vics_case_write
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import CaseId
from tutela.store import Database
from tutela.store.tables import casework as tables

MOMENT = datetime(2026, 5, 4, 3, 2, 1, 500, UTC)


def exported(office: Office, case_id: CaseId, **more: Any) -> bytes:
    stream = io.BytesIO()
    with office.database.read() as tx:
        vics_case_write.write(tx, office.person("examiner"), case_id, stream, **more)
    return stream.getvalue()


def portrait(office: Office, case_id: CaseId) -> dict[str, Any]:
    with office.database.read() as tx:
        return equal.portrait(tx, case_id)


@pytest.fixture
def fresh(databases_of: Any) -> Any:
    with Database(databases_of.url()) as opened:
        yield Office(opened)


@pytest.fixture
def own(office: Office) -> MadeCase:
    """A case of our own with everything that an export can say."""
    made = office.make_case(8, scheme="uk-abc")
    first, second, third, broken = made.media_ids[:4]
    with office.database.write() as tx:
        # A JPEG that could not be decoded is nothing to grade, here and there.
        tx.execute(
            update(tables.Media).where(tables.Media.id == broken).values(is_picture=False, pdq=None)
        )
        tx.execute(
            update(tables.Media)
            .where(tables.Media.id == first)
            .values(camera_make="SynthCam", latitude=-41.88, longitude=87.62, captured_at=MOMENT)
        )
        facts = {"Make": "SynthCam", "Latitude": "-41.88", "Longitude": "87.62"}
        for name, value in facts.items():
            tx.execute(insert(tables.MediaFact).values(media_id=first, name=name, value=value))
        for media_id, code in ((first, "A"), (second, "C")):
            tx.execute(
                update(tables.CaseMedia)
                .where(tables.CaseMedia.case_id == made.id, tables.CaseMedia.media_id == media_id)
                .values(state="graded", code=code)
            )
        for name in ("Blue", "One, two"):
            series = tx.execute(
                insert(tables.Series)
                .values(name=name, created_at=MOMENT)
                .returning(tables.Series.id)
            ).scalar_one()
            tx.execute(
                insert(tables.SeriesMedia).values(series_id=series, media_id=first, reason="scene")
            )
        for name in ("red", "a,b"):
            tx.execute(insert(tables.Tag).values(case_id=made.id, media_id=second, name=name))
        for subject, text in (
            (f"case:{made.id}", "on the case"),
            (f"media:{first}", "first, with\na line"),
            (f"media:{first}", "second"),
        ):
            tx.execute(
                insert(tables.Note).values(
                    case_id=made.id, subject=subject, text=text, written_at=MOMENT
                )
            )
        for number, inside in enumerate(([], ["inner.zip", "deep/x.jpg"])):
            tx.execute(
                insert(tables.Sighting).values(
                    exhibit_id=made.exhibit_id,
                    media_id=third,
                    ordinal=100 + number,
                    place=bytes([number]) * 32,
                    path="a\\b \u00e9\u202e/c.zip",
                    inside=inside,
                    status="hashed",
                    reason="",
                    detail="",
                    size_bytes=1,
                    modified_at=MOMENT,
                    deleted=True,
                    extra={},
                )
            )
    return made


def test_our_case_is_equal_in_a_fresh_installation(
    office: Office, own: MadeCase, fresh: Office, tmp_path: Path
):
    content = exported(office, own.id)
    done = imported_at(fresh, written(tmp_path, content))
    assert done.cases[0].refused == 0
    mine, theirs = portrait(office, own.id), portrait(fresh, done.case_id)
    assert equal.differences(mine, theirs) == []
    assert plain(exported(fresh, done.case_id)) == plain(content)
    with fresh.database.write() as tx:
        tx.execute(update(tables.CaseMedia).values(code="B"))
    assert equal.differences(mine, portrait(fresh, done.case_id))


def test_a_file_of_others_is_stable(office: Office, fresh: Office, tmp_path: Path):
    """Import, export, import elsewhere: the same case, and all keys that we do not know."""
    odd = {
        "Miniature": "aGk=",
        "Numbers": [1.5, 12345678901234567890],
        "Segments": [{"MD5": "x", "SegmentIndex": 0, "Start": 1, "End": 2, "Category": 1}],
        "Repositories": [{"RepositoryName": "one"}],
        "MediaMetadata": [{"MD5": "x", "PropertyName": "XWF Report Table", "PropertyValue": "t"}],
        "AlternativeHashes": [
            {"MD5": "x", "HashName": "EDK", "HashValue": "e"},
            {"HashName": "SHA-256", "HashValue": digests("a")["SHA256"].upper()},
        ],
        "Exifs": [{"PropertyName": "Make", "PropertyValue": "A"}] * 2,
        "odata.id": 'Media("x")',
        "IsSuspected": "false",
        "VictimIdentified": "maybe",
        "Text": "nul \u0000 and \U0001f600",
    }
    places = [
        place(Extra={"a": [None]}, sourceID="lower", SourceID=...),
        place(FilePath="EXH01\\DCIM", Written="6/7/2023 2:31:49 AM(UTC-5)", Deleted="true"),
        place(FileName=..., FilePath="only", SourceID=""),
    ]
    content = document(
        case(
            medium("a", MediaID=7, Category=1, MediaFiles=places, **odd),
            medium("a", MediaID=9, Category=1, Other="second record", Comments="seen"),
            medium("b", MediaID=3, Category=0, MediaSize="143", Tags="x, y", Series=None),
            medium("c", MediaID=4, Category=8, MD5="", sha256=False, MediaFiles=...),
            Agency="x",
            CaseMetadata=[{"PropertyName": "a", "PropertyValue": "b"}],
        ),
        odd={"root": True},
    )
    first = imported_at(office, written(tmp_path, content))
    out = exported(office, first.case_id)
    second = imported_at(fresh, written(tmp_path, out, "second.json"))
    differences = equal.differences(
        portrait(office, first.case_id), portrait(fresh, second.case_id)
    )
    assert differences == []
    assert plain(exported(fresh, second.case_id)) == plain(out)

    back = json.loads(out)
    assert back["odd"] == {"root": True}
    (kept,) = back["value"]
    assert (kept["Agency"], kept["CaseID"]) == ("x", case()["CaseID"])
    assert kept["SourceApplicationName"] == "Tutela"
    properties = {item["PropertyName"]: item["PropertyValue"] for item in kept["CaseMetadata"]}
    assert (properties["a"], properties["Tutela Origin"]) == ("b", "sample-maker")
    a, again, b, c = kept["Media"]
    assert [record["MediaID"] for record in kept["Media"]] == [7, 9, 3, 4]
    assert [record["Category"] for record in kept["Media"]] == [1, 1, 0, 8]
    same = ("Miniature", "Numbers", "Segments", "Repositories", "Exifs", "odata.id", "Text")
    assert {key: a[key] for key in same} == {key: odd[key] for key in same}
    assert a["MediaMetadata"] == odd["MediaMetadata"] + [
        item for item in a["MediaMetadata"] if item["PropertyName"].startswith("Tutela")
    ]
    assert {item["HashName"] for item in a["AlternativeHashes"]} == {"SHA256", "EDK"}
    assert (a["IsSuspected"], a["VictimIdentified"]) == (False, "maybe")
    by_path = {item["FilePath"]: item for item in a["MediaFiles"]}
    assert by_path["EXH01\\DCIM\\a.png"]["sourceID"] == "lower"
    assert by_path["EXH01\\DCIM\\a.png"]["Extra"] == {"a": [None]}
    assert by_path["EXH01\\DCIM"]["Written"] == "6/7/2023 2:31:49 AM(UTC-5)"
    assert by_path["EXH01\\DCIM"]["Deleted"] is True
    assert "FileName" not in by_path["only"]
    assert again["Other"] == "second record"
    assert (b["MediaSize"], b["Tags"], b["Comments"]) == (143, "x, y", "")
    assert c["MediaFiles"] == []


def plain(content: bytes) -> Any:
    """Return a document with its lists in one order: numbers of rows differ elsewhere."""
    value = json.loads(content)
    for one in value["value"]:
        for record in one["Media"]:
            for key in ("MediaFiles", "AlternativeHashes", "MediaMetadata"):
                record[key] = sorted(record.get(key, []), key=str)
        one["Media"].sort(key=lambda record: (record["SHA1"], record["MediaID"]))
        one["CaseMetadata"] = sorted(one["CaseMetadata"], key=str)
    return value


@pytest.mark.parametrize(
    ("scheme", "chosen", "category", "told"),
    [
        ("vics-us", "US", 2, []),
        ("vics-us", "UK", None, ["vics-us:2"]),
        ("vics-us", "Default", None, ["vics-us:2"]),
        ("uk-abc", "UK", None, ["uk-abc:2"]),
        ("uk-abc", "US", None, ["uk-abc:2"]),
    ],
)
def test_a_category_is_written_only_under_its_own_profile(
    small_office: Office, *, scheme: str, chosen: str, category: Any, told: list[str]
):
    made = small_office.make_case(1, scheme=scheme)
    with small_office.database.write() as tx:
        tx.execute(update(tables.CaseMedia).values(state="graded", code="2"))
    (one,) = json.loads(exported(small_office, made.id, profile=chosen))["value"]
    (record,) = one["Media"]
    assert record["Category"] == category
    assert [
        item["PropertyValue"]
        for item in record.get("MediaMetadata", [])
        if item["PropertyName"] == "Tutela Grade"
    ] == told


def test_media_of_our_own_beside_an_imported_file_get_numbers_of_their_own(
    small_office: Office, tmp_path: Path
):
    made = small_office.make_case(2, scheme="vics-us")
    path = written(tmp_path, document(case(medium("a", MediaID=4), medium("b", MediaID=2))))
    imported_at(small_office, path, number="TEST/0001")
    (one,) = json.loads(exported(small_office, made.id))["value"]
    assert sorted(record["MediaID"] for record in one["Media"]) == [2, 4, 5, 6]
    path = written(tmp_path, document(case(medium("c", MediaID=4))), "more.json")
    imported_at(small_office, path, number="TEST/0001")
    (one,) = json.loads(exported(small_office, made.id))["value"]
    assert sorted(record["MediaID"] for record in one["Media"]) == [1, 2, 3, 4, 5]


def test_who_may_not_export_gets_nothing(small_office: Office):
    made = small_office.make_case(1)
    stream = io.BytesIO()
    for person in (small_office.person("grader"), small_office.person("examiner", 1)):
        with small_office.database.read() as tx, pytest.raises(AccessError):
            vics_case_write.write(tx, person, made.id, stream)
    assert stream.getvalue() == b""


def test_a_profile_that_is_none_is_refused(small_office: Office):
    with pytest.raises(UsageError, match="Atlantis"):
        profile.named("Atlantis")
    assert {p.name for p in profile.profiles().values()} >= {"US", "UK", "Default", "CUSTOM"}
    made = small_office.make_case(1, scheme="iccam")
    assert "/Default/" in json.loads(exported(small_office, made.id))["@odata.context"]
