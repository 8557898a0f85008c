"""Series, victims, tags and notes: who may make them, about what, and what the log says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casework_office import MadeCase, Office
from sqlalchemy import select

from tutela.casework import case as cases
from tutela.casework import facts, notes, series, tags, victims
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import MediaId
from tutela.store.tables.audit import AuditEvent


@pytest.fixture
def case(office: Office) -> MadeCase:
    return office.make_case(3)


def test_series(office: Office, case: MadeCase):
    who, m = office.person("victims"), case.media_ids
    elsewhere = office.make_case(m[:1])
    with office.database.write() as tx:
        generation = cases.info(tx, who, case.id).generation
        one = series.create(tx, who, case.id, "Room 3 ")
        with pytest.raises(UsageError, match="already"):
            series.create(tx, who, case.id, "Room 3")
        series.add(tx, who, case.id, one, [m[1], m[0], m[1]], "the same bed cover")
        series.add(tx, who, case.id, one, [m[0]], "again")
        assert [(s.name, s.media) for s in series.list_(tx, who, case.id)] == [("Room 3", 2)]
        assert [(s.name, s.media) for s in series.list_(tx, who, elsewhere.id)] == [("Room 3", 1)]
        assert [s.id for s in series.find(tx, who, case.id, "room")] == [one]
        assert series.find(tx, who, case.id, "%") == []
        series.remove(tx, who, case.id, one, [m[1]])
        assert [s.media for s in series.list_(tx, who, case.id)] == [1]
        assert cases.info(tx, who, case.id).generation > generation
        for reason, media in (("", m[0]), ("why", MediaId(10**9))):
            with pytest.raises(UsageError):
                series.add(tx, who, case.id, one, [media], reason)
        with pytest.raises(UsageError):
            series.add(tx, who, case.id, type(one)(99), [m[0]], "why")
        bodies = b"".join(tx.execute(select(AuditEvent.body)).scalars())
        assert b"Room" not in bodies
        assert b"bed cover" not in bodies


def test_victims(office: Office, case: MadeCase):
    who, m = office.person("victims"), case.media_ids
    with office.database.write() as tx:
        child = victims.create(tx, who, case.id, "V-17", "File 12/26")
        assert victims.list_(tx, who, case.id) == []
        with pytest.raises(UsageError):
            victims.set_state(tx, who, case.id, child, "identified")
        victims.add(tx, who, case.id, child, m[:2])
        (known,) = victims.list_(tx, who, case.id)
        assert (known.pseudonym, known.state, known.reference, known.media) == (
            "V-17",
            "unidentified",
            "File 12/26",
            2,
        )
        victims.set_state(tx, who, case.id, child, "safe")
        with pytest.raises(UsageError):
            victims.set_state(tx, who, case.id, child, "lost")
        with pytest.raises(UsageError, match="in use"):
            victims.create(tx, who, case.id, "V-17")
        assert victims.by_pseudonym(tx, who, case.id, "V-17") == child
        with pytest.raises(UsageError):
            victims.by_pseudonym(tx, who, case.id, "V-1")
        victims.remove(tx, who, case.id, child, m)
        assert victims.list_(tx, who, case.id) == []
        with pytest.raises(UsageError):
            victims.add(tx, who, case.id, type(child)(99), m)


def test_tags_and_notes(office: Office, case: MadeCase):
    who, m = office.person("grader"), case.media_ids
    with office.database.write() as tx:
        tags.add(tx, who, case.id, m, "garden")
        tags.add(tx, who, case.id, m[:1], " dog ")
        tags.remove(tx, who, case.id, m[1:2], "garden")
        assert tags.names(tx, who, case.id) == {"dog": 1, "garden": 2}
        for name in ("", "a\nb", "x" * 61):
            with pytest.raises(UsageError):
                tags.add(tx, who, case.id, m, name)
        notes.write(tx, who, case.id, f"case:{case.id}", "A first look.\n")
        notes.write(tx, office.person("examiner"), case.id, f"media:{m[0]}", "nul \0 here")
        assert [note.text for note in notes.list_(tx, who, case.id)] == [
            "A first look.\n",
            "nul \\x00 here",
        ]
        (one,) = notes.list_(tx, who, case.id, f"media:{m[0]}")
        assert one.written_by == office.person("examiner").account_id
        for subject, text in (
            ("weather:1", "x"),
            ("media:999999999", "x"),
            ("media:x", "x"),
            ("case:1", " "),
            ("case:1", "x" * 10_001),
        ):
            with pytest.raises(UsageError):
                notes.write(tx, who, case.id, subject, text)
        seen = tx.execute(select(AuditEvent.action, AuditEvent.body)).all()
        assert [action for action, _ in seen].count("tag.added") == 4
        assert not any(word in body for _, body in seen for word in (b"garden", b"first look"))


def test_each_asks_for_its_permission(office: Office, case: MadeCase):
    m = case.media_ids
    with office.database.write() as tx:
        made = series.create(tx, office.person("victims"), case.id, "S")
        child = victims.create(tx, office.person("victims"), case.id, "V")

    acts: dict[str, Callable[[Any, Any], object]] = {
        "series.create": lambda tx, who: series.create(tx, who, case.id, "T"),
        "series.add": lambda tx, who: series.add(tx, who, case.id, made, m, "why"),
        "series.remove": lambda tx, who: series.remove(tx, who, case.id, made, m),
        "series.find": lambda tx, who: series.find(tx, who, case.id, ""),
        "victims.create": lambda tx, who: victims.create(tx, who, case.id, "W"),
        "victims.add": lambda tx, who: victims.add(tx, who, case.id, child, m),
        "victims.remove": lambda tx, who: victims.remove(tx, who, case.id, child, m),
        "victims.set_state": lambda tx, who: victims.set_state(tx, who, case.id, child, "safe"),
        "victims.by_pseudonym": lambda tx, who: victims.by_pseudonym(tx, who, case.id, "V"),
        "tags.add": lambda tx, who: tags.add(tx, who, case.id, m, "t"),
        "tags.remove": lambda tx, who: tags.remove(tx, who, case.id, m, "t"),
        "notes.write": lambda tx, who: notes.write(tx, who, case.id, "case:1", "x"),
        "series.list_": lambda tx, who: series.list_(tx, who, case.id),
        "victims.list_": lambda tx, who: victims.list_(tx, who, case.id),
        "tags.names": lambda tx, who: tags.names(tx, who, case.id),
        "notes.list_": lambda tx, who: notes.list_(tx, who, case.id),
    }
    reading = {"series.list_", "victims.list_", "tags.names", "notes.list_"}
    marking = {"tags.add", "tags.remove", "notes.write"}
    allowed = {
        ("examiner", 0): reading | {"notes.write"},
        ("supervisor", 0): reading | {"notes.write"},
        ("grader", 0): reading | marking,
        ("victims", 0): set(acts),
        ("administrator", 0): set(),
        ("auditor", 0): set(),
        ("victims", 1): set(),
    }
    for (name, organisation), may in allowed.items():
        for act, do in acts.items():
            refused = False
            try:
                with office.database.write() as tx:
                    do(tx, office.person(name, organisation))
                    raise Undone  # noqa: TRY301 rolls the act back
            except AccessError:
                refused = True
            except (Undone, UsageError):
                pass
            assert refused is (act not in may), f"{name}.{organisation} {act}"


class Undone(Exception):  # noqa: N818 no error: it ends a transaction
    pass


def test_nothing_is_marked_in_a_closed_case(small_office: Office):
    office = small_office
    case = office.make_case(1)
    with office.database.write() as tx:
        cases.close(tx, office.person("examiner"), case.id)
        for do in (
            lambda: tags.add(tx, office.person("grader"), case.id, case.media_ids, "t"),
            lambda: notes.write(tx, office.person("grader"), case.id, "case:1", "x"),
            lambda: series.create(tx, office.person("victims"), case.id, "S"),
            lambda: victims.create(tx, office.person("victims"), case.id, "V"),
        ):
            with pytest.raises(UsageError, match="closed"):
                do()


@pytest.mark.parametrize(
    ("said", "column", "wanted"),
    [
        ([("Body Serial", "0000000")], "camera_serial", None),
        ([("Body Serial", "111111111")], "camera_serial", None),
        ([("Body Serial", "12")], "camera_serial", None),
        ([("Body Serial", " 5012345 ")], "camera_serial", "5012345"),
        ([("Latitude", "91"), ("Longitude", "1")], "latitude", None),
        ([("Latitude", "51.5")], "latitude", None),
        ([("Latitude", "nan"), ("Longitude", "1")], "longitude", None),
        ([("Capture Time", "sometime")], "captured_at", None),
        ([("Capture Time", "9999-12-31T23:59:59-12:00")], "captured_at", None),
        ([("Make", "")], "camera_make", None),
    ],
)
def test_facts_fail_closed(said: list[tuple[str, str]], column: str, wanted: object):
    assert facts.columns(said)[column] == wanted
