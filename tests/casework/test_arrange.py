"""Stacks and order of a case, also when evidence comes later."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from casework_office import MadeCase, Office
from casework_scans import code, digests, hit, picture, session
from sqlalchemy import Connection, select, update

from tutela.casework import (
    arrange,
    intake,
    known,
    order,
    pictures,
    placing,
    policy,
    review,
    stacking,
)
from tutela.casework.intake import Source
from tutela.core.ids import SeriesId
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import CaseMedia, Media, Series, SeriesMedia, Stack
from tutela.store.tables.grading import Grade

CAMERA = [("Make", "Kamera"), ("Body Serial", "A1234567")]


def stacks(tx: Connection, case: MadeCase) -> list[set[str]]:
    """Return the stacks by the names of their media; leads are marked."""
    rows = tx.execute(
        select(CaseMedia.stack_id, Media.sha256, Stack.lead_media_id, Media.id, Stack.size)
        .join(Media, Media.id == CaseMedia.media_id)
        .join(Stack, Stack.id == CaseMedia.stack_id)
        .where(CaseMedia.case_id == case.id)
    ).all()
    names = {digests(name).sha256: name for name in NAMES}
    found: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        found[row.stack_id].add(names[row.sha256] + ("*" if row.id == row.lead_media_id else ""))
    sizes = {row.stack_id: row.size for row in rows}
    assert all(sizes[stack] == len(members) for stack, members in found.items())
    return sorted(found.values(), key=sorted)


def row(tx: Connection, case: MadeCase, name: str) -> Any:
    return tx.execute(
        select(CaseMedia.__table__)
        .join(Media, Media.id == CaseMedia.media_id)
        .where(CaseMedia.case_id == case.id, Media.sha256 == digests(name).sha256)
    ).one()


NAMES = ("a1", "a2", "a3", "b1", "b2", "far", "flat1", "flat2", "k1", "k2", "m1", "c1", "c2", "s1")


def add(office: Office, case: MadeCase, label: str, *evidence: Any) -> None:
    source = Source(label)
    intake.add(office.database, office.person("examiner"), case.id, source, session(evidence))


def test_look_alikes_stack_and_the_rest_stands_alone(office: Office):
    case = office.make_case(0)
    add(
        office,
        case,
        "X",
        picture("a1", code(1, 5), quality=80),
        picture("a2", code(1)),
        picture("b1", code(2)),
        picture("far", code(1, 40)),
        picture("flat1", code(3), quality=20),
        picture("flat2", code(3), quality=20),
    )
    with office.database.read() as tx:
        assert stacks(tx, case) == [
            {"a1", "a2*"},
            {"b1*"},
            {"far*"},
            {"flat1*"},
            {"flat2*"},
        ]
        places = tx.execute(
            select(CaseMedia.position, CaseMedia.stack_id)
            .where(CaseMedia.case_id == case.id)
            .order_by(CaseMedia.position)
        ).all()
        assert [position for position, _ in places] == list(range(6))
        order_of_stacks = list(dict.fromkeys(stack for _, stack in places))
        assert len(order_of_stacks) == 5, "stacks lie together"


def test_later_evidence_joins_stacks_and_inherits_what_was_decided(office: Office):
    case = office.make_case(0)
    add(office, case, "ONE", picture("a1", code(1)), picture("b1", code(2)))
    with office.database.write() as tx:
        lead = row(tx, case, "a1").media_id
        tx.execute(
            update(CaseMedia)
            .where(CaseMedia.case_id == case.id, CaseMedia.media_id == lead)
            .values(state="graded", code="B")
        )
    add(
        office,
        case,
        "TWO",
        picture("a2", code(1, 3)),
        picture("a3", code(1, 6)),
        picture("b2", code(2, 3)),
        picture("far", code(9)),
    )
    with office.database.read() as tx:
        assert stacks(tx, case) == [{"a1*", "a2", "a3"}, {"b1*", "b2"}, {"far*"}]
        for name, wanted in (
            ("a1", ("graded", "B")),
            ("a2", ("inferred", "B")),
            ("b2", ("open", None)),
        ):
            found = row(tx, case, name)
            assert (found.state, found.code) == wanted
        inferred = tx.execute(select(Grade.code, Grade.basis)).all()
        assert [tuple(one) for one in inferred] == [("B", "inferred")] * 2
        open_first = review.ids(tx, office.person("grader"), case.id).tolist()
        assert open_first[-1] == lead, "what is decided comes after what is open"
    before = arrange.arrange(office.database, office.person("examiner"), case.id)
    assert before == arrange.Arranged(0, 0, 0, 0)


def test_the_cutoff_is_a_rule(small_office: Office):
    office = small_office
    case = office.make_case(0)
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), stack_radius_bits=2)
    add(office, case, "X", picture("a1", code(1)), picture("a2", code(1, 3)))
    with office.database.read() as tx:
        assert stacks(tx, case) == [{"a1*"}, {"a2*"}]


def test_the_order_of_review_says_why(office: Office):
    case = office.make_case(0)
    with office.database.write() as tx:
        policy.change(
            tx,
            office.person("administrator"),
            trusted_lists={"national": "uk-abc"},
            known_sample_permille=0,
        )
    add(
        office,
        case,
        "ONE",
        picture("far", code(9)),
        picture("k1", code(4), hits=[hit("national")], facts=CAMERA),
        picture("c1", code(5), facts=CAMERA),
        picture("k2", code(4, 7)),
        picture("b1", code(6), hits=[hit("watched", algorithm="pdq", distance_bits=20)]),
        picture("b2", code(7), hits=[hit("watched", algorithm="pdq", distance_bits=2)]),
        picture("m1", code(8), hits=[hit("watched", algorithm="md5")]),
        picture("s1", code(10)),
        *[picture(name, code(11, n)) for n, name in enumerate(("a1", "a2", "a3", "c2", "flat1"))],
    )
    with office.database.write() as tx:
        series = tx.execute(
            Series.__table__.insert()
            .values(name="S", created_at=row_time(tx), created_by=None)
            .returning(Series.id)
        ).scalar_one()
        member = {"series_id": SeriesId(series), "media_id": row(tx, case, "s1").media_id}
        insert_rows(tx, SeriesMedia, [{**member, "reason": "the same room"}])
    arrange.arrange(office.database, office.person("examiner"), case.id)
    with office.database.read() as tx:
        shown = review.items(
            tx,
            office.person("grader"),
            case.id,
            review.ids(tx, office.person("grader"), case.id).tolist(),
        )
        names = {row(tx, case, name).media_id: name for name in NAMES if name not in UNUSED}
        ordered = [names[item.media_id] for item in shown]
        why = {names[item.media_id]: [r.key for r in item.reasons] for item in shown}
    assert ordered[:7] == ["m1", "b2", "k2", "b1", "s1", "c1", ordered[6]]
    assert why["m1"] == ["digest_hit"]
    assert why["b2"] == ["looks_like"]
    assert why["k2"] == ["near_known"]
    assert why["s1"] == ["in_series"]
    assert why["c1"] == ["camera_of_known"]
    assert why[ordered[6]] == ["large_stack"]
    assert ordered[-1] == "far"
    assert "k1" not in ordered


def test_a_case_in_many_pieces_is_arranged_like_one_in_a_single_piece(office: Office, monkeypatch):
    with office.database.write() as tx:
        rules = {"trusted_lists": {"national": "uk-abc"}, "known_sample_permille": 0}
        policy.change(tx, office.person("administrator"), **rules)
    evidence = [
        picture("a1", code(1), facts=CAMERA),
        picture("b1", code(2), hits=[hit("watched", algorithm="pdq", distance_bits=9)]),
        picture("a2", code(1, 3)),
        picture("k1", code(4), hits=[hit("national")], facts=CAMERA),
        picture("flat1", code(3), quality=20),
        picture("b2", code(2, 5)),
        picture("far", code(9)),
        picture("k2", code(4, 7)),
        picture("a3", code(1, 6), hits=[hit("watched", algorithm="md5")]),
    ]

    def arranged(case: MadeCase) -> list[Any]:
        add(office, case, "ONE", *evidence[:5])
        with office.database.write() as tx:
            tx.execute(
                update(CaseMedia)
                .where(
                    CaseMedia.case_id == case.id,
                    CaseMedia.media_id == row(tx, case, "b1").media_id,
                )
                .values(state="graded", code="B")
            )
        add(office, case, "TWO", *evidence[5:])
        with office.database.read() as tx:
            columns = CaseMedia.media_id, CaseMedia.state, CaseMedia.code, CaseMedia.position
            asked = select(*columns, CaseMedia.priority, CaseMedia.reasons, Stack.lead_media_id)
            joined = asked.join(Stack, Stack.id == CaseMedia.stack_id)
            wanted = joined.where(CaseMedia.case_id == case.id).order_by(CaseMedia.position)
            return [tuple(one) for one in tx.execute(wanted)]

    whole = arranged(office.make_case(0))
    for module in (arrange, pictures, placing, known):
        monkeypatch.setattr(module, "TOGETHER", 2)
    monkeypatch.setattr(stacking, "_TOGETHER", 2)
    pieces = arranged(office.make_case(0))
    assert pieces == whole
    assert len(whole) == len(evidence)
    assert {state for _, state, *_ in whole} == {"open", "graded", "inferred", "known"}


def test_a_picture_takes_a_hundred_bytes_while_it_is_arranged(small_office: Office):
    case = small_office.make_case(0)
    add(small_office, case, "X", *[picture(name, code(3)) for name in NAMES])
    with small_office.database.read() as tx:
        found = pictures.read(tx, case.id)
    columns = [one for one in vars(found).values() if isinstance(one, np.ndarray)]
    assert sum(column.nbytes for column in columns) <= 110 * len(found) == 110 * len(NAMES)


UNUSED = {"flat2"}


def row_time(tx: Connection) -> Any:
    return tx.execute(select(Media.first_seen_at).limit(1)).scalar_one()


def test_reasons_are_weighed_once_each():
    weighed = order.weigh(
        [
            order.of_hit("one", "indicative", "pdq", 9),
            order.of_hit("two", "indicative", "pdq", 3),
            order.of_camera(),
            *order.of_counts(7, 5),
        ]
    )
    assert weighed[0] == order.of_hit("two", "indicative", "pdq", 3)[0]
    assert [key for key, _ in weighed[1]] == [
        "looks_like",
        "camera_of_known",
        "large_stack",
        "many_places",
    ]
    assert order.weigh([]) == (0, [])
