"""Our own two formats carry any message; what cuts bytes cuts nothing else."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

import chat_exports
from tutela.chat.jsonwalk import Walk, What
from tutela.chat.lines import lines
from tutela.chat.records import Records
from tutela.chat.squeeze import JSON, KEPT_BYTES, Squeeze

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=80)
WORD = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)
TIME = st.datetimes(
    datetime(1991, 1, 1),  # noqa: DTZ001 - hypothesis gives it a zone
    datetime(2026, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.just(UTC),
)
ROW = st.fixed_dictionaries(
    {"conversation": WORD, "id": WORD, "author": WORD, "name": WORD, "time": TIME, "text": TEXT}
)


def _same(row, message):
    wanted = dict(row)
    return {field: getattr(message, field) for field in wanted} == wanted


@given(st.lists(ROW, max_size=8), st.booleans())
def test_jsonl_carries_any_message(rows, ascii_only):
    data = "\n".join(
        json.dumps({**row, "time": row["time"].isoformat()}, ensure_ascii=ascii_only)
        for row in rows
    )
    found = chat_exports.read(data.encode(), "jsonl")
    assert len(found) == len(rows)
    assert all(_same(row, one) for row, one in zip(rows, found, strict=True))


@given(st.lists(ROW, max_size=8), st.sampled_from(",;\t|"))
def test_csv_carries_any_message(rows, delimiter):
    out = io.StringIO()
    write = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerow
    write(["conversation", "id", "author", "name", "time", "text"])
    for row in rows:
        words = [row[field] for field in ("conversation", "id", "author", "name")]
        write([*words, row["time"].isoformat(), row["text"]])
    found = chat_exports.read(out.getvalue().encode(), "csv")
    assert len(found) == len(rows)
    assert all(_same(row, one) for row, one in zip(rows, found, strict=True))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(st.lists(JSON_VALUES, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_a_walk_gives_each_value_as_it_stands(values, step, indent):
    class Slow(io.BytesIO):
        def read(self, _size=-1):
            return super().read(step)

    data = json.dumps({"a": values, "b": {"c": 1}, "d": "x"}, indent=indent).encode()

    def plan(path):
        return What.ENTER if path in {(), ("a",)} else What.GIVE if path else What.SKIP

    cuts = list(Walk(Slow(data), plan).cuts())
    assert [json.loads(cut.raw) for cut in cuts if cut.path == ("a", "*")] == values
    assert [json.loads(cut.raw) for cut in cuts[-2:]] == [{"c": 1}, "x"]
    assert all(json.loads(data[cut.start : cut.end]) == json.loads(cut.raw) for cut in cuts)


@given(st.text(max_size=60), st.integers(1, 9), st.booleans())
def test_a_squeeze_changes_nothing_that_is_short(text, step, ascii_only):
    data = json.dumps({"a": text, text: [text, {}]}, ensure_ascii=ascii_only)
    raw = data.encode("utf-8", "surrogatepass")
    squeeze = Squeeze(JSON)
    out = b"".join(squeeze.feed(raw[at : at + step]) for at in range(0, len(raw), step))
    assert out + squeeze.feed(b"", last=True) == raw


@given(st.text(max_size=9), st.integers(0, 3), st.integers(1_000, 90_000), st.booleans())
def test_a_squeeze_leaves_json_behind(text, shift, step, ascii_only):
    whole = "x" * shift + (text or '\N{SWIMMER}\\"') * (KEPT_BYTES // 4)
    raw = json.dumps([whole, "end"], ensure_ascii=ascii_only).encode("utf-8", "replace")
    squeeze = Squeeze(JSON)
    out = b"".join(squeeze.feed(raw[at : at + step]) for at in range(0, len(raw), step))
    kept, end = json.loads(out + squeeze.feed(b"", last=True))
    assert end == "end"
    assert len(kept) >= min(len(whole), 16_384)
    assert len(out) < KEPT_BYTES + 40


@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")), max_size=9))
def test_lines_are_those_of_the_file(rows):
    data = b"\n".join(rows) + b"\n"
    found = [line.raw for line in lines(io.BufferedReader(io.BytesIO(data)))]
    assert found == [row.rstrip(b"\r") for row in rows] or not rows


@given(st.lists(st.lists(st.text('a",\n|', max_size=6), min_size=2, max_size=4), max_size=6))
def test_records_are_those_of_the_standard_library(rows):
    rows = [row for row in rows if any("".join(row).strip() for row in [row])]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    stream = io.BufferedReader(io.BytesIO(out.getvalue().encode()))
    found = [next(csv.reader([record.raw.decode()])) for record in Records(stream, b",")]
    assert found == rows
