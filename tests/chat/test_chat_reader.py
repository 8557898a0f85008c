"""Exports read in a confined process: what breaks a reader breaks one source."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest

import chat_exports
from chat_exports import TALK, WRITTEN
from tutela.chat import limits
from tutela.chat.formats.jsonl import JsonLines
from tutela.chat.model import Left, MediaRef, Message
from tutela.chat.reader import Reader
from tutela.chat.source import Source
from tutela.chat.sources import sources
from tutela.sandbox import Limits

SMALL = Limits(memory_bytes=256 << 20, silence_s=2.0, open_files=256)


@pytest.fixture(scope="module")
def reader():
    with Reader() as running:
        yield running


def only_source(path, reader):
    [found] = [one for one in sources(path, reader) if isinstance(one, Source)]
    return found


def entries(reader, source):
    return [one for batch in reader.read(source) for one in batch]


@pytest.mark.parametrize("how", [pytest.param(how, id=how.id) for how in WRITTEN])
def test_a_confined_reader_says_the_same(reader, how, tmp_path):
    data = how.write(chat_exports.many(1_200))
    (tmp_path / how.file_name).write_bytes(data)
    source = only_source(tmp_path, reader)
    assert source.format == how.format
    found = entries(reader, source)
    known = chat_exports.opening(data, source.parts[0].name, source.conversation)
    assert found == list(chat_exports.named(how.format).read(known.again(), known))
    assert all(len(batch) <= limits.BATCH_MESSAGES for batch in reader.read(source))


def test_a_ufdr_archive_and_a_whatsapp_archive(reader, tmp_path):
    (tmp_path / "a.ufdr").write_bytes(chat_exports.ufdr(TALK))
    members = {"_chat.txt": chat_exports.ios(TALK), "map.jpg": b"\xff\xd8\xff"}
    (tmp_path / "Chat with Ann.zip").write_bytes(chat_exports.zipped(members))
    found = list(sources(tmp_path, reader))
    whatsapp, left_whatsapp, ufdr, left_ufdr = found
    assert (whatsapp.format, whatsapp.conversation) == ("whatsapp", "Chat with Ann")
    assert (ufdr.format, ufdr.name) == ("ufdr", "a.ufdr/report.xml")
    assert {left_whatsapp.reason, left_ufdr.reason} == {"media"}
    for source in (whatsapp, ufdr):
        assert len(chat_exports.spoken(entries(reader, source))) == len(TALK)


def test_a_caller_may_stop_at_any_time(reader, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(chat_exports.jsonl(chat_exports.many(200_000)))
    source = only_source(tmp_path, reader)
    began = time.monotonic()
    for batch in reader.read(source):
        assert len(batch) == limits.BATCH_MESSAGES
        break
    assert len(next(iter(reader.read(source)))) == limits.BATCH_MESSAGES
    assert time.monotonic() - began < 5
    assert len(list(Path("/proc/self/fd").iterdir())) < 60


def _break(monkeypatch, how):
    """Let a reader break behind the 600th message."""
    whole = JsonLines.read

    def read(self, stream, opening):
        for number, message in enumerate(whole(self, stream, opening)):
            if number == 600:
                how()
            yield message

    monkeypatch.setattr(JsonLines, "read", read)


@pytest.mark.parametrize(
    ("how", "reason", "kept"),
    [
        (lambda: bytearray(8 << 30), "memory", 600),
        (lambda: time.sleep(60), "silent", 512),
        (lambda: os._exit(9), "crashed", 512),
        (lambda: int("x"), "error", 600),
    ],
    ids=["memory", "silent", "crashed", "error"],
)
def test_what_was_read_before_a_reader_broke_is_kept(monkeypatch, tmp_path, how, reason, kept):
    _break(monkeypatch, how)
    (tmp_path / "a.jsonl").write_bytes(chat_exports.jsonl(chat_exports.many(700)))
    (tmp_path / "b.jsonl").write_bytes(chat_exports.jsonl(TALK))
    with Reader(limits=SMALL) as reader:
        first, second = sources(tmp_path, reader)
        found = entries(reader, first)
        assert found[-1] == Left(reason=reason, place="a.jsonl")
        assert len(found) == kept + 1
        assert len(entries(reader, second)) == len(TALK)


def test_a_file_that_says_nothing_for_long_is_not_silent(tmp_path):
    rows = b'{"no": "message"}\n' * 600_000
    (tmp_path / "a.jsonl").write_bytes(chat_exports.jsonl(TALK) + rows)
    with Reader(limits=Limits(memory_bytes=256 << 20, silence_s=3.0, open_files=1)) as reader:
        found = entries(reader, only_source(tmp_path, reader))
    assert sum(one.count for one in found if isinstance(one, Left)) == 600_000


def test_a_crowd_of_one_character_messages_passes_in_little_memory(tmp_path):
    (tmp_path / "a.log").write_bytes(b"[12:00] <a> x\n" * 300_000)
    with Reader(limits=Limits(memory_bytes=64 << 20, silence_s=10, open_files=1)) as reader:
        count = sum(map(len, reader.read(only_source(tmp_path, reader))))
    assert count == 300_000


def test_many_bad_entries_are_one_with_their_number(reader, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        chat_exports.jsonl(TALK) + b"noise\n" * 10_000 + chat_exports.jsonl(TALK)
    )
    found = entries(reader, only_source(tmp_path, reader))
    left = [one for one in found if isinstance(one, Left)]
    assert left == [Left(reason="malformed", place=f"line {len(TALK) + 1}", count=10_000)]
    assert found.index(left[0]) == len(TALK)


def test_a_bomb_in_an_archive_is_refused(reader, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.ufdr", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("report.xml", "w", force_zip64=True) as member:
            member.write(chat_exports.report(TALK)[:500])
            for _ in range(300):
                member.write(b" " * (1 << 20))
        archive.writestr("_chat.txt", chat_exports.android(TALK))
    found = list(sources(tmp_path, reader))
    assert [one.reason for one in found if isinstance(one, Left)] == ["expansion_limit"]
    assert [one.format for one in found if isinstance(one, Source)] == ["whatsapp"]


def test_media_of_an_archive_are_given_whole(reader, tmp_path):
    members = {
        "x/_chat.txt": chat_exports.ios(TALK),
        "x/map.jpg": b"\xff\xd8\xff near",
        "map.jpg": b"\xff\xd8\xff far",
        "files/a.jpg": b"top",
        "x/large.bin": b"x" * 3_000_000,
        "x/secret": b"no",
    }
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.zip").write_bytes(chat_exports.zipped(members))
    source = only_source(tmp_path, reader)
    names = ("map.jpg", "files\\a.jpg", "large.bin", "../x/secret", "/x/secret", "none", "")
    refs = [MediaRef(name=name) for name in names]
    found = {ref.name: data for ref, data in reader.media(source, refs)}
    assert found == {
        "map.jpg": b"\xff\xd8\xff near",
        "files\\a.jpg": b"top",
        "large.bin": b"x" * 3_000_000,
    }
    assert [ref.name for ref, _ in reader.media(source, refs, most_bytes=2_000_000)] == [
        *("map.jpg", "files\\a.jpg")
    ]
    assert next(iter(reader.media(source, refs)))[0].name == "map.jpg"
    assert len(entries(reader, source)) == len(TALK)


def test_a_source_that_was_swapped_is_not_read(reader, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(chat_exports.jsonl(TALK))
    source = only_source(tmp_path, reader)
    (tmp_path / "b").write_bytes(b"x" * 10_000)
    (tmp_path / "b").rename(path)
    assert entries(reader, source) == [Left(reason="swapped", place="a.jsonl")]
    path.unlink()
    assert entries(reader, source) == [Left(reason="vanished", place="a.jsonl")]


def test_two_at_a_time_are_refused(reader, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(chat_exports.jsonl(chat_exports.many(200_000)))
    source = only_source(tmp_path, reader)
    first = reader.read(source)
    next(first)
    with pytest.raises(RuntimeError):
        next(reader.read(source))
    first.close()
    assert isinstance(next(iter(reader.read(source)))[0], Message)


def test_a_huge_message_passes_a_small_process(tmp_path):
    huge = chat_exports.Line("u1", "Ann", "x" * (50 << 20), 1)
    (tmp_path / "a.jsonl").write_bytes(chat_exports.jsonl([TALK[0], huge, TALK[1]]))
    del huge
    with Reader(limits=Limits(memory_bytes=48 << 20, silence_s=10, open_files=256)) as reader:
        found = entries(reader, only_source(tmp_path, reader))
    assert [len(one.text) for one in found] == [25, limits.TEXT_CHARS, len(TALK[1].text)]
