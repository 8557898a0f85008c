"""One conversation in every format: it reads to the same messages, as far as the format can say."""

from __future__ import annotations

import io
import tracemalloc

import msgspec
import pytest

import chat_exports
from chat_exports import TALK, WRITTEN
from tutela.chat.limits import TEXT_CHARS
from tutela.chat.model import Left, Message, Trouble
from tutela.chat.recognise import NAMES, named, recognise

FORMATS = [pytest.param(how, id=how.id) for how in WRITTEN]


def talk_for(how, talk=TALK):
    return (
        talk if how.lines else [line._replace(text=line.text.replace("\n", " ")) for line in talk]
    )


def test_every_format_is_in_the_contract():
    assert {how.format for how in WRITTEN} == set(NAMES)


@pytest.mark.parametrize("how", FORMATS)
def test_it_reads_to_the_same_messages(how):
    talk = talk_for(how)
    found = chat_exports.read(how.write(talk), how.format)
    messages = chat_exports.spoken(found)
    assert not [one for one in found if isinstance(one, Left)]
    bare = [msgspec.structs.replace(one, id="", media=_unsized(one)) for one in messages]
    assert bare == chat_exports.wanted(talk, how)
    assert len({one.id for one in messages}) == len(messages)


def _unsized(message):
    return tuple(msgspec.structs.replace(one, size_bytes=0) for one in message.media)


@pytest.mark.parametrize("how", FORMATS)
def test_it_is_recognised_by_content_under_any_name(how):
    data = how.write(TALK)
    for name in (how.file_name, "x", "x.jpg"):
        assert recognise(data[: 1 << 16], name) == how.format


@pytest.mark.parametrize("how", [p for p in FORMATS if p.id not in {"pan", "report"}])
def test_utf16_reads_the_same(how):
    data = how.write(TALK)
    wide = b"\xff\xfe" + data.decode().encode("utf-16-le")
    assert recognise(wide[: 1 << 16], "x") == how.format
    assert chat_exports.read(wide, how.format) == chat_exports.read(data, how.format)


@pytest.mark.parametrize("how", FORMATS)
def test_a_mark_of_byte_order_changes_nothing(how):
    data = how.write(TALK)
    assert chat_exports.read(b"\xef\xbb\xbf" + data, how.format) == chat_exports.read(
        data, how.format
    )


@pytest.mark.parametrize("how", FORMATS)
def test_a_file_that_is_cut_keeps_what_was_before(how):
    data = how.write(chat_exports.many(200))
    whole = chat_exports.spoken(chat_exports.read(data, how.format))
    entries, reason = [], ""
    known = chat_exports.opening(data[: len(data) // 2])
    try:
        entries.extend(named(how.format).read(known.again(), known))
    except Exception as error:  # noqa: BLE001 - it must be one of ours
        reason = getattr(error, "code", repr(error))
    messages = chat_exports.spoken(entries)
    assert 50 < len(messages) <= 101
    # The last one may be cut within; of Instagram it is the oldest that are gone.
    texts = [one.text for one in messages]
    assert texts[:-1] == [one.text for one in whole][: len(texts) - 1] or how.id == "instagram"
    json_or_xml = how.format in {"pan", "ufdr", "telegram", "discord", "instagram"}
    assert (reason in {"truncated", "xml"}) == json_or_xml


@pytest.mark.parametrize("how", FORMATS)
@pytest.mark.parametrize(("letter", "count"), [("x", 50 << 20), ("ä", 4 << 20), ('"', 8 << 20)])
def test_a_message_of_50_mb_is_cut_and_never_held(how, letter, count):
    huge = chat_exports.Line("u1", "Ann", letter * count, 1)
    data = how.write([TALK[0], huge, TALK[1]])
    known = chat_exports.opening(data)
    tracemalloc.start()
    messages = chat_exports.spoken(named(how.format).read(known.again(), known))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.text[0] for one in messages] == ["I", letter, "Y"]
    assert messages[1].text == letter * TEXT_CHARS
    assert messages[1].troubles.count(Trouble.CUT) == 1
    assert peak < 24 << 20


@pytest.mark.parametrize("how", FORMATS)
def test_nothing_and_noise_are_no_export_and_no_fault(how):
    form = named(how.format)
    for data in (b"", b"\n\n", b"\0" * 5_000, bytes(range(256)) * 40, b"{" * 5_000, b"<" * 5_000):
        assert recognise(data, "x") == ""
        known = chat_exports.opening(data)
        try:
            found = list(form.read(known.again(), known))
        except Exception as error:
            if not getattr(error, "code", ""):
                raise
            continue
        assert not chat_exports.spoken(found)


@pytest.mark.parametrize("how", FORMATS)
def test_nul_in_a_text_is_replaced_or_refused(how):
    data = how.write([TALK[0]]).replace(b"swimming", b"swim\0ming")
    messages = chat_exports.spoken(chat_exports.read(data, how.format))
    assert len(messages) == 1
    assert "\0" not in messages[0].text
    assert Trouble.ENCODING in messages[0].troubles


@pytest.mark.parametrize("how", FORMATS)
def test_bytes_that_are_no_utf8_are_repaired_and_said(how):
    data = how.write([TALK[0], TALK[1]])
    if data.isascii():  # it escapes everything: there is nothing to spoil
        return
    spoilt = data.replace("Björn".encode(), b"Bj\xf6rn").replace(b"Yes", b"Y\xe9s")
    messages = chat_exports.spoken(chat_exports.read(spoilt, how.format))
    assert len(messages) == 2
    assert Trouble.ENCODING in messages[1].troubles
    assert all(isinstance(one, Message) for one in messages)


@pytest.mark.parametrize("how", FORMATS)
def test_ten_thousand_speakers(how):
    talk = chat_exports.many(10_000, speakers=10_000)
    messages = chat_exports.spoken(chat_exports.read(how.write(talk), how.format))
    assert len({one.author for one in messages}) == len(messages) == 10_000


def test_a_stream_that_gives_little_at_a_time_reads_the_same():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 7) if size > 0 else 7)

        def peek(self, _size):
            return b""

    for how in WRITTEN:
        if how.id in {"report", "pan", "discord", "telegram"}:
            data = how.write(TALK)
            known = chat_exports.opening(data)
            assert list(named(how.format).read(Slow(data), known)) == chat_exports.read(
                data, how.format
            )
