"""What links media, when they were made, and how much work they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from casework_office import MadeCase, Office, join
from casework_scans import code, digests, hit, other, picture, session
from sqlalchemy import update

from tutela.casework import intake, links, policy, series, timeline, workload
from tutela.casework.intake import Source
from tutela.casework.timeline import Month
from tutela.core.errors import AccessError
from tutela.scan.wire import Status
from tutela.store.tables.casework import CaseMedia, Media, Sighting


def place(latitude: float, longitude: float) -> list[tuple[str, str]]:
    return [("Latitude", str(latitude)), ("Longitude", str(longitude))]


def camera(serial: str, make: str = "Kamera") -> list[tuple[str, str]]:
    return [("Make", make), ("Model", "K-1"), ("Body Serial", serial)]


def add(office: Office, case: MadeCase, source: Source, evidence: Sequence[Any]) -> None:
    who = office.person("examiner")
    intake.add(office.database, who, case.id, source, session(evidence))


def by_kind(office: Office, case: MadeCase, who: str = "grader") -> dict[str, list[set[int]]]:
    with office.database.read() as tx:
        found = links.links(tx, office.person(who), case.id)
    kinds: dict[str, list[set[int]]] = {}
    for link in found:
        kinds.setdefault(link.kind, []).append(set(link.media_ids))
    return kinds


def test_each_kind_of_link_names_what_it_joins(office: Office):
    case = office.make_case(0)
    scene = code(77)
    add(
        office,
        case,
        Source("PHONE", "Phone 9, serial 77"),
        [
            picture("m1", facts=camera("A1234567") + place(52.5, 13.25)),
            picture("m2", facts=camera("A1234567") + place(52.5005, 13.25)),
            picture("m3", facts=camera("A1234567", "Other") + place(52.502, 13.25)),
            picture("m4", facts=camera("0000000"), scene=scene),
            picture("m5", facts=camera("0000000"), scene=code(77, 30)),
            picture("m6", scene=code(78)),
            picture("p1", facts=place(89.9999, 10)),
            picture("p2", facts=place(89.9999, -170)),
            picture("d1", facts=place(0.0, 179.9999)),
            picture("d2", facts=place(0.0, -179.9999)),
            picture("n0", facts=place(0.0, 0.0)),
            picture("n1", facts=place(0.0, 0.0)),
        ],
    )
    add(office, case, Source("BACKUP", "Phone 9, serial 77"), [picture("m1"), picture("new")])
    add(office, case, Source("DISK", "disk"), [picture("m2")])
    with office.database.write() as tx:
        ids = dict(
            tx.execute(Media.__table__.select().with_only_columns(Media.sha256, Media.id)).all()
        )
        m = {
            name: ids[digests(name).sha256]
            for name in ("m1", "m2", "m3", "m4", "m5", "p1", "p2", "d1", "d2", "new")
        }
        officer = office.person("victims")
        made = series.create(tx, officer, case.id, "Room 3")
        series.add(tx, officer, case.id, made, [m["m3"], m["m4"]], "the same bed cover")
    found = by_kind(office, case)
    assert found["camera"] == [{m["m1"], m["m2"]}], "a make without numbers joins nobody"
    assert found["series"] == [{m["m3"], m["m4"]}]
    assert {frozenset(some) for some in found["place"]} == {
        frozenset({m["m1"], m["m2"]}),
        frozenset({m["p1"], m["p2"]}),
        frozenset({m["d1"], m["d2"]}),
    }, "also at the pole and across the date line; 0, 0 is where a device writes nothing"
    assert found["scene"] == [{m["m4"], m["m5"]}]
    assert len(found["device"]) == 1
    assert {m["m1"], m["new"]} <= found["device"][0]


def test_other_cases_are_named_to_their_teams_only(office: Office):
    one, two = office.make_case(0), office.make_case(0, team=[office.person("examiner")])
    for case, name in ((one, "m1"), (two, "m2")):
        add(office, case, Source("PHONE"), [picture(name, facts=camera("A1234567"))])
    with office.database.read() as tx:
        (seen,) = links.links(tx, office.person("examiner"), one.id)
        assert (seen.kind, seen.elsewhere) == ("camera", (two.id,))
        assert links.links(tx, office.person("grader"), one.id) == []
        with pytest.raises(AccessError):
            links.links(tx, office.person("grader"), two.id)
    with office.database.write() as tx:
        join(tx, two.id, [office.person("grader")])
        (seen,) = links.links(tx, office.person("grader"), one.id)
        assert seen.elsewhere == (two.id,)


def test_months_in_which_things_were(office: Office):
    case = office.make_case(3)
    with office.database.write() as tx:
        for number, moment in zip(
            case.media_ids,
            (
                datetime(2024, 1, 31, 23, 59, tzinfo=UTC),
                datetime(2024, 2, 1, tzinfo=UTC),
                datetime(2023, 12, 31, tzinfo=UTC),
            ),
            strict=True,
        ):
            tx.execute(update(Media).where(Media.id == number).values(captured_at=moment))
            tx.execute(
                update(Sighting)
                .where(Sighting.media_id == number)
                .values(modified_at=datetime(2024, 2, 29, tzinfo=UTC))
            )
        found = timeline.timeline(tx, office.person("grader"), case.id)
        with pytest.raises(AccessError):
            timeline.timeline(tx, office.person("grader", 1), case.id)
    assert found == [
        Month(year=2023, month=12, captured=1, modified=0),
        Month(year=2024, month=1, captured=1, modified=0),
        Month(year=2024, month=2, captured=1, modified=3),
    ]


def test_the_workload_adds_up(office: Office):
    case = office.make_case(0)
    with office.database.write() as tx:
        policy.change(
            tx,
            office.person("administrator"),
            trusted_lists={"national": "uk-abc"},
            known_sample_permille=1000,
        )
    evidence = [
        *[picture(f"burst{n}", code(1, n)) for n in range(4)],
        picture("burst0", code(1, 0), path="/dev/copy.jpg"),
        picture("single", code(2)),
        picture("known", code(3), hits=[hit("national")]),
        picture("known", code(3), path="/dev/again.jpg", hits=[hit("national")]),
        other("text"),
        other("link", Status.SKIPPED),
    ]
    add(office, case, Source("X"), evidence)
    who = office.person("grader")
    with office.database.write() as tx:
        found = workload.workload(tx, who, case.id)
        assert found == workload.Workload(
            files=10,
            unique=7,
            pictures=6,
            picture_files=8,
            known=1,
            set_aside=0,
            stacks=2,
            decisions_needed=2,
            views_needed=3,
            decided=0,
            one_by_one=8,
            saved_permille=750,
        )
        assert found.per_thousand_files(found.decisions_needed) == 200.0
        tx.execute(
            update(CaseMedia)
            .where(CaseMedia.case_id == case.id, CaseMedia.state == "open")
            .values(state="graded")
        )
        assert workload.workload(tx, who, case.id).decided == 2
        with pytest.raises(AccessError):
            workload.workload(tx, office.person("grader", 1), case.id)
    empty = office.make_case(0)
    with office.database.read() as tx:
        nothing = workload.workload(tx, who, empty.id)
    assert (nothing.files, nothing.saved_permille) == (0, 0)
    assert nothing.per_thousand_files(5) == 0.0
