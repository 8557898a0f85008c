"""One suite over every list format: what comes in is hostile, and no row is lost."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.core.entry import ListEntry
from tutela.core.errors import ListFormatError
from tutela.core.media import Digests
from tutela.hashlist.format import BadRow, Read, Received, Remark, formats, named, recognise

MD5 = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"]
SHA1 = ["86f7e437faa5a7fce15d1ddcb9eaeaea377667b8", "e9d71f5ee7c92d6dc9e92ffdad17b8bd49418f98"]


def vics(*records: object) -> bytes:
    root = {
        "@odata.context": "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/"
        "Default/$metadata#Media",
        "value": records,
    }
    return json.dumps(root, indent=1).encode()


# name -> (file name, header, two good rows, a bad row, text around a field that can be stretched)
ROWS: dict[str, tuple[str, bytes, list[bytes], bytes]] = {
    "lines": ("list.txt", b"", [m.encode() for m in MD5], b"0cc175b9c0f1b6a831c399e2697726zz"),
    "csv": (
        "list.csv",
        b"v,md5,sha1,received_from\n",
        [f"1,{m},{s},Example".encode() for m, s in zip(MD5, SHA1, strict=True)],
        b"1,0cc175b9,,Example",
    ),
    "jsonl": (
        "list.jsonl",
        b"",
        [f'{{"v":1,"type":"entry","md5":"{m}"}}'.encode() for m in MD5],
        b'{"v":1,"type":"entry","md5":"0cc1"}',
    ),
    "threatexchange": (
        "te.csv",
        b"indicator,type,status,tags\n",
        [f"{m},HASH_MD5,MALICIOUS,one two".encode() for m in MD5],
        b"http://example.invalid/,URI,MALICIOUS,",
    ),
    "te": (
        "simple.HASH_MD5.te",
        b"",
        [f"{m},77,2026-11-01T00:00:00+0000,one two".encode() for m in MD5],
        b"0cc175b9,77,2026-11-01T00:00:00+0000,",
    ),
    "icse": (
        "icse.csv",
        b"MD5;SHA1;PhotoDNA;Image ID;Baseline\n",
        [f"{m};{s};;1;Yes".encode() for m, s in zip(MD5, SHA1, strict=True)],
        b"xyz;;;1;Yes",
    ),
}
LINEWISE = sorted(ROWS)


def whole(name: str, rows: list[bytes], end: bytes = b"\n") -> bytes:
    return ROWS[name][1].replace(b"\n", end) + end.join(rows) + end


@pytest.fixture
def read_named(received: Received) -> Callable[[str, bytes], list[Read]]:
    def read(name: str, content: bytes) -> list[Read]:
        source = Received(**{**_fields(received), "source": ROWS[name][0]})
        return list(named(name).read(io.BytesIO(content), source))

    return read


def _fields(received: Received) -> dict[str, object]:
    return {field: getattr(received, field) for field in Received.__struct_fields__}


def md5s(rows: list[Read]) -> list[str]:
    return [r.digests.md5.hex() for r in rows if isinstance(r, ListEntry) and r.digests.md5]


def bad(rows: list[Read]) -> list[BadRow]:
    return [row for row in rows if isinstance(row, BadRow)]


def test_every_format_is_in_the_suite():
    assert {form.name for form in formats()} == {*ROWS, "vics"}


@pytest.mark.parametrize("name", LINEWISE)
def test_a_file_is_recognised_and_read(name, read_named):
    content = whole(name, ROWS[name][2])
    assert recognise(content, ROWS[name][0]).name == name
    rows = read_named(name, content)
    assert md5s(rows) == MD5
    assert not bad(rows)
    assert [r.provenance.row for r in rows] == ([1, 2])
    assert {r.provenance.source for r in rows} == {ROWS[name][0]}


@pytest.mark.parametrize("name", LINEWISE)
def test_a_byte_order_mark_is_no_part_of_the_first_row(name, read_named):
    content = b"\xef\xbb\xbf" + whole(name, ROWS[name][2])
    assert recognise(content, ROWS[name][0]).name == name
    assert md5s(read_named(name, content)) == MD5


@pytest.mark.parametrize("name", LINEWISE)
def test_crlf_ends_a_row_as_lf_does(name, read_named):
    assert md5s(read_named(name, whole(name, ROWS[name][2], b"\r\n"))) == MD5


@pytest.mark.parametrize("name", LINEWISE)
def test_a_missing_last_line_end_costs_nothing(name, read_named):
    assert md5s(read_named(name, whole(name, ROWS[name][2]).rstrip(b"\n"))) == MD5


@pytest.mark.parametrize("name", LINEWISE)
def test_blank_lines_are_no_rows(name, read_named):
    first, second = ROWS[name][2]
    rows = read_named(name, whole(name, [first, b"", b"  ", second, b""]))
    assert md5s(rows) == MD5
    assert not bad(rows)


@pytest.mark.parametrize("name", LINEWISE)
def test_an_empty_file_has_no_rows(name, read_named):
    assert read_named(name, b"") == []


@pytest.mark.parametrize("name", LINEWISE)
def test_a_bad_row_does_not_stop_the_rest(name, read_named):
    first, second = ROWS[name][2]
    rows = read_named(name, whole(name, [first, ROWS[name][3], second]))
    assert md5s(rows) == MD5
    (row,) = bad(rows)
    assert row.row == 2
    assert row.code
    assert row.reason
    assert row.text.encode() == ROWS[name][3]


@pytest.mark.parametrize("name", LINEWISE)
def test_a_huge_field_costs_its_row_and_no_memory(name, read_named):
    first, second = ROWS[name][2]
    huge = first.replace(b"0", b"0" * (3 << 20), 1)
    rows = read_named(name, whole(name, [first, huge, second]))
    assert md5s(rows) == MD5
    (row,) = bad(rows)
    assert row.code == "too_long"
    assert len(row.text) <= 512


@pytest.mark.parametrize("name", LINEWISE)
@pytest.mark.parametrize("poison", [b"\0", b"\xff\xfe", b"\xc3\x28"])
def test_nul_and_what_is_not_utf8_cost_their_row(name, poison, read_named):
    first, second = ROWS[name][2]
    broken = first[:-1] + poison + first[-1:]
    rows = read_named(name, whole(name, [first, broken, second]))
    assert md5s(rows) == MD5
    assert len(bad(rows)) == 1


@pytest.mark.parametrize("name", LINEWISE)
def test_truncation_anywhere_loses_at_most_the_cut_row(name, read_named):
    content = whole(name, ROWS[name][2])
    start = len(ROWS[name][1])
    for cut in range(start, len(content)):
        rows = read_named(name, content[:cut])
        assert len(bad(rows)) <= 1
        assert md5s(rows) == MD5[: len(md5s(rows))]
        if cut > start + len(ROWS[name][2][0]):
            assert md5s(rows)[:1] == MD5[:1]


@pytest.mark.parametrize("name", [*LINEWISE, "vics"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_garbage_raises_nothing_but_a_format_error(name, data, received):
    content = vics({"MD5": MD5[0]}, {"MD5": MD5[1]}) if name == "vics" else b""
    content = content or whole(name, ROWS[name][2])
    flips = data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.binary(max_size=3))))
    for at, piece in flips:
        content = content[:at] + piece + content[at + 1 :]
    with contextlib.suppress(ListFormatError):
        rows = list(named(name).read(io.BytesIO(content), received))
        assert all(isinstance(row, Read) for row in rows)


EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
TWO_VALUES = {  # a record of an MD5 and a SHA-1
    "csv": "md5,sha1\n{},{}\n",
    "jsonl": '{{"v":1,"type":"entry","md5":"{}","sha1":"{}"}}\n',
    "icse": "MD5;SHA1;PhotoDNA;Baseline\n{};{};;Yes\n",
    "vics": '{{"@odata.context":"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/'
    'Default/$metadata#Media","value":[{{"MD5":"{}","SHA1":"{}"}}]}}',
}


@pytest.mark.parametrize("name", TWO_VALUES)
@pytest.mark.parametrize(("refused", "why"), [("0" * 32, "zeros"), (EMPTY, "an empty file")])
def test_a_value_without_content_does_not_cost_the_good_one_beside_it(name, refused, why, read):
    remark, entry = read(name, TWO_VALUES[name].format(refused, SHA1[0]).encode())
    assert isinstance(remark, Remark)
    assert f"MD5 of {why}" in remark.code
    assert entry.digests == Digests(sha1=bytes.fromhex(SHA1[0]))


@pytest.mark.parametrize("name", TWO_VALUES)
def test_a_row_without_any_content_is_quarantined(name, read):
    (row,) = read(name, TWO_VALUES[name].format(EMPTY, "0" * 40).encode())
    assert (type(row), row.code) == (BadRow, "empty_content")


@pytest.mark.parametrize("name", TWO_VALUES)
def test_a_malformed_value_costs_the_row(name, read):
    (row,) = read(name, TWO_VALUES[name].format("0" * 31, SHA1[0]).encode())
    assert (type(row), row.code) == (BadRow, "wrong_length")


@pytest.mark.parametrize(
    "content",
    [
        f"md5,pdq,photodna\n{MD5[0]},{'0' * 64},\n",
        f"md5,pdq,photodna\n{MD5[0]},,{'07' * 144}\n",
        json.dumps(
            {
                "v": 1,
                "type": "entry",
                "md5": MD5[0],
                "fingerprints": [{"algorithm": "pdq", "bits": "0" * 64}],
            }
        ),
    ],
)
def test_a_fingerprint_without_content_does_not_cost_the_digest(content, read):
    name = "jsonl" if content.startswith("{") else "csv"
    remark, entry = read(name, content.encode())
    assert "placeholder" in remark.code or "empty picture" in remark.code
    assert entry.digests.md5 == bytes.fromhex(MD5[0])
    assert entry.fingerprints == ()


@pytest.mark.parametrize("name", LINEWISE)
def test_utf16_is_named_as_such(name):
    content = whole(name, ROWS[name][2]).decode().encode("utf-16")
    with pytest.raises(ListFormatError) as caught:
        recognise(content, ROWS[name][0])
    assert caught.value.code == "encoding"
    assert "iconv" in caught.value.hint


def test_an_unknown_file_is_refused_with_a_hint():
    with pytest.raises(ListFormatError) as caught:
        recognise(b"%PDF-1.7 nothing of ours\n", "list.pdf")
    assert caught.value.code == "unknown_format"
    assert "--format" in caught.value.hint
    assert all(form.name in caught.value.hint for form in formats())


@pytest.mark.parametrize("opened", [b'1,"0cc1,x,y', b'1,a"b,x,y'])
def test_a_stray_quote_costs_one_line_of_many(opened, read_named):
    good = ROWS["csv"][2][0]
    rows = read_named("csv", whole("csv", [good] * 3 + [opened] + [good] * 100))
    assert len(md5s(rows)) == 103
    assert len(bad(rows)) == 1


def test_two_stray_quotes_do_not_swallow_the_rows_between(read_named):
    good = ROWS["csv"][2][0]
    rows = read_named("csv", whole("csv", [good, b'1,"x', good, good, b'1,y"', good]))
    assert len(md5s(rows)) == 4
    assert len(bad(rows)) == 2


def test_a_quoted_field_may_run_over_lines(read_named):
    row = f'1,{MD5[0]},,"Example\r\nHotline, ""north"""'.encode()
    (entry,) = read_named("csv", whole("csv", [row]))
    assert json.loads(entry.extra or b"null") is None
    assert entry.digests.md5.hex() == MD5[0]
