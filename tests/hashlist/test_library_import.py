"""Importing: atomic, counted, bounded, and honest about what was left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import msgspec
import pytest

from tutela.core.entry import Classification, Role
from tutela.core.errors import InputError, IntegrityError, ListFormatError, SandboxError, UsageError
from tutela.core.media import Digests, Fingerprint
from tutela.hashlist import ingest
from tutela.hashlist.format import ExportOptions, named
from tutela.hashlist.library import Library
from tutela.hashlist.placeholder import PLACEHOLDER_CONTENTS


def write_hashes(path, samples, numbers, *, extra=()):
    lines = [samples.digest("md5", number).hex() for number in numbers]
    path.write_text("\n".join([*lines, *extra]) + "\n")
    return path


def test_an_entry_keeps_its_provenance(library, tmp_path, samples, received):
    file = write_hashes(tmp_path / "list.txt", samples, range(3))
    report = library.add(
        file,
        name="L",
        role=Role.ALERT,
        received_from="Example Hotline",
        received_at=received.received_at,
        scheme="uk-2014",
        code="A",
    )
    (hit,) = library.find(Digests(md5=samples.digest("md5", 1)))
    came = hit.entry.provenance
    assert (came.list, came.source, came.row) == ("L", "list.txt", 2)
    assert (came.received_at, came.received_from) == (received.received_at, "Example Hotline")
    assert hit.entry.classifications == (Classification("uk-2014", "A"),)
    assert hit.list == "L"
    assert report.info.format == "lines"
    assert report.info.unclassified == 0


def test_totals_add_up_and_bad_rows_are_in_quarantine(library, tmp_path, samples):
    file = write_hashes(tmp_path / "list.txt", samples, range(40_000), extra=["xyz", "0" * 32])
    report = library.add(file, name="L", role=Role.ALERT)
    info = report.info
    assert (info.rows, info.entries, info.quarantined) == (40_002, 40_000, 2)
    rows = [json.loads(line) for line in library.quarantine(info.number).read_text().splitlines()]
    assert [(r["file"], r["row"], r["code"], r["text"]) for r in rows] == [
        ("list.txt", 40_001, "wrong_length", "xyz"),
        ("list.txt", 40_002, "placeholder", "0" * 32),
    ]
    assert any("quarantine" in note for note in report.notes)
    assert info.carried == info.compared == {"md5": 40_000}


def test_alert_entries_without_a_grade_say_so(library, tmp_path, samples):
    report = library.add(
        write_hashes(tmp_path / "l.txt", samples, range(2)), name="L", role=Role.ALERT
    )
    assert report.info.unclassified == 2
    assert library.entry(report.info.number, 0).classifications == (
        Classification("unclassified", "unclassified"),
    )
    assert any("unclassified" in note for note in report.notes)


def test_known_good_entries_without_sha256_are_counted(library, tmp_path, samples):
    report = library.add(
        write_hashes(tmp_path / "l.txt", samples, range(5)), name="L", role=Role.IGNORABLE
    )
    assert report.info.compared == {}
    assert report.info.remarks == {"ignorable or allow entries without SHA-256, never matched": 5}


def test_a_broken_file_leaves_the_library_as_it_was(library, tmp_path, samples, add, entry):
    add(entry(samples.digests(1)), name="old")
    before = sorted(p.name for p in (library.path / "lists").iterdir())
    media = [{"MediaID": n, "MD5": samples.digest("md5", n).hex()} for n in range(40_000)]
    file = tmp_path / "set.json"
    file.write_bytes(json.dumps({"@odata.context": "x", "value": media}).encode()[:-9])
    with pytest.raises(ListFormatError) as caught:
        library.add(file, name="new", role=Role.ALERT)
    assert caught.value.code == "truncated"
    assert [info.name for info in library.lists] == ["old"]
    assert sorted(p.name for p in (library.path / "lists").iterdir()) == before
    assert library.find(Digests(md5=samples.digest("md5", 7))) == []
    file.write_bytes(json.dumps({"@odata.context": "x", "value": media}).encode())
    assert library.add(file, name="new", role=Role.ALERT).info.entries == 40_000


def test_a_name_is_taken_once_unless_replaced(library, add, entry, samples):
    old = add(entry(samples.digests(1))).info
    with pytest.raises(UsageError) as caught:
        add(entry(samples.digests(2)))
    assert caught.value.code == "list_exists"
    assert "--replace" in caught.value.hint
    report = add(entry(samples.digests(2)), replace=True)
    assert report.replaced == old.number
    assert [info.number for info in library.lists] == [report.info.number]
    assert library.find(samples.digests(1)) == []
    assert len(library.find(samples.digests(2))) == 1
    assert not (library.path / "lists" / str(old.number)).exists()


def test_a_failed_replacement_keeps_the_old_list(library, add, entry, samples, tmp_path):
    add(entry(samples.digests(1)))
    broken = tmp_path / "broken.json"
    broken.write_bytes(b'{"@odata.context":"x","value":[')
    with pytest.raises(ListFormatError):
        library.add(broken, name="list", role=Role.ALERT, replace=True)
    assert len(library.find(samples.digests(1))) == 1


def test_a_list_can_be_removed(library, add, entry, samples):
    number = add(entry(samples.digests(1))).info.number
    library.remove("list")
    assert library.lists == ()
    assert library.find(samples.digests(1)) == []
    assert not (library.path / "lists" / str(number)).exists()


def test_readers_see_an_import_of_another_process_without_reopening(library, add, entry, samples):
    reader = Library.open(library.path)
    assert reader.find(samples.digests(1)) == []
    add(entry(samples.digests(1)), name="one")
    assert [h.list for h in reader.find(samples.digests(1))] == ["one"]
    add(entry(samples.digests(2)), name="one", replace=True)
    assert reader.find(samples.digests(1)) == []
    assert [h.list for h in reader.find(samples.digests(2))] == ["one"]


def test_an_empty_file_makes_an_empty_list(library, tmp_path):
    (tmp_path / "empty.txt").touch()
    report = library.add(tmp_path / "empty.txt", name="L", role=Role.ALERT)
    assert (report.info.rows, report.info.entries) == (0, 0)
    assert list(library.entries(report.info.number)) == []


def test_an_algorithm_that_we_do_not_know_is_refused(library, tmp_path, samples):
    with pytest.raises(UsageError) as caught:
        library.add(
            write_hashes(tmp_path / "l", samples, [1]), name="L", role=Role.ALERT, algorithm="sha-1"
        )
    assert "sha1" in caught.value.hint


@pytest.mark.parametrize("kind", ["folder", "missing", "fifo"])
def test_what_is_no_file_is_refused(kind, library, tmp_path):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(UsageError) as caught:
        library.add(path, name="L", role=Role.ALERT)
    assert caught.value.hint


def test_ambiguous_hashes_are_refused_with_the_way_out(library, tmp_path, samples):
    file = tmp_path / "l.txt"
    file.write_text(samples.pdq(1).hex() + "\n")
    with pytest.raises(ListFormatError) as caught:
        library.add(file, name="L", role=Role.ALERT)
    assert caught.value.code == "ambiguous_algorithm"
    assert "tutela list import FILE --name NAME" in caught.value.hint  # a scan meets it too
    assert "--algorithm sha256" in caught.value.hint
    library.add(file, name="L", role=Role.ALERT, algorithm="pdq")
    assert library.find(Digests(), [Fingerprint("pdq", samples.pdq(1))])


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_a_name_is_short_and_printable(name, library, tmp_path, samples):
    with pytest.raises(UsageError):
        library.add(write_hashes(tmp_path / "l", samples, [1]), name=name, role=Role.ALERT)


def test_a_file_that_changes_while_read_is_refused(library, tmp_path, samples):
    file = write_hashes(tmp_path / "l.txt", samples, range(40_000))

    def meddle(*_: int) -> None:
        with file.open("a") as stream:
            stream.write("\n")

    with pytest.raises(InputError) as caught:
        library.add(file, name="L", role=Role.ALERT, progress=meddle)
    assert caught.value.code == "changed"
    assert library.lists == ()


def test_progress_grows_to_the_whole_file(library, tmp_path, samples):
    file = write_hashes(tmp_path / "l.txt", samples, range(40_000))
    seen: list[tuple[int, int]] = []
    library.add(
        file, name="L", role=Role.ALERT, progress=lambda done, rows: seen.append((done, rows))
    )
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == (file.stat().st_size, 40_000)


# --- placeholders ------------------------------------------------------------------------------


def vics_file(path, samples, media):
    records = [{"MD5": samples.digest("md5", n).hex(), "PhotoDNA": value} for n, value in media]
    path.write_text(json.dumps({"@odata.context": "x", "value": records}))
    return path


def test_photodna_on_many_contents_is_a_placeholder(library, tmp_path, samples):
    constant = samples.photodna_text("constant")
    media = [(n, constant) for n in range(PLACEHOLDER_CONTENTS + 1)]
    media += [(n, samples.photodna_text(n)) for n in range(100, 110)]
    report = library.add(vics_file(tmp_path / "v.json", samples, media), name="L", role=Role.ALERT)
    info = report.info
    assert info.placeholders == [samples.photodna("constant")]
    assert info.carried["photodna"] == len(media)
    assert info.compared["photodna"] == 10
    assert library.find(Digests(), [Fingerprint("photodna", samples.photodna("constant"))]) == []
    assert len(library.find(Digests(), [Fingerprint("photodna", samples.photodna(105))])) == 1
    assert f"PhotoDNA placeholders, not compared: {PLACEHOLDER_CONTENTS + 1}" in report.notes
    out = tmp_path / "out.json"
    with out.open("wb") as stream:
        written = library.export("L", "vics", stream)
    assert constant not in out.read_text()
    assert written.lost["PhotoDNA placeholder"] == PLACEHOLDER_CONTENTS + 1


def test_one_content_at_many_places_is_no_placeholder(library, tmp_path, samples):
    media = [(7, samples.photodna_text(7))] * 116
    info = library.add(
        vics_file(tmp_path / "v.json", samples, media), name="L", role=Role.ALERT
    ).info
    assert info.placeholders == []
    assert info.compared["photodna"] == 116


# --- crashes, damage, other processes ----------------------------------------------------------


def test_a_leftover_of_a_crash_is_swept_by_the_next_import(library, add, entry, samples):
    rest = library.path / "lists" / "1"
    rest.mkdir()
    (rest / "entries.bin").write_bytes(b"half")
    assert library.lists == ()
    add(entry(samples.digests(1)))
    assert len(library.find(samples.digests(1))) == 1


IMPORTER = """
import sys
from pathlib import Path
from tutela.core.entry import Role
from tutela.hashlist.library import Library
library = Library.open(Path(sys.argv[1]))
print("ready", flush=True)
report = library.add(Path(sys.argv[2]), name="new", role=Role.ALERT, replace=True)
print("done", flush=True)
"""


def test_a_killed_import_leaves_the_old_or_the_new_list(library, tmp_path, samples):
    file = write_hashes(tmp_path / "l.txt", samples, range(60_000))
    old = write_hashes(tmp_path / "old.txt", samples, range(100))
    library.add(old, name="new", role=Role.ALERT)
    outcomes = set()
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORTER, str(library.path), str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.08 * attempt)
            process.send_signal(signal.SIGKILL)
        reader = Library.open(library.path)
        entries = reader.info("new").entries
        assert entries in (100, 60_000)
        assert len(list(reader.entries(reader.info("new").number))) == entries
        assert bool(reader.find(Digests(md5=samples.digest("md5", 59_999)))) == (entries != 100)
        assert reader.find(Digests(md5=samples.digest("md5", 99)))
        outcomes.add(entries)
    assert 100 in outcomes
    report = Library.open(library.path).add(file, name="new", role=Role.ALERT, replace=True)
    kept = [p.name for p in (library.path / "lists").iterdir()]
    assert kept == [str(report.info.number)]


def test_damage_is_noticed(library, add, entry, samples):
    number = add(entry(samples.digests(1)), entry(samples.digests(2))).info.number
    records = library.path / "lists" / str(number) / "entries.bin"
    content = records.read_bytes()
    records.write_bytes(content[:-1])
    with pytest.raises(IntegrityError) as caught:
        Library.open(library.path)
    assert "--replace" in caught.value.hint
    records.write_bytes(b"\xc1" * len(content))
    with pytest.raises(IntegrityError):
        Library.open(library.path).find(samples.digests(1))


def test_a_folder_of_something_else_is_no_library(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UsageError):
        Library.create(tmp_path)
    with pytest.raises(UsageError) as caught:
        Library.open(tmp_path)
    assert caught.value.code == "no_library"
    assert "tutela list import" in caught.value.hint


def test_a_create_that_was_interrupted_can_be_repeated(tmp_path):
    (tmp_path / "library" / "lists").mkdir(parents=True)
    assert Library.create(tmp_path / "library").lists == ()


def test_the_reader_is_confined(library, tmp_path, samples, monkeypatch):
    file = write_hashes(tmp_path / "l.txt", samples, range(10))
    spy = tmp_path / "spy.txt"
    original = ingest.read_list

    def spying(request, files, reply):
        spy.write_text("a list file must not be able to do this")
        original(request, files, reply)

    monkeypatch.setattr(ingest, "read_list", spying)
    with pytest.raises(SandboxError):
        library.add(file, name="L", role=Role.ALERT)
    assert not spy.exists()


def test_a_reader_that_was_taken_over_is_not_believed(library, tmp_path, samples, monkeypatch):
    file = write_hashes(tmp_path / "l.txt", samples, range(10))
    original = ingest.read_list

    def lying(request, files, reply):
        def forge(payload):
            message = msgspec.msgpack.decode(payload)
            if message.get("batch"):
                message["batch"][1] = b"\xff\xff\xff\x7f" * 10  # ends beyond the records
            reply(msgspec.msgpack.encode(message))

        original(request, files, forge)

    monkeypatch.setattr(ingest, "read_list", lying)
    with pytest.raises(SandboxError) as caught:
        library.add(file, name="L", role=Role.ALERT)
    assert caught.value.code == "protocol"
    assert library.lists == ()


def test_a_reader_that_sends_no_utf8_is_not_believed(library, tmp_path, samples, monkeypatch):
    file = write_hashes(tmp_path / "l.txt", samples, range(10))
    original = ingest.read_list

    def lying(request, files, reply):
        def forge(payload):
            reply(payload.replace(b"md5", b"\xff\xff\xff"))

        original(request, files, forge)

    monkeypatch.setattr(ingest, "read_list", lying)
    with pytest.raises(SandboxError) as caught:
        library.add(file, name="L", role=Role.ALERT)
    assert caught.value.code == "protocol"


def test_a_lossless_round_trip_through_the_library(library, tmp_path, strategies):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entries = [strategies.entries.example() for _ in range(60)]
    for form in ("jsonl", "csv"):
        file = tmp_path / f"x.{form}"
        with file.open("wb") as stream:
            named(form).write(entries, stream, ExportOptions())
        library.add(file, name=form, role=Role.IGNORABLE)
        out = tmp_path / f"y.{form}"
        with out.open("wb") as stream:
            written = library.export(form, form, stream)
        number = library.info(form).number
        assert list(library.entries(number)) == entries
        assert len(out.read_bytes().splitlines()) == len(file.read_bytes().splitlines())
        assert written.entries == 60
        assert not written.lost


MEASURED = """
import resource, sys
from pathlib import Path
from tutela.core.entry import Role
from tutela.hashlist.library import Library
library = Library.create(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
info = library.add(Path(sys.argv[2]), name="L", role=Role.ALERT, algorithm="pdq").info
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(info.entries, before, own, child)
"""


def measured_import(tmp_path, rows):
    file = tmp_path / "many.txt"
    with file.open("w") as stream:
        for begin in range(0, rows, 1 << 16):
            count = min(1 << 16, rows - begin)
            text = os.urandom(32 * count).hex()
            stream.writelines(text[64 * n : 64 * n + 64] + "\n" for n in range(count))
    result = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "measured"), str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    entries, before, own, child = map(int, result.stdout.split())
    assert entries == rows
    return before >> 10, own >> 10, child >> 10


def test_memory_does_not_grow_with_the_file(tmp_path):
    before, own, child = measured_import(tmp_path, 200_000)
    assert own - before < 200
    assert child < 400


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_million_rows_fit_into_a_gibibyte(tmp_path):
    _, own, child = measured_import(tmp_path, 10_000_000)
    assert own < 1024
    assert child < 1024
