"""What single formats hold that the contract does not."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from datetime import UTC, datetime

import pytest

import chat_exports
from tutela.chat.model import AgeBand, Left, MediaKind, Message, Trouble
from tutela.chat.recognise import recognise
from tutela.core.errors import InputError


def lines_of(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


def test_jsonl_takes_names_of_others_and_numbers_for_words():
    data = lines_of(
        {
            "thread_id": 7,
            "message_id": 12,
            "sender_id": 3,
            "display_name": "Ann",
            "timestamp": 1715621400,
            "body": "hello",
            "attachments": ["a.jpg"],
            "recipients": [4],
            "age_band": "Under-18",
            "unknown": {"deep": [1, 2, {"x": []}]},
        }
    )
    assert recognise(data, "x") == "jsonl"
    [message] = chat_exports.read(data, "jsonl")
    assert message == Message(
        conversation="7",
        id="12",
        author="3",
        name="Ann",
        time=datetime(2024, 5, 13, 17, 30, tzinfo=UTC),
        text="hello",
        media=message.media,
        to=("4",),
        age_band=AgeBand.MINOR,
    )
    assert (message.media[0].name, message.media[0].kind) == ("a.jpg", MediaKind.PICTURE)


@pytest.mark.parametrize(
    "time", [1715621400, 1715621400000, 1715621400000000, "1715621400", "2024-05-13T19:30+02:00"]
)
def test_jsonl_times(time):
    data = lines_of({"author": "a", "text": "x", "time": time})
    [message] = chat_exports.read(data, "jsonl")
    assert message.time == datetime(2024, 5, 13, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize("time", ["soon", 1e300, -1e300, "9999-12-31", "0001-01-01T00:00+14:00", 5])
def test_jsonl_times_that_are_none(time):
    data = lines_of({"author": "a", "text": "x", "time": time})
    [message] = chat_exports.read(data, "jsonl")
    assert message.time is None
    assert message.troubles == (Trouble.NO_TIME,)


def test_jsonl_bad_lines_are_counted_with_their_place():
    data = b'{"author":"a","text":"x"}\nnoise\n{"author":"a","text":{}}\n[1]\n{"author":"a","te'
    found = chat_exports.read(data, "jsonl")
    assert [one.place for one in found if isinstance(one, Left)] == [
        *("line 2", "line 3", "line 4", "line 5")
    ]


def test_jsonl_deep_nesting_costs_its_line_only():
    deep = b'{"author":"a","text":"x","y":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"
    found = chat_exports.read(deep + b'{"author":"a","text":"ok"}', "jsonl")
    assert [getattr(one, "text", None) for one in found] == [None, "ok"]


def test_two_of_one_name_are_told_apart_and_said_so():
    data = lines_of(
        {"author": "1", "name": "Ann", "text": "x"},
        {"author": "2", "name": "Ben", "text": "x"},
        {"author": "3", "name": "Ann", "text": "x"},
        {"author": "1", "name": "Ann", "text": "x"},
    )
    found = chat_exports.read(data, "jsonl")
    assert [one.author for one in found] == ["1", "2", "3", "1"]
    assert [Trouble.NAME_COLLISION in one.troubles for one in found] == [False, False, True, True]


def test_long_ids_stay_apart():
    data = lines_of(*({"author": "a" * 300 + end, "text": "x"} for end in "12"))
    first, second = chat_exports.read(data, "jsonl")
    assert first.author != second.author
    assert len(first.author) <= 200


def test_csv_a_quote_that_never_closes_costs_its_line():
    data = b'author,text\nc,5" pipe\na,"never\nb,two\n'
    found = chat_exports.read(data, "csv")
    assert [getattr(one, "text", one.reason if isinstance(one, Left) else "") for one in found] == [
        *('5" pipe', "malformed", "two")
    ]
    assert found[1].place == "line 3"


def test_csv_columns_in_any_order_and_case():
    data = b"Body;Time;Sender Name\nhello;2024-05-13T17:30Z;Ann\n"
    assert recognise(data, "x.txt") == "csv"
    [message] = chat_exports.read(data, "csv")
    assert (message.author, message.text, message.time.day) == ("Ann", "hello", 13)


def test_a_table_of_something_else_is_no_conversation():
    assert recognise(b"date,amount,text\n2024-01-01,5,rent\n", "x.csv") == ""


def test_telegram_all_chats_of_an_account():
    first = chat_exports.telegram_chat(chat_exports.TALK[:2])
    second = dict(chat_exports.telegram_chat(chat_exports.TALK[2:4]), id=99)
    data = json.dumps(
        {
            "about": "x",
            "contacts": {"list": [{"id": 1, "messages": "no"}]},
            "chats": {"about": "y", "list": [first, second]},
        }
    ).encode()
    assert recognise(data, "x") == "telegram"
    found = chat_exports.read(data, "telegram")
    assert [one.conversation for one in found] == ["pool", "pool", "99", "99"]
    found = chat_exports.read(data.replace(b'"id": 99', b'"no": 99'), "telegram")
    assert [one.conversation for one in found] == ["pool", "pool", "pool~2", "pool~2"]


def test_telegram_service_media_replies_and_mentions():
    rows = [
        {"id": 1, "type": "service", "date": "2024-05-13T17:30:00", "actor": "Ann",
         "actor_id": "user1", "action": "create_group", "text": ""},
        {"id": 2, "type": "message", "date": "2024-05-13T17:31:00", "from": None,
         "from_id": "user2", "file": "(File not included. Change data exporting settings to "
         "download.)", "media_type": "voice_message", "reply_to_message_id": 1,
         "text": [{"type": "mention_name", "text": "Ann", "user_id": 1}, " look"]},
        {"id": 3, "type": "message", "text": 5},
    ]  # fmt: skip
    data = json.dumps({"name": "x", "type": "private_group", "id": 5, "messages": rows}).encode()
    first, second, third = chat_exports.read(data, "telegram")
    assert (first.system, first.text, first.author) == (True, "create_group", "user1")
    assert (second.author, second.reply_to, second.to) == ("user2", "1", ("user1",))
    assert (second.media[0].name, second.media[0].kind) == ("", MediaKind.AUDIO)
    assert (second.text, second.time.minute) == ("Ann look", 31)
    assert third == Left(reason="malformed", place="message 3")


def test_discord_replies_mentions_and_what_is_not_spoken():
    rows = [
        {"id": "1", "type": "GuildMemberJoin", "timestamp": "2024-05-13T17:30:00+00:00",
         "content": "joined", "author": {"id": "9", "name": "ann"}},
        {"id": "2", "type": "Reply", "timestamp": "2024-05-13T17:30:00.1234567+00:00",
         "content": "yes", "author": {"id": "8", "name": "ben"}, "mentions": [{"id": "9"}],
         "reference": {"messageId": "1"}, "attachments": [
             {"url": "https://cdn.example/x.png?a", "fileName": "x.png", "fileSizeBytes": 7}]},
    ]  # fmt: skip
    whole = {"guild": {"id": "0"}, "channel": {"id": "5"}, "messages": rows}
    first, second = chat_exports.read(json.dumps(whole).encode(), "discord")
    assert (first.system, first.conversation) == (True, "5")
    assert (second.reply_to, second.to, second.media[0].name) == ("1", ("9",), "x.png")
    assert second.media[0].size_bytes == 7


def test_instagram_comes_out_oldest_first_over_windows_and_huge_messages():
    talk = chat_exports.many(5_000)
    talk[1234] = talk[1234]._replace(text="ä" * 300_000)
    data = chat_exports.instagram(talk)
    found = chat_exports.read(data, "instagram")
    assert [one.text[:20] for one in found] == [line.text[:20] for line in talk]
    assert [one.time for one in found] == [line.time for line in talk]


def test_ufdr_deleted_messages_are_kept_and_system_lines_are_nobodys():
    data = chat_exports.report([chat_exports.TALK[0]._replace(deleted=True)])
    [message] = chat_exports.read(data, "ufdr")
    assert (message.deleted, message.text) == (True, "Is swimming at six today?")
    bare = data.replace(b'<modelField name="From"', b'<modelField name="Other"')
    [message] = chat_exports.read(bare, "ufdr")
    assert (message.system, message.author) == (True, "")


def test_ufdr_what_a_message_answers_is_no_message_of_its_own():
    data = chat_exports.report(chat_exports.TALK[:1])
    inner = (
        b'<multiModelField name="MessageExtraData"><model type="ReplyMessageData">'
        b'<modelField name="InstantMessage"><model type="InstantMessage" id="m77">'
        b'<field name="Body"><value>earlier</value></field></model></modelField></model>'
        b'</multiModelField><multiModelField name="Attachments"/>'
    )
    marked = data.replace(b'<modelField name="From"', inner + b'<modelField name="From"')
    [message] = chat_exports.read(marked, "ufdr")
    assert (message.reply_to, message.text) == ("m77", "Is swimming at six today?")


@pytest.mark.parametrize("form", ["pan", "ufdr"])
def test_entities_and_document_types_are_refused(form):
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    data = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]>'
        "<conversations><conversation><message><author>&a9;</author></message></conversation>"
        "</conversations>"
    ).encode()
    with pytest.raises(Exception, match="document type") as refused:
        chat_exports.read(data, form)
    assert refused.value.code == "doctype"


IRC = """\
--- Log opened Wed Jan 01 10:00:00 2020
23:50 <@ann> hello
23:51 -!- ann is now known as annie
23:52 < ben> hi annie
00:01 <annie> late
00:02 -!- ann [a@host.example] has joined #pool
00:03 <ann> I am another
00:04  * annie waves
--- Day changed Fri Jan 03 2020
08:00 <ben> good morning
"""


def test_irc_a_nick_that_changes_stays_one_author():
    found = chat_exports.read(IRC.encode(), "irc")
    assert [(one.author, one.name) for one in chat_exports.spoken(found)] == [
        *(("ann", "ann"), ("ben", "ben"), ("ann", "annie"), ("ann~2", "ann")),
        *(("ann", "annie"), ("ben", "ben")),
    ]
    assert [one.time.day for one in chat_exports.spoken(found)] == [1, 1, 2, 2, 2, 3]
    assert sum(one.system for one in found) == 2


@pytest.mark.parametrize(
    "line",
    [
        "[12:00] <ann> hello",
        "[12:00:00] <ann> hello",
        "12:00 <ann> hello",
        "2020-01-01 12:00:00 <ann> hello",
        "[2020-01-01 12:00:00] <@ann> hello",
        "2020-01-01T12:00:00Z <ann> hello",
        "2020-01-01T12:00:00.123Z <ann> hello",
        "2020-01-01 12:00:00\tann\thello",
    ],
)
def test_irc_lines(line):
    data = f"{line}\n{line}\n".encode()
    assert recognise(data, "x") == "irc"
    known = chat_exports.opening(data, "pool.2020-01-01.log")
    message = next(iter(chat_exports.named("irc").read(known.again(), known)))
    assert (message.author, message.text, message.time) == (
        *("ann", "hello"),
        datetime(2020, 1, 1, 12, 0, tzinfo=UTC),
    )


def test_irc_without_any_date_has_no_times():
    [message] = chat_exports.read(b"[12:00] <ann> hello\n", "irc")
    assert message.troubles == (Trouble.NO_TIME,)


def test_irc_lines_of_one_file_in_two_charsets():
    data = b"[12:00] <ann> gr\xc3\xbcn\n[12:01] <ben> gr\xfcn\n"
    first, second = chat_exports.read(data, "irc")
    assert (first.text, second.text) == ("grün", "grün")
    assert Trouble.ENCODING in second.troubles
    assert Trouble.ENCODING not in first.troubles


@pytest.mark.parametrize("indent", [None, 2])
def test_one_array_of_messages_is_read_as_lines_are(indent):
    rows = [json.loads(line) for line in chat_exports.jsonl(chat_exports.TALK).splitlines()]
    data = json.dumps([*rows, 5, *rows], indent=indent).encode()
    assert recognise(data, "x.json") == "jsonl"
    assert recognise(data[:200], "x.json") == "jsonl"
    found = chat_exports.read(data, "jsonl")
    assert len(chat_exports.spoken(found)) == 2 * len(rows)
    assert found[len(rows)] == Left(reason="malformed", place=f"message {len(rows) + 1}")


@pytest.mark.parametrize("form", ["pan", "ufdr"])
@pytest.mark.parametrize(
    "hostile",
    [b"<a " + b"x" * (8 << 20), b"<a x='" + b"y" * (8 << 20), b"<a>" * 500_000, b"<!--" * 10],
    ids=["name", "attribute", "depth", "comment"],
)
def test_xml_that_only_grows_is_given_up(form, hostile):
    data = chat_exports.pan(chat_exports.TALK) if form == "pan" else b""
    data = data.replace(b"</conversation></conversations>", b"") or b"<project>"
    known = chat_exports.opening(data + hostile)
    found = []
    tracemalloc.start()
    with pytest.raises(InputError):
        found.extend(chat_exports.named(form).read(known.again(), known))
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    assert len(found) == (len(chat_exports.TALK) if form == "pan" else 0)


@pytest.mark.parametrize("letter", ["-", "<", "[", "{", '"', "1", "1:1", " ", "\\", ",", "a ", "]"])
def test_no_text_keeps_a_format_busy(letter):
    hostile = (letter * (1 << 16)).encode()
    lines = b"[12:00] <a> " + hostile + b"\n12:00 -!- " + hostile + b"\n12:00 * " + hostile + b"\n"
    heads = b"13/05/24, 17:30 - " + hostile + b"\n13/05/24, 17:30 - A: <" + hostile + b"\n"
    began = time.process_time()
    for data in (hostile, hostile[: 1 << 16], lines, heads, b"[" + hostile, b'{"' + hostile):
        recognise(data[: 1 << 16], "x.jsonl")
        for form in ("irc", "whatsapp", "csv", "jsonl"):
            known = chat_exports.opening(data)
            with contextlib.suppress(InputError):
                list(chat_exports.named(form).read(known.again(), known))
    assert time.process_time() - began < 10
