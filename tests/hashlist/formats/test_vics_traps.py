"""The traps of VICS into which readers and writers fall, one test each."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.core.entry import Classification, ListEntry, State
from tutela.core.errors import ListFormatError, UsageError
from tutela.core.media import Fingerprint
from tutela.hashlist.format import BadRow, ExportOptions, Remark, recognise
from tutela.hashlist.formats.vics_model import UNKNOWN_MODEL
from tutela.hashlist.formats.vics_write import flag

ROOT_13 = "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media"
ROOT_20 = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media"
MD5 = "0CC175B9C0F1B6A831C399E269772661"
SHA1 = "86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8"


def hash_set(*media: object, context: str = ROOT_20) -> bytes:
    key = "@odata.context" if "/2.0.xml/" in context else "odata.metadata"
    return json.dumps({key: context, "value": media}).encode()


def cases(*media: object, profile: str = "US") -> bytes:
    context = ROOT_20.replace("Default", profile).replace("#Media", "#Cases")
    case = {"CaseID": "{0}", "CaseNumber": "TEST/1", "TotalMediaFiles": "99", "Media": media}
    return json.dumps({"@odata.context": context, "value": [case, case | {"Media": []}]}).encode()


def medium(**more: object) -> dict[str, object]:
    return {"MediaID": 1, "Category": 1, "MD5": MD5} | more


def one(rows: list[object]) -> ListEntry:
    (entry,) = [row for row in rows if isinstance(row, ListEntry)]
    return entry


def only_bad(rows: list[object]) -> BadRow:
    (row,) = rows
    assert isinstance(row, BadRow)
    return row


def schemes(rows: list[object]) -> list[tuple[str, str]]:
    return [(c.scheme, c.code) for c in one(rows).classifications]


# --- roots -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
def test_root_of_odata_3_names_version(version, read):
    content = hash_set(medium(), context=ROOT_13.replace("1.3", version))
    assert recognise(content, "set.json").name == "vics"
    assert schemes(read("vics", content)) == [(f"vics-{version}-media", "1")]


@pytest.mark.parametrize("profile", ["US", "UK", "Default", "CUSTOM", "Canada"])
def test_root_of_odata_4_names_version_and_profile(profile, read):
    content = hash_set(medium(), context=ROOT_20.replace("Default", profile))
    assert recognise(content, "set.json").name == "vics"
    assert schemes(read("vics", content)) == [(f"vics-2.0-{profile}-media", "1")]


def test_the_same_number_means_different_things_by_profile_and_kind(read):
    found = {
        schemes(read("vics", content))[0]
        for content in (
            hash_set(medium()),
            hash_set(medium(), context=ROOT_13),
            hash_set(medium(), context=ROOT_20.replace("Default", "UK")),
            cases(medium(), profile="UK"),
        )
    }
    assert len(found) == 4


def test_records_decide_the_kind_where_the_fragment_lies(read):
    content = cases(medium()).replace(b"#Cases", b"#Media")
    assert schemes(read("vics", content)) == [("vics-2.0-US-cases", "1")]


@pytest.mark.parametrize("value", [None, [], [{"MD5": SHA1}]])
def test_a_medium_with_a_key_called_media_is_no_case(value, read):
    assert one(read("vics", hash_set(medium(Media=value)))).digests.md5 == bytes.fromhex(MD5)


@pytest.mark.parametrize(
    ("context", "known"),
    [
        (ROOT_13, True),
        (ROOT_20, True),
        (ROOT_20.replace("/Default/$metadata", ""), False),
        ("http://example.invalid/#Media", False),
    ],
)
def test_an_unknown_model_is_remarked_upon(context, known, read):
    rows = read("vics", hash_set(medium(), context=context))
    assert (Remark(UNKNOWN_MODEL) in rows) is not known


def test_context_behind_value_is_found(read):
    content = json.dumps({"value": [medium()], "@odata.context": ROOT_20}).encode()
    assert recognise(content, "set.json").name == "vics"
    assert schemes(read("vics", content)) == [("vics-2.0-Default-media", "1")]


def test_a_root_without_context_is_read_under_an_unknown_scheme(read):
    content = json.dumps({"value": [medium()]}).encode()
    assert recognise(content, "set.json").name == "vics"
    assert schemes(read("vics", content)) == [("vics-unknown-media", "1")]


def test_extra_keys_at_the_root_of_other_tools_do_no_harm(read):
    document = {
        "Agency": "Example",
        "@odata.context": ROOT_20,
        "Case Notes": "",
        "value": [medium()],
    }
    assert one(read("vics", json.dumps(document).encode())).digests.md5 == bytes.fromhex(MD5)


def test_totals_of_a_case_are_not_trusted(read):
    assert len(read("vics", cases(medium(), medium(MediaID=2)))) == 2


def test_a_byte_order_mark_is_skipped(read):
    content = b"\xef\xbb\xbf" + hash_set(medium())
    assert recognise(content, "set.json").name == "vics"
    assert one(read("vics", content)).digests.md5 == bytes.fromhex(MD5)


# --- broken files ------------------------------------------------------------------------------


def test_doubled_quote_of_a_handmade_writer_is_an_error_with_its_byte(read):
    content = hash_set(medium(IsSuspected="true"), medium()).replace(b'"true"', b'"true""')
    with pytest.raises(ListFormatError) as caught:
        read("vics", content)
    assert caught.value.code == "broken_json"
    at = int(caught.value.message.split("byte ")[1].split(":")[0])
    stray = content.index(b'"true""') + len(b'"true"')
    assert stray <= at <= content.index(b'"', stray + 1)


def test_the_byte_is_right_far_into_the_file_and_behind_a_byte_order_mark(read):
    media = [medium(MediaID=n, Comments="x" * 100) for n in range(6000)]
    content = b"\xef\xbb\xbf" + hash_set(*media)
    at = content.index(b'"MediaID": 5999')
    with pytest.raises(ListFormatError) as caught:
        read("vics", content[:at] + b"?" + content[at + 1 :])
    assert f"byte {at}:" in caught.value.message


def test_a_truncated_file_says_so_with_its_size(read):
    content = hash_set(medium(), medium(MediaID=2))
    for cut in range(len(content)):
        with pytest.raises(ListFormatError) as caught:
            read("vics", content[:cut])
        assert caught.value.code == "truncated"
        assert f"byte {cut}," in caught.value.message


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"value":{}}', b'"x"', b"7", b'{"a":[1]}'])
def test_json_that_is_not_vics_is_refused(content, read):
    with pytest.raises(ListFormatError) as caught:
        read("vics", content)
    assert caught.value.code == "not_vics"


def test_a_record_that_is_no_object_costs_its_row(read):
    rows = read("vics", hash_set(medium(), 7, None, medium(MediaID=2)))
    assert [type(row).__name__ for row in rows] == ["ListEntry", "BadRow", "BadRow", "ListEntry"]
    assert rows[1].row == 2


def test_nesting_beyond_reason_costs_no_crash(read):
    deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    content = hash_set(medium(X=0)).replace(b'"X": 0', b'"X":' + deep)
    try:
        rows = read("vics", content)
    except ListFormatError:
        return
    assert isinstance(rows[0], BadRow)


def test_bytes_that_are_not_utf8_are_an_error_with_their_byte(read):
    content = hash_set(medium(Comments="CAFE")).replace(b"CAFE", b"CAF\xe9")
    with pytest.raises(ListFormatError) as caught:
        read("vics", content)
    assert caught.value.code == "broken_json"


# --- fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize("md5", [MD5, MD5.lower(), f" {MD5} "])
def test_md5_is_read_in_either_case(md5, read):
    assert one(read("vics", hash_set(medium(MD5=md5)))).digests.md5 == bytes.fromhex(MD5)


def test_empty_md5_is_unknown_where_another_hash_stands(read):
    entry = one(read("vics", hash_set(medium(MD5="", SHA1=SHA1))))
    assert entry.digests.md5 is None
    assert entry.digests.sha1 == bytes.fromhex(SHA1)


def test_empty_md5_and_nothing_else_is_quarantined(read):
    assert only_bad(read("vics", hash_set(medium(MD5="", SHA1="")))).code == "no_hash"


def test_the_digest_of_an_empty_file_lists_nothing(read):
    row = only_bad(read("vics", hash_set(medium(MD5="D41D8CD98F00B204E9800998ECF8427E"))))
    assert row.code == "empty_content"


@pytest.mark.parametrize(
    ("category", "code"), [(1, "1"), ("1", "1"), (" 2 ", "2"), (0, "0"), (8, "8"), (5.0, "5")]
)
def test_category_may_be_number_or_text(category, code, read):
    assert [c for _, c in schemes(read("vics", hash_set(medium(Category=category))))] == [code]


@pytest.mark.parametrize("category", [None, ""])
def test_category_null_is_no_grade(category, read):
    assert schemes(read("vics", hash_set(medium(Category=category)))) == []


def test_category_absent_is_no_grade(read):
    assert schemes(read("vics", hash_set({"MediaID": 1, "MD5": MD5}))) == []


@pytest.mark.parametrize("category", ["A", -1, 1.5, True, [1], 1 << 40])
def test_category_that_is_no_number_is_quarantined(category, read):
    assert only_bad(read("vics", hash_set(medium(Category=category)))).code == "category"


@pytest.mark.parametrize("category", [0, None, "0"])
def test_zero_in_a_case_file_means_not_graded_and_lists_nothing(category, read):
    assert only_bad(read("vics", cases(medium(Category=category)))).code == "not_graded"


def test_zero_in_a_hash_set_is_a_category_and_is_kept(read):
    assert schemes(read("vics", hash_set(medium(Category=0))))[0][1] == "0"


def test_is_precategorized_is_no_verdict(read):
    rows = read("vics", hash_set(medium(Category=None, IsPrecategorized=True)))
    assert schemes(rows) == []
    assert one(rows).state is State.ACTIVE


def test_photodna_of_2_0_stands_on_media(read, samples):
    rows = read("vics", hash_set(medium(PhotoDNA=samples.photodna_text(1))))
    assert one(rows).fingerprints == (Fingerprint("photodna", samples.photodna(1)),)


def test_photodna_of_1_3_stands_in_alternative_hashes(read, samples):
    item = {"MD5": MD5, "HashName": "PhotoDNA", "HashValue": samples.photodna_text(1)}
    rows = read("vics", hash_set(medium(AlternativeHashes=[item]), context=ROOT_13))
    assert one(rows).fingerprints == (Fingerprint("photodna", samples.photodna(1)),)
    assert b"AlternativeHashes" not in one(rows).extra


def test_photodna_in_both_places_is_one_value(read, samples):
    item = {"HashName": "PHOTODNA", "HashValue": samples.photodna_text(1)}
    rows = read(
        "vics", hash_set(medium(PhotoDNA=samples.photodna_text(1), AlternativeHashes=[item]))
    )
    assert len(one(rows).fingerprints) == 1


@pytest.mark.parametrize("value", ["QUJD", "not base64!", base64.b64encode(bytes(576)).decode()])
def test_photodna_that_is_none_is_counted_and_kept_as_text(value, read):
    rows = read("vics", hash_set(medium(PhotoDNA=value)))
    assert one(rows).fingerprints == ()
    assert any(isinstance(row, Remark) for row in rows)
    assert value.encode() in one(rows).extra


def test_photodna_of_one_repeated_byte_is_a_placeholder(read):
    value = base64.b64encode(b"\x07" * 144).decode()
    rows = read("vics", hash_set(medium(PhotoDNA=value)))
    assert one(rows).fingerprints == ()
    assert b"PhotoDNA" not in one(rows).extra
    assert any(isinstance(row, Remark) and "placeholder" in row.code for row in rows)


def test_alternative_hashes_of_2_0_give_sha256_and_keep_the_unknown(read, samples):
    sha256 = samples.digest("sha256", 1)
    edk = {"MD5": MD5, "HashName": "EDK", "HashValue": "00ff"}
    rows = read(
        "vics",
        hash_set(
            medium(AlternativeHashes=[{"HashName": "SHA256", "HashValue": sha256.hex()}, edk])
        ),
    )
    assert one(rows).digests.sha256 == sha256
    assert json.loads(one(rows).extra)["vics"]["AlternativeHashes"] == [edk]


def test_hashes_that_contradict_each_other_are_quarantined(read):
    item = {"HashName": "MD5", "HashValue": MD5[::-1]}
    assert (
        only_bad(read("vics", hash_set(medium(AlternativeHashes=[item])))).code == "contradiction"
    )


def test_media_size_may_be_text(read):
    entry = one(read("vics", hash_set(medium(MediaSize="143"), context=ROOT_13)))
    assert json.loads(entry.extra)["vics"]["MediaSize"] == "143"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *((value, True) for value in (True, "true", "True", 1, "1")),
        *((value, False) for value in (False, "false", "False", 0, "0")),
        *((value, None) for value in (None, "", "maybe", 2, [])),
    ],
)
def test_flags_are_read_by_value_and_never_by_truth(value, meant):
    assert flag(value) is meant


def test_keys_are_found_whatever_their_case(read):
    entry = one(read("vics", hash_set({"Md5": MD5, "sha1": SHA1, "category": 2})))
    assert (entry.digests.md5, entry.digests.sha1) == (bytes.fromhex(MD5), bytes.fromhex(SHA1))
    assert [c.code for c in entry.classifications] == ["2"]


# --- writing -----------------------------------------------------------------------------------


def document(content: bytes) -> dict[str, object]:
    return json.loads(content)


@pytest.mark.parametrize(
    ("options", "key", "context"),
    [
        (ExportOptions(), "@odata.context", ROOT_20),
        (ExportOptions(model="1.3"), "odata.metadata", ROOT_13),
        (ExportOptions(profile="US"), "@odata.context", ROOT_20.replace("Default", "US")),
        (ExportOptions(schemes=("vics-1.3-media",)), "odata.metadata", ROOT_13),
        (ExportOptions(schemes=("vics-1.3-media", "uk")), "odata.metadata", ROOT_13),
        (ExportOptions(schemes=("vics-1.3-media", "vics-2.0-US-media")), "@odata.context", ROOT_20),
    ],
)
def test_root_is_context_then_value_and_nothing_else(options, key, context, write):
    content, _ = write("vics", [], options)
    assert list(document(content).items()) == [(key, context), ("value", [])]
    assert content.startswith(b'{"' + key.encode())


def test_a_model_that_does_not_exist_is_refused(write):
    with pytest.raises(UsageError):
        write("vics", [], ExportOptions(model="3.0"))


def test_export_is_what_a_strict_reader_takes(read, write, samples):
    rows = read("vics", hash_set(medium(SHA1=SHA1.lower(), PhotoDNA=samples.photodna_text(1))))
    content, _ = write("vics", rows, ExportOptions(schemes=("vics-2.0-Default-media",)))
    (media,) = document(content)["value"]
    assert list(media)[:4] == ["MediaID", "Category", "MD5", "SHA1"]
    assert type(media["Category"]) is int
    assert media["MD5"] == MD5
    assert len(media["PhotoDNA"]) == 192


def test_names_stand_before_values_in_alternative_hashes(write, read, samples):
    rows = read("vics", hash_set(medium(PhotoDNA=samples.photodna_text(1))))
    content, _ = write("vics", rows, ExportOptions(model="1.3"))
    (media,) = document(content)["value"]
    assert [list(item) for item in media["AlternativeHashes"]] == [["MD5", "HashName", "HashValue"]]


def test_a_grade_of_another_scheme_is_not_translated_but_counted(write, read):
    rows = read("vics", hash_set(medium(), context=ROOT_20.replace("Default", "UK")))
    content, written = write("vics", rows, ExportOptions(profile="US"))
    assert document(content)["value"][0]["Category"] is None
    assert written.lost["classification of another scheme"] == 1


def test_withdrawn_entries_are_not_brought_back_to_life(write, read):
    (entry,) = read("vics", hash_set(medium()))
    gone = ListEntry(entry.provenance, entry.digests, state=State.WITHDRAWN)
    content, written = write("vics", [gone, entry, gone])
    assert len(document(content)["value"]) == 1
    assert written.lost["withdrawn entry"] == 2


def test_flags_are_written_as_the_strings_that_strict_readers_know(write, read):
    rows = read("vics", hash_set(medium(IsDistributed=1, VictimIdentified="False", Series=None)))
    (media,) = document(write("vics", rows)[0])["value"]
    assert (media["IsDistributed"], media["VictimIdentified"]) == ("true", "false")
    assert media["Series"] is None


keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(
    lambda k: k.lower()
    not in {
        "mediaid", "category", "md5", "sha1", "sha256", "photodna", "alternativehashes",
        "isprecategorized", "victimidentified", "offenderidentified", "isdistributed",
        "issuspected", "selfgenerated",
    }
)  # fmt: skip
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(unknown=st.dictionaries(keys, json_values, max_size=6))
def test_unknown_keys_survive_a_round_trip(unknown, read, write):
    rows = read("vics", hash_set(medium(**unknown)))
    content, _ = write("vics", rows, ExportOptions(schemes=("vics-2.0-Default-media",)))
    (media,) = document(content)["value"]
    assert media == medium(**unknown)
    assert list(media)[3:] == list(unknown)
    assert read("vics", content) == rows


def test_numbers_survive_a_round_trip_digit_by_digit(read, write):
    content = hash_set(medium(Score=0)).replace(
        b'"Score": 0', b'"Score": 1.10, "Big": 12345678901234567890123'
    )
    again, _ = write("vics", read("vics", content))
    assert b'"Score":1.10' in again
    assert b'"Big":12345678901234567890123' in again


def test_a_classification_of_ours_reads_back(write, read, samples, received):
    entry = ListEntry(
        received.provenance(1),
        samples.digests(1),
        (Fingerprint("pdq", samples.pdq(1)), Fingerprint("photodna", samples.photodna(1))),
        (Classification("vics-2.0-Default-media", "2"),),
    )
    content, written = write("vics", [entry])
    back = one(read("vics", content))
    assert (back.digests, back.classifications) == (entry.digests, entry.classifications)
    assert set(back.fingerprints) == set(entry.fingerprints)
    assert set(written.lost) == {"provenance"}


def test_nsrl_caid_is_read_as_it_is_published(read):
    files = [{"MD5": MD5, "FileName": "a.png", "FilePath": "pkg\\a.png"}]
    record = {
        "odata.id": f'Media("{MD5}")', "odata.editLink": "", "MediaID": "1", "Category": 8,
        "MD5": MD5, "SHA1": SHA1, "MediaSize": "2835", "MediaFiles": files,
        "MediaFiles@odata.navigationLinkUrl": f"/Media({MD5})/MediaFiles",
    }  # fmt: skip
    rows = read("vics", hash_set(record, context=ROOT_13.replace("1.3", "1.2")))
    assert schemes(rows) == [("vics-1.2-media", "8")]
    assert json.loads(one(rows).extra)["vics"]["MediaFiles"] == files
