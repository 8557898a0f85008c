"""VICS cases become cases here, on each database: rows, grades, what is refused, what resumes."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from casework_office import Office
from sqlalchemy import func, select
from vics_cases import case, digests, document, medium, place, written

from tutela.casework.formats import vics_import, vics_survey
from tutela.casework.formats.vics_case_read import Imported, import_vics
from tutela.casework.model import NewAuthority
from tutela.core.errors import AccessError, ConflictError, InputError, UsageError
from tutela.core.time import now
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import (
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    Note,
    Series,
    SeriesMedia,
    Sighting,
    Tag,
)
from tutela.store.tables.grading import Grade, Vote

TABLES = (
    Media,
    MediaFact,
    Sighting,
    CaseMedia,
    Grade,
    Vote,
    Series,
    SeriesMedia,
    Tag,
    Note,
    Exhibit,
)


def authority() -> NewAuthority:
    return NewAuthority(
        legal_basis="Test Act, section 1",
        reference="W-1",
        scope="all",
        granted_by="Test Court",
        valid_from=now() - timedelta(days=1),
        valid_until=now() + timedelta(days=9),
    )


def imported(office: Office, tmp_path: Path, content: bytes, **more: Any) -> Imported:
    return imported_at(office, written(tmp_path, content), **more)


def imported_at(office: Office, path: Path, **more: Any) -> Imported:
    more = {"authority": authority(), "arranged": False} | more
    return import_vics(office.database, office.person("examiner"), path, **more)


def rows(office: Office, table: Any, *order: str) -> list[Any]:
    columns = [table.__table__.c[name] for name in order] or list(table.__table__.primary_key)
    with office.database.read() as tx:
        return list(tx.execute(select(table.__table__).order_by(*columns)))


def counts(office: Office) -> dict[str, int]:
    with office.database.read() as tx:
        return {
            table.__tablename__: tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in TABLES
        }


def test_a_case_of_every_trap(office: Office, tmp_path: Path):
    """One file, one import; each fact below is a trap of its own."""
    photodna = base64.b64encode(bytes(range(144))).decode()
    many = [
        medium("many", Category=2, MediaFiles=[place("many", f"EXH01\\{n}")]) for n in range(116)
    ]
    content = document(
        case(
            medium("one", MediaID=0, Category=1, Series="Blue", Tags="red, green", Comments="why"),
            medium("two", sha256=False, MediaFiles=[place("two", sourceID="EXH02", SourceID=...)]),
            medium("three", MD5="", sha256=False, MediaFiles=...),
            medium("four", SHA1="", sha256=False, Category=0, PhotoDNA=photodna),
            medium("five", Category=8, IsPrecategorized="true", PhotoDNA="AAAA" * 48),
            medium("none", MD5="", SHA1="", sha256=False),
            *many,
            TotalMediaFiles="99",
        ),
        tail={"odd": 1},
    )
    done = imported(office, tmp_path, b"\xef\xbb\xbf" + content)
    (one,) = done.cases
    assert (one.entries, one.media, one.refused, one.claimed) == (122, 6, 1, 99)
    assert [(row, code) for row, code, _ in one.refusals] == [(6, "no_hash")]
    assert (one.photodna, one.placeholders) == (2, 1)
    assert one.counts == {"places": 120, "without a place": 1, "graded": 2}

    (kept,) = rows(office, Case)
    assert (kept.number, kept.scheme) == ("TEST/0001/26", "vics-us")
    assert kept.title == "Case TEST/0001/26 of Example Constabulary"
    media = {row.md5 or row.sha1: row for row in rows(office, Media)}
    assert len(media) == 6
    in_case = {row.media_id: row for row in rows(office, CaseMedia)}
    by_name = {
        name: in_case[media[bytes.fromhex(digests(name)["MD5"])].id]
        for name in ("one", "two", "four", "five", "many")
    }
    assert {name: (row.state, row.code) for name, row in by_name.items()} == {
        "one": ("graded", "1"),
        "two": ("open", None),
        "four": ("open", None),
        "five": ("open", None),
        "many": ("graded", "2"),
    }
    assert by_name["many"].sightings == 116
    assert len(by_name["many"].extra["vics"]) == 116
    grades = {(row.media_id, row.scheme, row.code, row.basis) for row in rows(office, Grade)}
    assert grades == {
        (by_name["one"].media_id, "vics-us", "1", "imported"),
        (by_name["many"].media_id, "vics-us", "2", "imported"),
        (by_name["five"].media_id, "vics-2.0-US-cases", "8", "imported"),
    }
    origin = rows(office, Grade)[0].facets
    assert (origin["model"], origin["profile"], origin["file_kind"]) == ("2.0", "US", "cases")
    assert done.sha256 in origin["source"]
    assert not rows(office, Vote)

    exhibits = {row.label: row for row in rows(office, Exhibit)}
    assert {label: (row.seen, row.state) for label, row in exhibits.items()} == {
        "EXH01": (119, "complete"),
        "EXH02": (1, "complete"),
    }
    assert sorted(
        row.ordinal for row in rows(office, Sighting) if row.exhibit_id == exhibits["EXH01"].id
    ) == list(range(119))
    assert [row.name for row in rows(office, Series)] == ["Blue"]
    assert [row.name for row in rows(office, Tag, "name")] == ["green", "red"]
    assert [row.text for row in rows(office, Note)] == ["why"]
    assert json.loads(kept.extra["vics"]["root"]) == {"tail": {"odd": 1}}

    with office.database.read() as tx:
        actions = list(
            tx.execute(select(AuditEvent.action, AuditEvent.body).order_by(AuditEvent.seq))
        )
    names = [action for action, _ in actions]
    assert names.count("grade.imported") == 3
    assert "case.imported" in names
    assert not any(b"EXH01" in body or b"Blue" in body for _, body in actions)


@pytest.mark.parametrize(
    "given",
    [
        ("UK", "2.0", "uk-abc", ("vics-2.0-UK-cases", "1")),
        ("Default", "2.0", "vics-us", ("vics-2.0-Default-cases", "1")),
        ("Atlantis", "2.0", "vics-us", ("vics-2.0-Atlantis-cases", "1")),
        ("", "1.3", "vics-us", ("vics-1.3-cases", "1")),
        ("", "1.0", "vics-us", ("vics-1.0-cases", "1")),
    ],
)
def test_a_number_is_never_translated(small_office: Office, tmp_path: Path, given: Any):
    profile, version, scheme, expected = given
    content = document(case(medium(Category=1)), profile=profile, version=version)
    imported(small_office, tmp_path, content, scheme=scheme)
    (grade,) = rows(small_office, Grade)
    assert (grade.scheme, grade.code) == expected
    (state,) = rows(small_office, CaseMedia)
    assert (state.state, state.code) == ("open", None)


def test_media_are_joined_by_what_identifies_them(small_office: Office, tmp_path: Path):
    """SHA-256, else SHA-1 and MD5, else MD5 where there is but one."""
    imported(small_office, tmp_path, document(case(medium("a"), medium("b", sha256=False))))
    again = case(
        medium("a", MD5=digests("a")["MD5"].lower(), sha256=False),
        medium("b", sha256=False, SHA1=""),
        medium("b"),
        CaseNumber="2",
    )
    done = imported(small_office, tmp_path, document(again))
    assert done.cases[0].media == 1
    assert len(rows(small_office, Media)) == 3


def test_a_lie_about_a_digest_is_refused(small_office: Office, tmp_path: Path):
    imported(small_office, tmp_path, document(case(medium("a"))))
    lie = medium("a", MD5=digests("b")["MD5"], SHA1="")
    done = imported(small_office, tmp_path, document(case(lie, CaseNumber="2")))
    assert [code for _, code, _ in done.cases[0].refusals] == ["contradiction"]
    assert len(rows(small_office, Media)) == 1


def test_what_others_say_does_not_change_what_we_know(small_office: Office, tmp_path: Path):
    exif = [{"PropertyName": "Make", "PropertyValue": "SynthCam"}]
    imported(small_office, tmp_path, document(case(medium("a", Exifs=exif))))
    exif = [{"PropertyName": "Make", "PropertyValue": "Other"}]
    imported(small_office, tmp_path, document(case(medium("a", Exifs=exif), CaseNumber="2")))
    (media,) = rows(small_office, Media)
    assert media.camera_make == "SynthCam"
    assert [row.value for row in rows(small_office, MediaFact)] == ["SynthCam"]


def test_a_constant_photodna_is_counted(small_office: Office, tmp_path: Path):
    constant = base64.b64encode(bytes(range(144))).decode()
    media = [medium(f"m{n}", PhotoDNA=constant) for n in range(40)]
    done = imported(small_office, tmp_path, document(case(*media)))
    assert (done.cases[0].photodna, done.cases[0].placeholders) == (40, 40)
    once = document(case(*[medium("x", PhotoDNA=constant)] * 40, CaseNumber="2"))
    assert imported(small_office, tmp_path, once).cases[0].placeholders == 0


def test_several_cases_of_a_file_go_to_their_own(small_office: Office, tmp_path: Path):
    content = document(case(medium("a"), medium("b")), case(medium("c"), CaseNumber="2"))
    done = imported(small_office, tmp_path, content)
    assert [(one.number, one.entries) for one in done.cases] == [("TEST/0001/26", 2), ("2", 1)]
    assert len({one.case_id for one in done.cases}) == 2


def test_the_same_file_again_changes_nothing(small_office: Office, tmp_path: Path):
    content = document(case(medium("a", Category=1, Comments="x"), medium("b")))
    first = imported(small_office, tmp_path, content)
    before = counts(small_office)
    again = imported(small_office, tmp_path, content, authority=None)
    assert (first.cases[0].already, again.cases[0].already) == (False, True)
    assert again.case_id == first.case_id
    assert counts(small_office) == before


class Stopped(Exception):  # noqa: N818 not an error of the program
    """The process was killed here."""


def test_an_import_that_was_stopped_goes_on(office: Office, tmp_path: Path, monkeypatch: Any):
    """Stopped after each batch in turn; at the end the rows are those of an undisturbed import."""
    monkeypatch.setattr(vics_import, "BATCH_ENTRIES", 7)
    media = [
        medium(
            f"m{n % 20}",
            MediaID=n,
            Category=n % 3,
            Comments=f"{n % 4}",
            MediaFiles=[place(f"m{n}")],
        )
        for n in range(30)
    ]
    content = document(case(*media, 5, CaseNumber="A"), case(*media[:9], CaseNumber="B"))
    path = written(tmp_path, content)

    def stop(_done: int, total: int) -> None:
        assert total == 40
        raise Stopped

    for _ in range(12):
        try:
            done = imported_at(office, path, watch=stop)
        except Stopped:
            continue
        break
    else:
        done = imported_at(office, path)
    assert [one.entries for one in done.cases] == [31, 9]
    disturbed = counts(office)
    assert disturbed["sightings"] == 39
    assert disturbed["media"] == 20
    assert disturbed["case_media"] == 29
    assert sum(row.seen for row in rows(office, Exhibit)) == 39
    assert sum(row.sightings for row in rows(office, CaseMedia)) == 39
    assert sum(len(row.extra["vics"]) for row in rows(office, CaseMedia)) == 39


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.999])
def test_of_a_broken_file_nothing_is_taken(small_office: Office, tmp_path: Path, cut: float):
    before = counts(small_office)
    content = document(case(*[medium(f"m{n}") for n in range(50)]))
    with pytest.raises(InputError):
        imported(small_office, tmp_path, content[: int(len(content) * cut)])
    assert counts(small_office) == before
    assert not rows(small_office, Case)


def test_a_file_that_changes_meanwhile_is_told(
    small_office: Office, tmp_path: Path, monkeypatch: Any
):
    monkeypatch.setattr(vics_survey, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(vics_import, "BATCH_ENTRIES", 5)
    content = document(case(*[medium(f"m{n}") for n in range(50)]))
    path = written(tmp_path, content)

    def meddle(done: int, _total: int) -> None:
        if done == 5:
            with path.open("r+b") as stream:
                stream.seek(content.rindex(b"m49.png"))
                stream.write(b"M49")

    with pytest.raises(ConflictError, match="changed"):
        imported_at(small_office, path, watch=meddle)
    state = rows(small_office, Case)[0].extra["vics"]["imports"]
    assert not any(one["complete"] for one in state.values())


def test_what_a_new_case_lacks_is_asked_for(small_office: Office, tmp_path: Path):
    def refused(content: bytes, **more: Any) -> str:
        with pytest.raises(UsageError) as caught:
            imported(small_office, tmp_path, content, **more)
        return caught.value.message

    assert "no authority" in refused(document(case(medium())), authority=None)
    assert "no number" in refused(document(case(medium(), CaseNumber=" ")))
    assert "scheme" in refused(document(case(medium()), profile="Default"))
    assert "one number" in refused(
        document(case(), case()).replace(b'"Media": []', b'"Media": [] '), number="7"
    )
    assert not rows(small_office, Case)


def test_only_its_team_adds_to_a_case(small_office: Office, tmp_path: Path):
    made = small_office.make_case(2, scheme="vics-us")
    path = written(tmp_path, document(case(medium("new"))))
    for name, organisation in (("examiner", 1), ("grader", 0), ("auditor", 0)):
        with pytest.raises(AccessError):
            import_vics(
                small_office.database,
                small_office.person(name, organisation),
                path,
                number="TEST/0001",
                authority=authority(),
            )
    done = imported_at(small_office, path, number="TEST/0001", authority=None)
    assert done.case_id == made.id
    assert len(rows(small_office, CaseMedia)) == 3


def test_a_case_whose_authority_ended_takes_nothing(small_office: Office, tmp_path: Path):
    small_office.make_case(2, scheme="vics-us", valid_days=-1)
    with pytest.raises(UsageError) as caught:
        imported(small_office, tmp_path, document(case(medium())), number="TEST/0001")
    assert caught.value.code == "authority"


def test_an_imported_case_is_ready_for_review(small_office: Office, tmp_path: Path):
    content = document(
        case(medium("a"), medium("b", Category=1), medium("v", MimeType="video/mp4"))
    )
    imported(small_office, tmp_path, content, arranged=True)
    states = {(row.state, row.position is None) for row in rows(small_office, CaseMedia)}
    assert ("open", False) in states
    assert ("graded", False) in states
