"""WhatsApp: dates of many phones, marks of direction, and words that WhatsApp writes itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import chat_exports
from tutela.chat.model import Left, MediaKind, Trouble
from tutela.chat.recognise import recognise

DAY = datetime(2024, 5, 13, 17, 30, tzinfo=UTC)
HEADS = [
    ("13/05/2024, 17:30 - ", DAY),
    ("13/05/24, 17:30 - ", DAY),
    ("13.05.24, 17:30 - ", DAY),
    ("13-05-24 17:30 - ", DAY),
    ("5/13/24, 5:30 PM - ", DAY),
    ("5/13/24, 5:30\N{NARROW NO-BREAK SPACE}PM - ", DAY),
    ("13/5/24 5:30 p. m. - ", DAY),
    ("13/05/2024 à 17:30 - ", DAY),
    ("13/05/2024, 17:30 \N{EN DASH} ", DAY),
    ("2024-05-13, 17:30 - ", DAY),
    ("2024/05/13, 17:30 - ", DAY),
    ("[13/05/2024, 17:30:09] ", DAY.replace(second=9)),
    ("[13.05.24, 17:30:09] ", DAY.replace(second=9)),
    ("[5/13/24, 5:30:09 PM] ", DAY.replace(second=9)),
    ("\N{LEFT-TO-RIGHT MARK}[13/05/2024, 17:30:09] ", DAY.replace(second=9)),
    ("[2024-05-13, 5:30:09 p.m.] ", DAY.replace(second=9)),
    ("13/05/2024, 12:05 am - ", DAY.replace(hour=0, minute=5)),
]


def read(text):
    return chat_exports.read(text.encode(), "whatsapp")


@pytest.mark.parametrize(("head", "time"), HEADS)
def test_a_date_of_any_phone(head, time):
    text = f"{head}Ann: hello\n"
    assert recognise(text.encode(), "x") == "whatsapp"
    [message] = read(text)
    assert (message.author, message.text, message.time) == ("Ann", "hello", time)


def test_the_order_of_day_and_month_is_decided_by_the_whole_file():
    month_first = "".join(f"1/{day}/24, 10:00 - Ann: x\n" for day in (2, 3, 20))
    day_first = "".join(f"{day}/1/24, 10:00 - Ann: x\n" for day in (2, 3, 20))
    for text in (month_first, day_first):
        assert [one.time.day for one in read(text)] == [2, 3, 20]
        assert {one.time.month for one in read(text)} == {1}


def test_where_both_orders_are_possible_the_one_that_goes_back_less_counts():
    month_first = "".join(f"{month}/{day}/24, 10:00 - A: x\n" for month in (1, 2) for day in (1, 9))
    assert [(one.time.month, one.time.day) for one in read(month_first)] == [
        *((1, 1), (1, 9), (2, 1), (2, 9))
    ]
    [one] = read("3/4/24, 10:00 - Ann: x\n")
    assert (one.time.day, one.time.month) == (3, 4)


def test_a_typed_date_of_another_order_does_not_turn_the_file():
    lines = [f"{day}/1/24, 10:00 - Ann: x\n" for day in range(13, 20)]
    lines.insert(3, "1/31/24, 10:00 - Ben: not a real head\n")
    found = read("".join(lines))
    assert [one.time and one.time.day for one in found] == [13, 14, 15, None, 16, 17, 18, 19]
    assert found[3].troubles == (Trouble.NO_TIME,)


@pytest.mark.parametrize(
    "said",
    [
        "This message was deleted",
        "You deleted this message.",
        "Diese Nachricht wurde gelöscht.",
        "Du hast diese Nachricht gelöscht.",
        "Se eliminó este mensaje.",
        "Eliminaste este mensaje.",
        "Ce message a été supprimé",
        "Vous avez supprimé ce message",
        "\N{LEFT-TO-RIGHT MARK}This message was deleted.",
    ],
)
def test_deleted_messages(said):
    [message] = read(f"13/05/2024, 17:30 - Ann: {said}\n")
    assert (message.deleted, message.text) == (True, "")


def test_who_only_speaks_of_deletion_deleted_nothing():
    [message] = read("13/05/2024, 17:30 - Ann: This message was deleted by mistake, I think\n")
    # It begins as the words on an administrator do, which name a person behind them: it stays.
    assert message.text == "This message was deleted by mistake, I think"
    [message] = read("13/05/2024, 17:30 - Ann: I think this message was deleted\n")
    assert not message.deleted


@pytest.mark.parametrize(
    ("said", "name", "kind"),
    [
        ("<Media omitted>", "", MediaKind.UNKNOWN),
        ("<Medien ausgeschlossen>", "", MediaKind.UNKNOWN),
        ("<Multimedia omitido>", "", MediaKind.UNKNOWN),
        ("<Médias omis>", "", MediaKind.UNKNOWN),
        ("image omitted", "", MediaKind.PICTURE),
        ("Bild weggelassen", "", MediaKind.PICTURE),
        ("Video weggelassen", "", MediaKind.VIDEO),
        ("audio omitido", "", MediaKind.AUDIO),
        ("image absente", "", MediaKind.PICTURE),
        ("<attached: 0001-PHOTO.jpg>", "0001-PHOTO.jpg", MediaKind.PICTURE),
        ("<Anhang: 0001-VIDEO.mp4>", "0001-VIDEO.mp4", MediaKind.VIDEO),
        ("<adjunto: 0001-AUDIO.opus>", "0001-AUDIO.opus", MediaKind.AUDIO),
        ("<pièce jointe : 0001.pdf>", "0001.pdf", MediaKind.FILE),
        ("IMG-1.jpg (file attached)", "IMG-1.jpg", MediaKind.PICTURE),
        ("IMG-1.jpg (Datei angehängt)", "IMG-1.jpg", MediaKind.PICTURE),
        ("VID-1.mp4 (archivo adjunto)", "VID-1.mp4", MediaKind.VIDEO),
        ("PTT-1.opus (fichier joint)", "PTT-1.opus", MediaKind.AUDIO),
    ],
)
def test_media(said, name, kind):
    [message] = read(f"13/05/2024, 17:30 - Ann: \N{LEFT-TO-RIGHT MARK}{said}\n")
    [media] = message.media
    assert (media.name, media.kind, message.text) == (name, kind, "")


def test_a_caption_stays():
    [message] = read("13/05/2024, 17:30 - Ann: IMG-1.jpg (file attached)\nthe way\nto the pool\n")
    assert (message.media[0].name, message.text) == ("IMG-1.jpg", "the way\nto the pool")


def test_what_whatsapp_says_is_no_speaker():
    text = (
        "13/05/2024, 17:29 - Messages and calls are end-to-end encrypted.\n"
        '13/05/2024, 17:30 - Ann created group "Swimming: Mondays"\n'
        "13/05/2024, 17:31 - +49 170 0000000: hello: you\n"
    )
    first, second, third = read(text)
    assert first.system
    assert second.system
    assert (third.author, third.text) == ("+49 170 0000000", "hello: you")


OF_GROUPS = [
    "Anna Berg changed the group description to: how old are you?",
    "You changed the group description to: rules: none",
    "Anna Berg created group Swimming: Mondays",
    "Anna Berg changed the subject from Swimming: Mondays to Swimming: Fridays",
    "Anna Berg changed the group name from Swim: a to Swim: b",
    "Anna Berg hat die Gruppenbeschreibung geändert: Treffpunkt am Bad",
    "Anna Berg hat die Gruppe Schwimmen: Montag erstellt",
    "Du hast den Betreff von Bad: a zu Bad: b geändert",
    "Anna Berg hat den Gruppennamen von Bad: a zu Bad: b geändert",
    "Anna Berg creó el grupo Natación: lunes",
    "Anna Berg cambió la descripción del grupo a: hola",
    "Cambiaste el asunto de Natación: a a Natación: b",
    "Anna Berg a créé le groupe Natation : lundi",
    "Anna Berg a changé la description du groupe en : bonjour",
    "Vous avez modifié l\u2019objet de Bain : a en Bain : b",
    "Anna Berg a changé le sujet de Bain : a en Bain : b",
    "Anna Berg a cre\u0301e\u0301 le groupe Natation : lundi",
]


@pytest.mark.parametrize("said", OF_GROUPS)
def test_what_whatsapp_says_of_a_group_is_no_speaker(said):
    for head in ("13/05/2024, 17:30 - ", "[13/05/2024, 17:30:09] "):
        first, second = read(f"{head}\N{LEFT-TO-RIGHT MARK}{said}\n{head}Anna Berg: hello\n")
        assert (first.system, first.author, first.text) == (True, "", said)
        assert (second.system, second.author) == (False, "Anna Berg")


@pytest.mark.parametrize(
    ("author", "text"),
    [
        ("Anna Berg", "who created group: you?"),
        ("Created Group Ltd", "hello: you"),
        ("Gruppe", "hat die Gruppe: x"),
        ("Thea Subject", "x"),
    ],
)
def test_who_only_speaks_of_groups_speaks(author, text):
    [message] = read(f"13/05/2024, 17:30 - {author}: {text}\n")
    assert (message.author, message.text) == (author, text)


def test_who_is_called_as_whatsapp_speaks_is_heard():
    found = read("13/05/2024, 17:30 - Ann created group x: how old are you\n" * 10)
    assert [one.author for one in found] == [""] * 3 + ["Ann created group x"] * 7


def test_what_comes_before_the_first_message_is_counted():
    found = read("a title\n13/05/2024, 17:30 - Ann: x\n")
    assert isinstance(found[0], Left)
    assert found[0].place == "line 1"


def test_times_that_go_back_are_kept_in_the_order_of_the_file():
    first, second = read("13/05/2024, 17:30 - Ann: x\n13/05/2024, 17:29 - Ben: y\n")
    assert second.troubles == (Trouble.TIME_BACK,)
    assert second.time < first.time


@pytest.mark.parametrize("year", ["1970", "1989", "2031"])
def test_a_time_beyond_belief_is_none(year):
    [message] = read(f"13/05/{year}, 17:30 - Ann: x\n")
    assert message.time is None
    assert message.troubles == (Trouble.NO_TIME,)


def test_many_one_character_messages_are_read():
    data = b"13/05/24, 17:30 - A: x\n" * 100_000
    assert len(chat_exports.read(data, "whatsapp")) == 100_000
