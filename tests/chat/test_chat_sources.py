"""Folders and archives of exports: a fixed order, everything counted, media found and no more."""

from __future__ import annotations

import os

import pytest

import chat_exports
from chat_exports import TALK
from tutela.chat.model import Left, MediaRef
from tutela.chat.reader import Reader
from tutela.chat.source import Source, media_path
from tutela.chat.sources import sources
from tutela.core.errors import UsageError


@pytest.fixture(scope="module")
def reader():
    with Reader() as running:
        yield running


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def told(path, reader):
    return [
        (one.format, one.name) if isinstance(one, Source) else (one.reason, one.place)
        for one in sources(path, reader)
    ]


def test_a_mixed_folder_in_order_with_everything_counted(reader, tmp_path):
    write(
        tmp_path,
        {
            "b.jsonl": chat_exports.jsonl(TALK),
            "a/WhatsApp Chat with Ann.txt": chat_exports.android(TALK),
            "a/map.jpg": b"\xff\xd8\xff",
            "a/readme.txt": b"nothing to see here\n",
            "c/result.json": chat_exports.telegram(TALK),
            "c/photos/p.png": b"\x89PNG\r\n\x1a\n",
            "empty": b"",
            "old.7z": b"7z\xbc\xaf\x27\x1c",
        },
    )
    (tmp_path / "link.txt").symlink_to(tmp_path / "b.jsonl")
    os.mkfifo(tmp_path / "pipe")
    assert told(tmp_path, reader) == [
        ("jsonl", "b.jsonl"),
        ("empty", "empty"),
        ("symlink", "link.txt"),
        ("archive", "old.7z"),
        ("fifo", "pipe"),
        ("whatsapp", "a/WhatsApp Chat with Ann.txt"),
        ("media", "a/map.jpg"),
        ("no_conversation", "a/readme.txt"),
        ("telegram", "c/result.json"),
        ("media", "c/photos/p.png"),
    ]
    assert told(tmp_path, reader) == told(tmp_path, reader)


def test_one_file_is_a_source_too(reader, tmp_path):
    write(tmp_path, {"b.jsonl": chat_exports.jsonl(TALK), "c.jsonl": chat_exports.jsonl(TALK)})
    assert told(tmp_path / "b.jsonl", reader) == [("jsonl", "b.jsonl")]


def test_nothing_at_a_path_is_an_error(reader, tmp_path):
    with pytest.raises(UsageError):
        list(sources(tmp_path / "none", reader))


def test_an_archive_counts_what_is_no_conversation(reader, tmp_path):
    members = {
        "x/_chat.txt": chat_exports.ios(TALK),
        **{f"x/{number}.jpg": b"\xff\xd8\xff" for number in range(5)},
        "x/inner.zip": chat_exports.zipped({"_chat.txt": chat_exports.ios(TALK)}),
        "x/notes.txt": b"nothing\n",
    }
    write(tmp_path, {"a.zip": chat_exports.zipped(members)})
    found = list(sources(tmp_path, reader))
    assert [one.name for one in found if isinstance(one, Source)] == ["a.zip/x/_chat.txt"]
    left = {one.reason: one.count for one in found if isinstance(one, Left)}
    assert left == {"media": 5, "archive": 1, "no_conversation": 1}


@pytest.mark.parametrize("packed", [False, True])
def test_the_files_of_a_thread_are_one_source_oldest_first(reader, tmp_path, packed):
    talk = chat_exports.many(90, per=1)
    files = {
        f"inbox/ann_1/message_{12 - number}.json": chat_exports.instagram(
            talk[number * 10 : number * 10 + 10]
        )
        for number in range(9)
    }
    files["inbox/ben_2/message_1.json"] = chat_exports.instagram(TALK)
    if packed:
        write(tmp_path, {"me.zip": chat_exports.zipped(files)})
    else:
        write(tmp_path, files)
    first, second = sources(tmp_path, reader)
    assert first.name.endswith("inbox/ann_1/message_4.json")
    assert second.name.endswith("inbox/ben_2/message_1.json")
    found = [one for batch in reader.read(first) for one in batch]
    assert [one.time for one in found] == [line.time for line in talk]
    assert len({one.id for one in found}) == len(found)
    assert len([one for batch in reader.read(second) for one in batch]) == len(TALK)


@pytest.fixture
def source(reader, tmp_path):
    write(
        tmp_path,
        {
            "secret.jpg": b"out",
            "top/inbox/ann/message_1.json": chat_exports.instagram(TALK),
            "top/inbox/ann/photos/1.jpg": b"in",
            "top/media/2.jpg": b"in",
        },
    )
    top = tmp_path / "top"
    (top / "inbox/ann/link.jpg").symlink_to(tmp_path / "secret.jpg")
    (top / "inbox/ann/linked").symlink_to(tmp_path)
    return next(one for one in sources(top, reader) if isinstance(one, Source))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("photos/1.jpg", "inbox/ann/photos/1.jpg"),
        ("photos\\1.jpg", "inbox/ann/photos/1.jpg"),
        ("inbox/ann/photos/1.jpg", "inbox/ann/photos/1.jpg"),
        ("media/2.jpg", "media/2.jpg"),
        ("./media/2.jpg", "media/2.jpg"),
        ("secret.jpg", None),
        ("../secret.jpg", None),
        ("photos/../../../../secret.jpg", None),
        ("link.jpg", None),
        ("linked/secret.jpg", None),
        ("photos", None),
        ("", None),
        (".", None),
        ("a\0b", None),
        ("x" * 5_000, None),
        ("\udcff.jpg", None),
    ],
)
def test_media_are_found_inside_the_export_only(source, name, found):
    path = media_path(source, MediaRef(name=name))
    assert path == (source.root / found if found else None)


def test_an_absolute_name_is_never_followed(source, tmp_path):
    assert media_path(source, MediaRef(name=str(tmp_path / "secret.jpg"))) is None


def test_media_of_an_archive_have_no_path(reader, tmp_path):
    members = {"_chat.txt": chat_exports.ios(TALK), "map.jpg": b"\xff\xd8\xff"}
    write(tmp_path, {"a.zip": chat_exports.zipped(members), "map.jpg": b"x"})
    [source] = [one for one in sources(tmp_path, reader) if isinstance(one, Source)]
    assert media_path(source, MediaRef(name="map.jpg")) is None


def test_hostile_names_in_an_archive_are_names_only(reader, tmp_path):
    members = {"../../evil/_chat.txt": chat_exports.ios(TALK), "/etc/x.txt": b"nothing"}
    write(tmp_path, {"a.zip": chat_exports.zipped(members)})
    [source] = [one for one in sources(tmp_path, reader) if isinstance(one, Source)]
    assert source.folder is None
    assert sum(len(batch) for batch in reader.read(source)) == len(TALK)
    assert not (tmp_path.parent / "evil").exists()
