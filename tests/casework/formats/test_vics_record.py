"""What one Media record says: every trap of the field, one test each."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import vics_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from vics_cases import medium, place

from tutela.casework.formats import vics_exif, vics_head, vics_place, vics_record, vics_time
from tutela.hashlist.format import RowError


def rest(record: Any) -> dict[str, Any]:
    return json.loads(vics_record.read(record).rest)


# --- digests -----------------------------------------------------------------------------------


def test_digests_are_read_in_either_case_and_from_alternatives():
    upper = vics_record.read(medium())
    lower = vics_record.read(medium(MD5=medium()["MD5"].lower(), SHA1=medium()["SHA1"].lower()))
    assert upper.digests == lower.digests
    assert sorted(upper.digests) == ["md5", "sha1", "sha256"]
    assert "AlternativeHashes" not in json.loads(upper.rest)


def test_an_empty_md5_leaves_the_other_digests():
    assert sorted(vics_record.read(medium(MD5="", sha256=False)).digests) == ["sha1"]
    assert sorted(vics_record.read(medium(MD5=None)).digests) == ["sha1", "sha256"]


def test_alternative_hashes_that_are_not_ours_stay():
    edk = {"MD5": "x", "HashName": "EDK", "HashValue": "abc"}
    record = medium(sha256=False, AlternativeHashes=[edk, {"HashName": None}, "odd"])
    assert rest(record)["AlternativeHashes"] == [edk, {"HashName": None}, "odd"]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (medium(MD5="", SHA1="", sha256=False), "no_hash"),
        (medium(MD5="0" * 32, SHA1="", sha256=False), "no_hash"),
        (medium(MD5="zz"), "wrong_length"),
        (medium(MD5="z" * 32), "not_hex"),
        (medium(MD5=7), "type"),
        (medium(AlternativeHashes=[{"HashName": "MD5", "HashValue": "a" * 32}]), "contradiction"),
        ("text", "not_an_object"),
    ],
)
def test_a_record_without_a_sound_content_is_refused(record: Any, code: str):
    with pytest.raises(RowError) as caught:
        vics_record.read(record)
    assert caught.value.code == code


# --- category and flags ------------------------------------------------------------------------


@pytest.mark.parametrize("category", [None, 0, "0", "", ...])
def test_null_nought_and_absent_are_not_graded(category: Any):
    assert vics_record.read(medium(Category=category)).category == ""


@pytest.mark.parametrize(("category", "code"), [(1, "1"), ("2", "2"), (8, "8")])
def test_other_numbers_are_kept_as_they_are(category: Any, code: str):
    entry = vics_record.read(medium(Category=category))
    assert entry.category == code
    assert "Category" not in json.loads(entry.rest)


def test_nought_comes_back_and_null_needs_not():
    assert rest(medium(Category=0))["Category"] == 0
    assert "Category" not in rest(medium(Category=None))


@pytest.mark.parametrize("odd", ["A", 1.5, True, -1, "9" * 5000, [1]])
def test_what_is_no_category_grades_nothing_and_is_kept(odd: Any):
    entry = vics_record.read(medium(Category=odd))
    assert entry.category == ""
    assert json.loads(entry.rest)["Category"] == odd


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("false", False),
        ("False", False),
        (0, False),
        ("true", True),
        ("TRUE", True),
        (1, True),
        (True, True),
        (None, None),
        ("maybe", "maybe"),
    ],
)
def test_flags_say_what_they_mean(said: Any, kept: Any):
    for key in vics_record.FLAGS:
        assert rest(medium(**{key: said}))[key] == kept


def test_no_flag_makes_a_grade():
    assert vics_record.read(medium(IsPrecategorized=True, IsSuspected="true")).category == ""


# --- what we do not know -----------------------------------------------------------------------


def test_unknown_keys_stay_letter_for_letter():
    odd = {
        "Miniature": "aGk=",
        "Deep": {"list": [1, None, {"x": "\u0000"}], "big": 12345678901234567890123},
        "Segments": [{"MD5": "x", "SegmentIndex": 0, "Start": 1, "End": 2, "Category": 1}],
        "Repositories": [{"MD5": "x", "RepositoryName": "one"}],
        "odata.id": 'Media("x")',
        "PHash": "",
    }
    entry = vics_record.read(medium(**odd))
    kept = json.loads(entry.rest)
    assert {key: kept[key] for key in odd} == odd
    assert "\0" not in entry.rest


@pytest.mark.parametrize("size", [143, "143", " 143 "])
def test_a_size_is_a_number_or_text(size: Any):
    assert vics_record.read(medium(MediaSize=size)).size_bytes == 143


@pytest.mark.parametrize("odd", ["big", -1, 1.5, True, None, "9" * 5000])
def test_a_size_that_is_none_is_kept_and_not_believed(odd: Any):
    entry = vics_record.read(medium(MediaSize=odd))
    assert entry.size_bytes == 0
    assert json.loads(entry.rest)["MediaSize"] == odd


def test_lists_of_words_are_split_and_notes_kept():
    entry = vics_record.read(medium(Series="Blue, Green,, Blue", Tags="x", Comments="seen twice"))
    assert entry.series == ("Blue", "Green")
    assert entry.tags == ("x",)
    assert [note.text for note in entry.notes] == ["seen twice"]


def test_words_of_another_type_are_left_as_they_are():
    odd = {"Series": ["Blue"], "Tags": 3, "Comments": {"a": 1}, "Exifs": "none"}
    entry = vics_record.read(medium(**odd))
    assert (entry.series, entry.tags, entry.notes, entry.facts) == ((), (), (), {})
    kept = json.loads(entry.rest)
    assert {key: kept[key] for key in odd} == odd


def test_a_name_too_long_for_an_index_is_left_as_it_is():
    long = "x" * (vics_place.NAME_CHARACTERS + 1)
    entry = vics_record.read(medium(Tags=f"a,{long}"))
    assert entry.tags == ()
    assert json.loads(entry.rest)["Tags"] == f"a,{long}"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (base64.b64encode(bytes(range(144))).decode(), bytes(range(144)).hex()),
        (base64.b64encode(b"\7" * 144).decode(), "placeholder"),
        ("short", "not_base64"),
        ("", ""),
        (None, ""),
    ],
)
def test_photodna_is_told_and_kept(value: Any, told: str):
    entry = vics_record.read(medium(PhotoDNA=value))
    assert entry.photodna == told
    assert json.loads(entry.rest)["PhotoDNA"] == value


def test_photodna_of_model_1_is_among_the_alternatives():
    value = base64.b64encode(bytes(range(144))).decode()
    held = [{"MD5": "x", "HashName": "PhotoDNA", "HashValue": value}]
    assert vics_record.read(medium(AlternativeHashes=held)).photodna == bytes(range(144)).hex()


def test_a_record_nested_without_end_is_refused():
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RowError, match="too deeply"):
        vics_record.read(medium(Deep=deep))


# --- places ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folder", "path"),
    [
        ("a.png", "EXH\\DCIM\\a.png", "EXH\\DCIM\\a.png"),
        ("a.png", "EXH\\DCIM", "EXH\\DCIM\\a.png"),
        ("a.png", "EXH\\DCIM\\", "EXH\\DCIM\\a.png"),
        ("a.png", "/home/DCIM", "/home/DCIM/a.png"),
        ("a.png", "/home/ba.png", "/home/ba.png/a.png"),
        ("a.png", "", "a.png"),
        ("", "EXH", "EXH"),
    ],
)
def test_a_path_has_the_name_once(name: str, folder: str, path: str):
    assert vics_place.path_of(name, folder) == path


def test_every_place_is_kept_with_its_source():
    files = [place(), place(FilePath="EXH02\\a.png", SourceID=..., sourceID="EXH02")]
    entry = vics_record.read(medium(MediaFiles=files))
    assert [(f.label, f.path) for f in entry.files] == [
        ("EXH01", "EXH01\\DCIM\\a.png"),
        ("EXH02", "EXH02\\a.png"),
    ]
    assert len({file.place for file in entry.files}) == 2


def test_a_place_keeps_what_cannot_be_made_again():
    odd = place(FilePath="EXH01\\DCIM", Deleted="true", Extra=[1], sourceID="x")
    (file,) = vics_record.read(medium(MediaFiles=[odd])).files
    kept = json.loads(file.rest)
    assert file.deleted
    assert file.modified_at == datetime(2026, 10, 1, 9, tzinfo=UTC)
    assert kept["FilePath"] == "EXH01\\DCIM"
    assert kept["Extra"] == [1]
    assert "MD5" not in kept


@pytest.mark.parametrize("held", [..., None, [], "x", [1]])
def test_media_may_have_no_place(held: Any):
    assert vics_record.read(medium(MediaFiles=held)).files == ()


def test_a_nul_in_a_path_can_be_stored_and_comes_back():
    (file,) = vics_record.read(medium(MediaFiles=[place(FilePath="a\0b", FileName="b")])).files
    assert file.path == "a\\x00b\\b"
    assert json.loads(file.rest)["FilePath"] == "a\0b"


# --- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-06-07T02:31:49.8300Z", datetime(2023, 6, 7, 2, 31, 49, 830000, UTC)),
        ("2026-10-01T09:00:00.0000000Z", datetime(2026, 10, 1, 9, tzinfo=UTC)),
        ("2026-10-01T11:00:00+02:00", datetime(2026, 10, 1, 9, tzinfo=UTC)),
        ("/Date(1759309200000)/", datetime(2025, 10, 1, 9, tzinfo=UTC)),
        ("/Date(-1000)/", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("6/7/2023 2:31:49 AM(UTC-5)", datetime(2023, 6, 7, 7, 31, 49, tzinfo=UTC)),
        ("12/31/2023 12:00:00 PM(UTC+5:30)", datetime(2023, 12, 31, 6, 30, tzinfo=UTC)),
        ("1/1/2024 12:05:00 AM", datetime(2024, 1, 1, 0, 5, tzinfo=UTC)),
    ],
)
def test_times_of_all_writers(text: str, moment: datetime):
    assert vics_time.parse(text) == moment


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "soon",
        "/Date(999999999999999)/",
        "13/1/2024 1:00:00 AM",
        "1/1/2024 13:00:00 AM",
        None,
        3,
    ],
)
def test_what_is_no_time_is_none(odd: Any):
    assert vics_time.parse(odd) is None


# --- EXIF --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "place_"),
    [
        (("41.88", "N", "87.62", "West"), ("41.88", "-87.62")),
        (("41, 53, 0.21", "North", "87, 37, 12", "W"), ("41.8833917", "-87.62")),
        (("41° 53' 0.21\"", "S", "87° 37' 12\"", "E"), ("-41.8833917", "87.62")),
        (("41.88", "", "87.62", ""), None),
        (("41.88", "E", "87.62", "N"), None),
        (("41, 75, 0", "N", "87, 37, 12", "W"), None),
        (("91", "N", "10", "E"), None),
        (("0", "N", "0", "E"), None),
        (("-41.88", "N", "87.62", "E"), None),
        (("nan", "N", "87.62", "E"), None),
        (("1" * 500, "N", "87.62", "E"), None),
    ],
)
def test_a_place_is_told_or_there_is_none(said: Any, place_: Any):
    names = ("Latitude", "Latitude Reference", "Longitude", "Longitude Reference")
    found = vics_exif.facts(zip(names, said, strict=True))
    told = (found["Latitude"], found["Longitude"]) if "Latitude" in found else None
    assert told == place_


def test_a_place_in_one_property():
    found = vics_exif.facts([("Lat/Lon", "41.88 / -87.62")])
    assert found == {"Latitude": "41.88", "Longitude": "-87.62"}
    assert vics_exif.facts([("Lat/Lon", "41.88")]) == {}


def test_a_camera_and_its_time():
    said = [("Make", "SynthCam"), ("Make", "Other"), ("Capture Time", "2023:06:07 02:31:49")]
    assert vics_exif.facts(said) == {"Make": "SynthCam", "Capture Time": "2023-06-07T02:31:49"}
    assert vics_exif.size([("PixelXDimension", "64"), ("PixelYDimension", "48")]) == (64, 48)
    assert vics_exif.size([("PixelXDimension", "64"), ("PixelYDimension", "x")]) == (None, None)


def test_our_facts_come_back_from_the_words_of_others():
    ours = {
        "Make": "SynthCam",
        "Body Serial": "A1B2",
        "Capture Time": "2023-06-07T02:31:49+02:00",
        "Latitude": "-41.88",
        "Longitude": "87.62",
    }
    said = list(vics_exif.properties(ours, 64, 48))
    assert vics_exif.facts(said) == ours
    assert vics_exif.size(said) == (64, 48)


@settings(max_examples=200)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_property_breaks_the_reader(first: str, second: str):
    names = ("Latitude", "Longitude", "Lat/Lon", "Capture Time")
    vics_exif.facts((name, value) for name in names for value in (first, second))
    vics_time.parse(first)


# --- the case itself ---------------------------------------------------------------------------


def test_a_total_is_a_claim_whatever_its_type():
    fields = vics_cases.case()
    assert vics_head.read(fields | {"TotalMediaFiles": "99"}).claimed == 99
    assert vics_head.read(fields | {"TotalMediaFiles": 7}).claimed == 7
    assert vics_head.read(fields | {"TotalMediaFiles": "many"}).claimed is None
    assert vics_head.read(fields).number == "TEST/0001/26"


def test_fields_of_other_tools_stay():
    odd = {"Agency": "x", "Case No.": "7", "CaseMetadata": [{"PropertyName": "a"}], "odata.id": ""}
    kept = json.loads(vics_head.read(vics_cases.case(**odd)).rest)
    assert {key: kept[key] for key in odd} == odd
