"""The first pass: a file is sound to its last byte, or nothing of it is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from vics_cases import case, document, medium, written

from tutela.casework.formats import vics_survey
from tutela.core.errors import InputError


def test_fields_and_counts_of_all_cases(tmp_path: Path):
    first, second = case(medium("a"), medium("b")), case(CaseNumber="2")
    reordered = {"Media": first.pop("Media"), **first, "CaseMetadata": [{"PropertyName": "x"}]}
    content = document(reordered, second, tail={"odd": [1, {}]})
    found = vics_survey.survey(written(tmp_path, content))
    assert [head.media for head in found.cases] == [2, 0]
    assert found.cases[0].fields == {k: v for k, v in reordered.items() if k != "Media"}
    assert found.root["tail"] == {"odd": [1, {}]}
    assert (found.model.version, found.model.profile) == ("2.0", "US")
    assert found.size_bytes == len(content)


def test_a_byte_order_mark_and_any_order_of_keys(tmp_path: Path):
    whole = json.loads(document(case(medium())))
    turned = json.dumps(dict(reversed(whole.items()))).encode()
    found = vics_survey.survey(written(tmp_path, b"\xef\xbb\xbf" + turned))
    assert found.model.profile == "US"
    assert found.cases[0].media == 1
    with (tmp_path / "case.json").open("rb") as stream:
        assert list(vics_survey.media(stream)) == [medium()]


def test_media_inside_media_are_not_counted(tmp_path: Path):
    nested = medium(Media=[medium("x")], MediaFiles=[{"Media": [1, 2]}])
    found = vics_survey.survey(written(tmp_path, document(case(nested, 3))))
    assert found.cases[0].media == 2


def test_broken_json_is_told_with_its_byte(tmp_path: Path):
    content = document(case(medium(), medium("b")))
    at = content.index(b'"MediaSize": 143', 700)
    broken = content[:at] + b'"IsSuspected": "true"", ' + content[at:]
    with pytest.raises(InputError) as caught:
        vics_survey.survey(written(tmp_path, broken))
    assert caught.value.code == "broken_json"
    # The second quote opens a string, and it is its closing quote that makes the fault sure.
    assert f"byte {broken.index(b'true') + 8}:" in caught.value.message


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_file_cut_short_is_told(tmp_path: Path, share: float):
    content = document(case(medium(), medium("b")))
    with pytest.raises(InputError) as caught:
        vics_survey.survey(written(tmp_path, content[: int(len(content) * share)]))
    assert caught.value.code in ("truncated", "not_vics")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[]", "not_vics"),
        (b"{}", "not_vics"),
        (b"", "truncated"),
        (b"\xff\xfe{\0}\0", "encoding"),
        (document({"MD5": "a"}).replace(b"#Cases", b"#Media"), "not_a_case"),
        (document(case(medium()), 4), "not_vics"),
        (document(case() | {"Media": {"a": 1}}), "not_vics"),
        (document(case(medium())) + b"x", "broken_json"),
        (document(case(medium())).replace(b"EXH01", b"EX\xff01"), "broken_json"),
    ],
)
def test_what_is_no_case_file_is_refused(tmp_path: Path, content: bytes, code: str):
    with pytest.raises(InputError) as caught:
        vics_survey.survey(written(tmp_path, content))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "made",
    [
        lambda: document(case(medium(Odd=[0] * 300))),
        lambda: document(case(medium(), Odd=[0] * 300)),
        lambda: document(case(), case(), case(), case()),
    ],
)
def test_a_monster_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Any):
    for limit, value in (("RECORD_EVENTS", 200), ("FIELD_EVENTS", 200), ("CASES", 3)):
        monkeypatch.setattr(vics_survey, limit, value)
    with pytest.raises(InputError) as caught:
        vics_survey.survey(written(tmp_path, made()))
    assert caught.value.code == "hostile"


def test_a_string_without_end_is_refused(tmp_path: Path):
    content = document(case(medium(Odd="x" * (20 << 20))))
    with pytest.raises(InputError) as caught:
        vics_survey.survey(written(tmp_path, content))
    assert caught.value.code == "hostile"
