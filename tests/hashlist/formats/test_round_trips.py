"""What is written reads back: wholly in our own formats, as far as they reach in the others."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threatexchange.cli.dataset.simple_serialization import CliIndicatorSerialization
from threatexchange.exchanges.clients.fb_threatexchange.descriptor import SimpleDescriptorRollup
from threatexchange.exchanges.impl.file_api import (
    FileCollaborationConfig,
    LocalFileSignalExchangeAPI,
)

from tutela.core.entry import Classification, ListEntry, Provenance, Role, State
from tutela.core.errors import ListFormatError, UsageError
from tutela.core.media import Digests, Fingerprint
from tutela.hashlist.format import BadRow, ExportOptions, Received, Remark, named, recognise

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_our_own_formats_lose_nothing(form, data, strategies, read, write):
    entries = data.draw(st.lists(strategies.entries, max_size=5))
    content, written = write(form, entries)
    assert read(form, content) == entries
    assert (written.entries, written.lost) == (len(entries), {})
    if entries:
        assert recognise(content, "any").name == form


def test_our_jsonl_is_recognised_whatever_its_texts_say(write, samples):
    came = Provenance("@odata.context", '"odata.metadata":', 1, NOON, "value MD5")
    content, _ = write("jsonl", [ListEntry(came, samples.digests(1))])
    assert recognise(content, "any").name == "jsonl"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "pdq", "photodna"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_lines_carry_one_algorithm(algorithm, data, strategies, read, write):
    entries = data.draw(st.lists(strategies.entries, max_size=5))
    content, written = write("lines", entries, ExportOptions(algorithm=algorithm))
    context = Received(list="x", source="y", received_at=NOON, algorithm=algorithm)
    back = read("lines", content, context)
    expected = [
        value
        for entry in entries
        if entry.state is State.ACTIVE
        for value in values_of(entry, algorithm)
    ]
    assert [values_of(entry, algorithm)[0] for entry in back] == expected
    assert written.entries + written.lost["withdrawn entry"] + written.lost[
        "entry without this algorithm"
    ] == len(entries)


def values_of(entry: ListEntry, algorithm: str) -> list[bytes]:
    if algorithm in ("pdq", "photodna"):
        return [f.bits for f in entry.fingerprints if f.algorithm == algorithm]
    value = getattr(entry.digests, algorithm)
    return [value] if value else []


def test_typed_lines_read_back(read, write, samples, entry):
    entries = [entry(samples.digests(1), Fingerprint("pdq", samples.pdq(1)))]
    content, written = write("lines", entries)
    assert len(content.splitlines()) == 4
    back = read("lines", content)
    assert {f for e in back for f in e.fingerprints} == set(entries[0].fingerprints)
    assert [e.digests.sha256 for e in back if e.digests.sha256] == [entries[0].digests.sha256]
    assert written.lost["link between the hashes of one entry"] == 1


def test_typed_lines_are_what_pytx_reads_from_a_local_file(tmp_path, write, samples, entry):
    content, _ = write("lines", [entry(Digests(), Fingerprint("pdq", samples.pdq(1)))])
    (tmp_path / "signals.txt").write_bytes(content)
    config = FileCollaborationConfig(
        name="x", api="local_file", enabled=True, filename=str(tmp_path / "signals.txt")
    )
    (delta,) = LocalFileSignalExchangeAPI(config).fetch_iter([], None)
    assert list(delta.updates) == [("pdq", samples.pdq(1).hex())]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("urls http://example.invalid", "unknown_type"),
        ("pdq 00ff", "wrong_length"),
        ("md5 " + "0" * 31 + "g", "not_hex"),
        ("d41d8cd98f00b204e9800998ecf8427e", "empty_content"),
        ("pdq " + "0" * 64, "placeholder"),
        ("sha256 " + "0" * 63 + "é", "not_hex"),
    ],
)
def test_bad_lines_say_why(line, code, read):
    (row,) = read("lines", f"# a comment\n\n{line}\n".encode())
    assert isinstance(row, BadRow)
    assert (row.row, row.code, row.text) == (3, code, line)


def test_a_line_that_contradicts_the_import_is_quarantined(read, samples, received):
    context = Received(list="x", source="y", received_at=received.received_at, algorithm="pdq")
    (row,) = read("lines", f"sha256 {samples.pdq(1).hex()}".encode(), context)
    assert row.code == "other_type"


def test_64_digits_are_never_guessed(read, samples):
    with pytest.raises(ListFormatError) as caught:
        read("lines", samples.pdq(1).hex().encode())
    assert caught.value.code == "ambiguous_algorithm"
    assert "--algorithm pdq" in caught.value.hint


@pytest.mark.parametrize("program", ["md5sum", "sha1sum", "sha256sum"])
@pytest.mark.parametrize("mode", ["--text", "--binary"])
def test_what_a_checksum_program_prints_is_read(program, mode, tmp_path, read):
    names = [b"a b.png", b"two\nlines.png", b"caf\xe9.png"]
    for name in names:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(b"invented " + name)
    content = subprocess.run(
        [program, mode, "--", *names], cwd=tmp_path, stdout=subprocess.PIPE, check=True
    ).stdout
    assert content.count(b"\\") > 0
    assert recognise(content, "l.txt").name == "lines"
    rows = read("lines", content)
    algorithm = program.removesuffix("sum")
    assert [values_of(row, algorithm) for row in rows if isinstance(row, ListEntry)] == [
        [hashlib.new(algorithm, b"invented " + name).digest()] for name in names
    ]
    assert [row.code for row in rows if isinstance(row, Remark)] == [
        "file names beside hashes, left out"
    ] * len(names)


def test_the_import_may_say_that_named_hashes_are_pdq(read, samples, received):
    context = Received(list="x", source="y", received_at=received.received_at, algorithm="pdq")
    _, entry = read("lines", f"{samples.pdq(1).hex()}  a.png\n".encode(), context)
    assert entry.fingerprints == (Fingerprint("pdq", samples.pdq(1)),)


def test_64_digits_before_two_spaces_and_no_name_are_not_guessed(read, samples):
    with pytest.raises(ListFormatError) as caught:
        read("lines", f"{samples.pdq(1).hex()}   \n".encode())
    assert caught.value.code == "ambiguous_algorithm"


# --- python-threatexchange ---------------------------------------------------------------------


def test_a_dataset_that_pytx_stored_is_read(tmp_path, read, samples, received):
    stored = [
        CliIndicatorSerialization(
            "HASH_PDQ",
            samples.pdq(n).hex(),
            SimpleDescriptorRollup(100 + n, "2026-11-01T00:00:00+0000", {"one", "two"}),
        )
        for n in range(3)
    ]
    stored[2].rollup.labels = {"false_positive"}
    (path,) = CliIndicatorSerialization.store(tmp_path, stored)
    content = path.read_bytes()
    assert recognise(content, path.name).name == "te"
    context = Received(list="x", source=path.name, received_at=received.received_at)
    rows = read("te", content, context)
    assert [row.fingerprints[0].bits for row in rows] == [samples.pdq(n) for n in range(3)]
    assert [row.state for row in rows] == [State.ACTIVE, State.ACTIVE, State.WITHDRAWN]
    held = json.loads(rows[0].extra)["threatexchange"]
    assert held["descriptor_id"] == "100"
    assert set(held["tags"].split()) == {"one", "two"}


def test_pytx_loads_the_dataset_that_we_write(tmp_path, write, read, samples, entry):
    entries = [entry(Digests(), Fingerprint("pdq", samples.pdq(n))) for n in range(2)]
    entries.append(entry(Digests(), Fingerprint("pdq", samples.pdq(9)), state=State.WITHDRAWN))
    content, _ = write("te", entries, ExportOptions(algorithm="pdq"))
    path = Path(tmp_path / "simple.HASH_PDQ.te")
    path.write_bytes(content)
    loaded = CliIndicatorSerialization.load(tmp_path)
    assert [i.indicator for i in loaded] == [samples.pdq(n).hex() for n in (0, 1, 9)]
    assert loaded[2].rollup.labels == {"false_positive"}
    context = Received(list="x", source=path.name, received_at=NOON)
    back = read("te", content, context)
    assert [row.state for row in back] == [e.state for e in entries]


def test_a_dataset_needs_its_type(read, write, entry, samples):
    with pytest.raises(ListFormatError) as caught:
        read("te", b"00ff,1,x,\n")
    assert caught.value.code == "no_type"
    with pytest.raises(UsageError):
        write("te", [entry(samples.digests(1))])


def test_the_csv_of_dataset_is_read_and_negative_examples_never_match(read, samples):
    rows = [
        ("pdq", samples.pdq(1).hex(), "Sample", "POSITIVE_CLASS", "one two"),
        ("pdq", samples.pdq(2).hex(), "Sample", "NEGATIVE_CLASS", ""),
        ("pdq", samples.pdq(3).hex(), "Sample", "INVESTIGATION_SEED", ""),
        ("video_md5", samples.digest("md5", 1).hex(), "Sample", "POSITIVE_CLASS", ""),
        ("raw_text", "some words, quoted", "Sample", "POSITIVE_CLASS", ""),
    ]
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerows([("signal_type", "signal_str", "collab", "category", "tags"), *rows])
    content = stream.getvalue().encode()
    assert recognise(content, "collab.csv").name == "threatexchange"
    read_back = read("threatexchange", content)
    assert [row.state for row in read_back[:4]] == [
        State.ACTIVE,
        State.WITHDRAWN,
        State.ACTIVE,
        State.ACTIVE,
    ]
    assert read_back[3].digests.md5 == samples.digest("md5", 1)
    assert read_back[4].code == "unknown_type"


def test_threatexchange_csv_reads_back(read, write, samples, entry):
    entries = [
        entry(samples.digests(1), Fingerprint("pdq", samples.pdq(1))),
        entry(Digests(md5=samples.digest("md5", 2)), state=State.WITHDRAWN),
        entry(Digests(), Fingerprint("licensed-x", b"abc")),
    ]
    content, written = write("threatexchange", entries)
    back = read("threatexchange", content)
    assert len(back) == 5
    assert back[4].state is State.WITHDRAWN
    assert written.entries == 2
    assert written.lost["entry without this type of hash"] == 1


# --- others ------------------------------------------------------------------------------------


def test_icse_gives_photodna_and_baseline(read, samples):
    value = samples.photodna(1).hex()
    header = (
        "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Offender identified;"
        "Series name;Number of submissions;File Available;Media Type;Baseline"
    )
    md5, sha1 = samples.digest("md5", 1).hex().upper(), samples.digest("sha1", 1).hex()
    rows = [f"{md5};{sha1};{value};77;Y;N;N;;3;Yes;image;{flag}" for flag in ("Yes", "n", "")]
    content = "\r\n".join([header, *rows]).encode()
    assert recognise(content, "icse.csv").name == "icse"
    entries = read("icse", content)
    assert [e.fingerprints[0].bits for e in entries] == [samples.photodna(1)] * 3
    assert [e.classifications for e in entries] == [
        (Classification("interpol-baseline", "baseline"),),
        (Classification("interpol-baseline", "not-baseline"),),
        (),
    ]
    assert json.loads(entries[0].extra)["icse"]["image id"] == "77"


def test_icse_is_not_written(write):
    with pytest.raises(UsageError) as caught:
        write("icse", [])
    assert caught.value.code == "read_only"
    with pytest.raises(UsageError) as caught:
        named("icse", to_write=True)
    assert caught.value.code == "read_only"
    assert "icse" not in caught.value.hint
    assert "vics" in caught.value.hint


def test_a_field_of_half_a_mebibyte_is_carried(read, write, samples, entry):
    large = entry(samples.digests(1))
    large = ListEntry(large.provenance, large.digests, extra=b'{"x":"' + b"y" * (1 << 19) + b'"}')
    csv.field_size_limit(1000)  # as other code in the process may do
    assert read("csv", write("csv", [large])[0]) == [large]


def test_any_csv_with_a_hash_column_is_read_and_other_columns_are_kept(read, samples):
    content = f"Name,SHA-1,Note\na.png,{samples.digest('sha1', 1).hex()},seen twice\n".encode()
    assert recognise(content, "x.csv").name == "csv"
    (entry,) = read("csv", content)
    assert entry.digests.sha1 == samples.digest("sha1", 1)
    assert json.loads(entry.extra) == {"csv": {"name": "a.png", "note": "seen twice"}}


@pytest.mark.parametrize(
    ("column", "text", "code"),
    [
        ("pdq_quality", "101", "fingerprint"),
        ("pdq_quality", "high", "field"),
        ("state", "gone", "state"),
        ("extra", "[1]", "json"),
        ("fingerprints", "{", "json"),
        ("received_at", "2026-11-01T00:00:00", "time"),
        ("received_at", "yesterday", "field"),
        ("sha1", "00", "wrong_length"),
    ],
)
def test_bad_fields_of_our_csv_say_why(column, text, code, read, samples):
    content = f"v,md5,pdq,{column}\n1,{samples.digest('md5', 1).hex()},{samples.pdq(1).hex()},"
    (row,) = read("csv", f'{content}"{text}"\n'.encode())
    assert row.code == code


@pytest.mark.parametrize("header", [b"a,b\n1,2\n", b"md5,md5\n", b'"md5\n'])
def test_a_csv_without_a_sound_header_is_refused(header, read):
    with pytest.raises(ListFormatError) as caught:
        read("csv", header)
    assert caught.value.code == "header"


def test_another_version_is_refused_as_a_whole(read, samples):
    with pytest.raises(ListFormatError) as caught:
        read("csv", f"v,md5\n2,{samples.digest('md5', 1).hex()}\n".encode())
    assert caught.value.code == "version"


@pytest.mark.parametrize(
    "row",
    [
        {"v": 2, "md5": "0cc175b9c0f1b6a831c399e269772661"},
        {"md5": "0cc175b9c0f1b6a831c399e269772661", "unknown": 1},
        {"md5": 5},
        {},
        {"fingerprints": [{"algorithm": "pdq", "bits": "00"}]},
        {
            "md5": "0cc175b9c0f1b6a831c399e269772661",
            "fingerprints": [{"algorithm": "pdq", "bits": ""}],
        },
        {"fingerprints": [{"algorithm": "x", "bits": "00", "quality": 101}]},
        {"fingerprints": [{"algorithm": "x", "bits": "00", "variant": "sideways"}]},
        {"fingerprints": [{"algorithm": "", "bits": "00"}]},
        {"md5": "0cc175b9c0f1b6a831c399e269772661", "extra": [1]},
        {"md5": "0cc175b9c0f1b6a831c399e269772661", "state": "gone"},
    ],
)
def test_bad_rows_of_our_jsonl_are_quarantined(row, read):
    (found,) = read("jsonl", json.dumps({"v": 1, "type": "entry"} | row).encode())
    assert isinstance(found, BadRow)


def test_a_row_without_provenance_comes_from_this_file(read, received):
    row = {"v": 1, "type": "entry", "md5": "0cc175b9c0f1b6a831c399e269772661"}
    (entry,) = read("jsonl", b"\n" + json.dumps(row).encode())
    assert entry.provenance == received.provenance(2)
    assert received.role is Role.ALERT
