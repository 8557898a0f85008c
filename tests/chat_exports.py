"""One invented conversation, written as each format writes it, and larger ones to measure with."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from tutela.chat.format import Opening
from tutela.chat.model import Left, MediaRef, Message, Trouble
from tutela.chat.recognise import named

NOW = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2024, 5, 13, 17, 30, tzinfo=UTC)


class Line(NamedTuple):
    """A message; `media` is a file name, `deleted` says that its text is gone."""

    author: str
    name: str
    text: str
    minutes: int = 0
    media: str = ""
    deleted: bool = False

    @property
    def time(self) -> datetime:
        return START + timedelta(minutes=self.minutes)


TALK = (
    Line("u1", "Ann", "Is swimming at six today?", 0),
    Line("u2", "Björn", "Yes, at the old pool. Bring your cap \N{SWIMMER}", 1),
    Line("u2", "Björn", "and the green towel,\nplease", 2),
    Line("u1", "Ann", "This is the map", 4, media="map.jpg"),
    Line("u2", "Björn", "", 5, deleted=True),
    Line("u1", "Ann", 'He said "half past", I think; so be early', 7),
)


def jsonl(talk: Sequence[Line]) -> bytes:
    rows = []
    for number, line in enumerate(talk):
        row: dict[str, object] = {
            "conversation": "pool",
            "id": f"m{number}",
            "author": line.author,
            "name": line.name,
            "time": line.time.isoformat(),
            "text": line.text,
        }
        if line.deleted:
            row["deleted"] = True
        if line.media:
            row["media"] = [{"name": line.media}]
        rows.append(json.dumps(row, ensure_ascii=False))
    return ("\n".join(rows) + "\n").encode()


def separated(talk: Sequence[Line], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    write = csv.writer(out, delimiter=delimiter).writerow
    write(["conversation", "id", "author", "name", "time", "text", "deleted", "media"])
    for number, line in enumerate(talk):
        deleted = "true" if line.deleted else ""
        write(
            [
                *("pool", f"m{number}", line.author, line.name, line.time.isoformat()),
                *(line.text, deleted, line.media),
            ]
        )
    return out.getvalue().encode()


def pan(talk: Sequence[Line]) -> bytes:
    rows = [
        f'<message line="{number + 1}"><author>{line.author}</author>'
        f"<time>{line.time:%H:%M}</time><text>{escape(line.text)}</text></message>"
        for number, line in enumerate(talk)
    ]
    body = "".join(rows)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<conversations>\n'
        f'<conversation id="pool">{body}</conversation></conversations>'
    ).encode()


def android(talk: Sequence[Line]) -> bytes:
    rows = ["13/05/2024, 17:29 - Messages and calls are end-to-end encrypted."]
    for line in talk:
        text = f"{line.media} (file attached)\n{line.text}" if line.media else line.text
        text = "This message was deleted" if line.deleted else text
        rows.append(f"{line.time:%d/%m/%Y, %H:%M} - {line.name}: {text}")
    return ("\n".join(rows) + "\n").encode()


def ios(talk: Sequence[Line]) -> bytes:
    mark = "\N{LEFT-TO-RIGHT MARK}"
    rows = []
    for line in talk:
        hour = f"{line.time.hour % 12 or 12}:{line.time:%M:%S}\N{NARROW NO-BREAK SPACE}PM"
        text = f"{mark}<attached: {line.media}>\n{line.text}" if line.media else line.text
        text = f"{mark}This message was deleted." if line.deleted else text
        rows.append(f"{mark}[{line.time:%m/%d/%y}, {hour}] {line.name}: {text}")
    return ("\r\n".join(rows) + "\r\n").encode()


def telegram(talk: Sequence[Line]) -> bytes:
    return json.dumps(telegram_chat(talk), indent=1, ensure_ascii=False).encode()


def telegram_chat(talk: Sequence[Line]) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(talk):
        first, space, rest = line.text.partition(" ")
        row: dict[str, object] = {
            "id": number,
            "type": "message",
            "date": f"{line.time:%Y-%m-%dT%H:%M:%S}",
            "date_unixtime": str(int(line.time.timestamp())),
            "from": line.name,
            "from_id": line.author,
            "text": [{"type": "bold", "text": first}, space + rest] if number % 2 else line.text,
        }
        if line.media:
            row["photo"] = line.media
        rows.append(row)
    return {"name": "Pool", "type": "personal_chat", "id": "pool", "messages": rows}


def discord(talk: Sequence[Line]) -> bytes:
    rows = [
        {
            "id": f"m{number}",
            "type": "Default",
            "timestamp": line.time.isoformat(timespec="milliseconds"),
            "content": line.text,
            "author": {"id": line.author, "name": line.name.lower(), "nickname": line.name},
            "attachments": [{"id": "1", "url": line.media, "fileName": line.media}]
            if line.media
            else [],
            "embeds": [],
            "mentions": [],
        }
        for number, line in enumerate(talk)
    ]
    channel = {"id": "pool", "type": "DirectTextChat", "name": "x"}
    return json.dumps({"guild": {"id": "0"}, "channel": channel, "messages": rows}).encode()


def spoilt(text: str) -> str:
    """As Meta writes a text: each byte of UTF-8 as one character."""
    return text.encode().decode("latin-1")


def instagram(talk: Sequence[Line]) -> bytes:
    rows = []
    for line in reversed(talk):
        row: dict[str, object] = {
            "sender_name": spoilt(line.name),
            "timestamp_ms": int(line.time.timestamp() * 1000),
            "content": spoilt(line.text),
        }
        if line.media:
            row["photos"] = [{"uri": line.media, "creation_timestamp": 1}]
        if line.deleted:
            row["is_unsent"] = True
        rows.append(row)
    people = [{"name": spoilt(name)} for name in {line.name for line in talk}]
    whole = {"participants": people, "messages": rows, "title": "x", "thread_path": "inbox/pool"}
    return json.dumps(whole).encode()


def report(talk: Sequence[Line]) -> bytes:
    rows = []
    for number, line in enumerate(talk):
        state = "Deleted" if line.deleted else "Intact"
        attached = (
            '<multiModelField name="Attachments" type="Attachment"><model type="Attachment" id="a">'
            + _field("Filename", line.media)
            + "</model></multiModelField>"
            if line.media
            else ""
        )
        rows.append(
            f'<model type="InstantMessage" id="m{number}" deleted_state="{state}">'
            f"{_field('Body', line.text)}{_field('TimeStamp', line.time.isoformat())}"
            f'<modelField name="From" type="Party">{_party(line)}</modelField>{attached}</model>'
        )
    people = "".join(map(_party, {line.author: line for line in talk}.values()))
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<project id="1" name="x" xmlns="http://pa.cellebrite.com/report/2.0"><decodedData>'
        '<modelType type="Chat"><model type="Chat" id="pool" deleted_state="Intact">'
        f'<multiModelField name="Participants" type="Party">{people}</multiModelField>'
        f'<multiModelField name="Messages" type="InstantMessage">{"".join(rows)}'
        "</multiModelField></model></modelType></decodedData></project>"
    ).encode()


def _field(name: str, value: str) -> str:
    return f"<field name={quoteattr(name)}><value type='String'>{escape(value)}</value></field>"


def _party(line: Line) -> str:
    name = _field("Name", line.name)
    return f'<model type="Party">{_field("Identifier", line.author)}{name}</model>'


def ufdr(talk: Sequence[Line]) -> bytes:
    return zipped({"report.xml": report(talk), "files/Image/map.jpg": b"\xff\xd8\xff"})


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def irc(talk: Sequence[Line]) -> bytes:
    rows = [f"--- Log opened {START:%a %b %d %H:%M:%S %Y}"]
    rows += [f"{line.time:%H:%M} <{line.name}> {line.text}" for line in talk]
    return ("\n".join(rows) + "\n").encode()


class Written(NamedTuple):
    """How a format writes a conversation, and what of it is lost."""

    id: str
    format: str
    file_name: str
    write: Callable[[Sequence[Line]], bytes]
    ids: bool = True  # of messages and authors
    times: bool = True
    media: bool = True
    deleted: bool = True
    names: bool = True
    lines: bool = True  # a text of several lines


WRITTEN = (
    Written("jsonl", "jsonl", "pool.jsonl", jsonl),
    Written("csv", "csv", "pool.csv", separated),
    Written("semicolons", "csv", "pool.csv", lambda talk: separated(talk, ";")),
    Written("pan", "pan", "pool.xml", pan, times=False, media=False, deleted=False, names=False),
    Written("android", "whatsapp", "pool.txt", android, ids=False),
    Written("ios", "whatsapp", "pool.txt", ios, ids=False),
    Written("telegram", "telegram", "result.json", telegram, deleted=False),
    Written("discord", "discord", "pool.json", discord, deleted=False),
    Written("instagram", "instagram", "message_1.json", instagram, ids=False),
    Written("report", "ufdr", "report.xml", report),
    Written("irc", "irc", "pool.log", irc, ids=False, media=False, deleted=False, lines=False),
)


def opening(data: bytes, name: str = "pool.x", conversation: str = "pool") -> Opening:
    return Opening(name, conversation, NOW, UTC, lambda: io.BufferedReader(io.BytesIO(data)))


def read(data: bytes, form: str, name: str = "pool.x") -> list[Message | Left]:
    """Read in this process, in which a fault shows where it is."""
    known = opening(data, name)
    return list(named(form).read(known.again(), known))


def spoken(entries: Iterable[Message | Left]) -> list[Message]:
    return [one for one in entries if isinstance(one, Message) and not one.system]


def wanted(talk: Sequence[Line], how: Written) -> list[Message]:
    """What a format can say of a conversation; ids of messages are compared elsewhere."""
    found = []
    for line in talk:
        author = line.author if how.ids else line.name
        found.append(
            Message(
                conversation="pool",
                id="",
                author=author,
                name=line.name if how.names else author,
                text=line.text,
                time=line.time if how.times else None,
                deleted=line.deleted and how.deleted,
                media=(MediaRef(name=line.media, kind="picture"),)  # type: ignore[arg-type]
                if line.media and how.media
                else (),
                troubles=() if how.times else (Trouble.NO_TIME,),
            )
        )
    return found


def many(count: int, speakers: int = 2, per: int = 50) -> list[Line]:
    """A long mild conversation of some eight words a message."""
    texts = (
        "shall we take the bus to the pool today",
        "the trainer said that practice starts at six again",
        "I forgot my towel, can you bring a second one",
        "sure, see you there in a minute or two",
    )
    return [
        Line(f"u{number % speakers}", f"Ann{number % speakers}", texts[number % 4], number // per)
        for number in range(count)
    ]
