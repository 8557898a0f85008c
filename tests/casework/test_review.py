"""What the review shows: which media, in which order, and nothing that would bias."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from casework_office import MadeCase, Office
from sqlalchemy import Connection, delete, func, insert, select, update

from tutela.casework import detail, notes, review, series, similar, tags, victims
from tutela.casework.model import MediaState
from tutela.casework.view import Filter, Sort, SortKey
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import MediaId
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import CaseMedia, Media, MediaFact, MediaHit, Sighting, Stack
from tutela.store.tables.grading import Agreement, Grade, SecondReading, Vote
from tutela.store.tables.vault import VaultObject

TAKEN = datetime(2024, 5, 6, tzinfo=UTC)


@pytest.fixture
def case(office: Office) -> MadeCase:
    """Eight media: stacks of three and two, and three alone; the last is known, one is aside."""
    made = office.make_case(9, stacks=[3, 2])
    with office.database.write() as tx:
        put(tx, made, 7, state="known", code="A", reasons=[["known_list", {"list": "national"}]])
        put(tx, made, 8, state="set_aside", position=None, stack_id=None)
        for place, values in {
            0: {"captured_at": TAKEN, "camera_serial": "A1", "size_bytes": 5},
            3: {"captured_at": TAKEN + timedelta(days=1), "latitude": 1.0, "longitude": 2.0},
            5: {"camera_serial": "B2", "size_bytes": 99_999},
        }.items():
            tx.execute(update(Media).where(Media.id == made.media_ids[place]).values(**values))
    return made


def put(tx: Connection, case: MadeCase, place: int, **values: Any) -> None:
    tx.execute(
        update(CaseMedia)
        .where(CaseMedia.case_id == case.id, CaseMedia.media_id == case.media_ids[place])
        .values(**values)
    )


def test_one_stands_for_each_stack_in_the_order_of_review(office: Office, case: MadeCase):
    who, m = office.person("grader"), case.media_ids
    with office.database.write() as tx:

        def shown(sort: Sort | None = None, **wanted: Any) -> list[int]:
            found = review.ids(tx, who, case.id, Filter(**wanted), sort)
            assert found.dtype == np.int64
            return [m.index(MediaId(number)) for number in found.tolist()]

        assert shown() == [0, 3, 5, 6]
        assert shown(members=True) == [0, 1, 2, 3, 4, 5, 6]
        assert shown(states=(MediaState.KNOWN,)) == [7]
        assert shown(states=(MediaState.SET_ASIDE,)) == [8]
        assert shown(stacks=True) == [0, 3]
        assert shown(stacks=False) == [5, 6]
        assert shown(camera="B2") == [5]
        assert shown(located=True) == [3]
        assert shown(located=False, stacks=True) == [0, 4], "the member that passes stands for all"
        assert shown(captured_from=date(2024, 5, 7)) == [3]
        assert shown(captured_until=date(2024, 5, 6)) == [0]
        assert shown(path="000005") == [5]
        assert shown(path="dcim") == [0, 3, 5, 6]
        assert shown(path="%") == []
        assert shown(exhibit=case.exhibit_id) == [0, 3, 5, 6]
        assert shown(exhibit=case.exhibit_id + 1) == []
        tags.add(tx, who, case.id, [m[4]], "garden")
        assert shown(tag="garden") == [4]
        officer = office.person("victims")
        number = series.create(tx, officer, case.id, "Garden")
        series.add(tx, officer, case.id, number, [m[2], m[6]], "the same garden")
        assert shown(series=number) == [2, 6]
        child = victims.create(tx, officer, case.id, "V-1")
        victims.add(tx, officer, case.id, child, [m[6]])
        assert shown(victim=child) == [6]
        _hit(tx, case, 1)
        assert shown(hits=True) == [1]
        assert shown(hits=False) == [0, 3, 5, 6]
        put(tx, case, 5, state="graded", code="B")
        assert shown(states=(MediaState.OPEN,)) == [0, 3, 6]
        assert shown(codes=("B",)) == [5]
        assert shown(Sort(SortKey.CAPTURED)) == [0, 3, 5, 6]
        assert shown(Sort(SortKey.CAPTURED, descending=True)) == [3, 0, 5, 6]
        assert shown(Sort(SortKey.SIZE, descending=True))[0] == 5
        assert shown(Sort(SortKey.STACK, descending=True)) == [0, 3, 5, 6]
        assert shown(Sort(SortKey.CAMERA)) == [0, 5, 3, 6]
        assert shown(Sort(descending=True)) == [6, 5, 4, 2]
        put(tx, case, 6, sightings=7)
        assert shown(Sort(SortKey.SIGHTINGS, descending=True))[0] == 6


def _hit(tx: Connection, case: MadeCase, place: int) -> None:
    tx.execute(
        insert(MediaHit).values(
            case_id=case.id,
            media_id=case.media_ids[place],
            list_name="watched",
            role="alert",
            strength="indicative",
            algorithm="pdq",
            distance_bits=9,
            variant="original",
            entry_number=4,
            classifications=[["uk-abc", "A"]],
            silenced=False,
        )
    )


def test_items_say_what_a_person_needs(office: Office, case: MadeCase):
    who, m = office.person("grader"), case.media_ids
    with office.database.write() as tx:
        put(tx, case, 0, state="graded", code="B", reasons=[["large_stack", {"size": 3}]])
        tx.execute(
            insert(Grade).values(
                media_id=m[0],
                case_id=case.id,
                organisation_id=who.organisation_id,
                account_id=who.account_id,
                scheme="uk-abc",
                code="B",
                facets={},
                law="",
                basis="viewed",
                at=now(),
            )
        )
        insert_rows(
            tx,
            VaultObject,
            [
                {
                    "id": f"{kind}-{gone is None}",
                    "media_id": m[0],
                    "kind": kind,
                    "size_bytes": 1,
                    "created_at": now(),
                    "shredded_at": gone,
                }
                for kind, gone in (("thumbnail", None), ("original", now()))
            ],
        )
        tags.add(tx, who, case.id, [m[0]], "b")
        tags.add(tx, who, case.id, [m[0], m[1]], "a")
        found = review.items(tx, who, case.id, [m[1], 10**9, m[0], m[8]])
    assert [item.media_id for item in found] == [m[1], m[0], m[8]]
    member, lead, aside = found
    assert (lead.number, lead.state, lead.code, lead.basis) == (1, MediaState.GRADED, "B", "viewed")
    assert (lead.stack_size, lead.is_lead, lead.tags) == (3, True, ("a", "b"))
    assert (lead.has_thumbnail, lead.has_original) == (True, False)
    assert (lead.reasons[0].key, lead.reasons[0].values) == ("large_stack", {"size": 3})
    assert (member.number, member.is_lead, member.code, member.tags) == (2, False, None, ("a",))
    assert (aside.number, aside.stack_id, aside.stack_size) == (0, None, 1)


def test_nothing_tells_what_others_said(office: Office, case: MadeCase):
    """Votes and agreements of others change nothing that a grader is shown."""
    who, m = office.person("grader"), case.media_ids

    def everything(tx: Connection) -> object:
        everybody = review.ids(tx, who, case.id, Filter(members=True))
        return (
            everybody.tolist(),
            review.items(tx, who, case.id, everybody.tolist()),
            [detail.detail(tx, who, case.id, number) for number in m],
        )

    with office.database.write() as tx:
        before = everything(tx)
        for place, organisation in enumerate(office.organisations[1:], 1):
            other = tx.execute(
                insert(Grade)
                .values(
                    media_id=m[0],
                    case_id=None,
                    organisation_id=organisation,
                    account_id=office.person("grader", place).account_id,
                    scheme="uk-abc",
                    code="A",
                    facets={},
                    law="",
                    basis="viewed",
                    at=now(),
                )
                .returning(Grade.id)
            ).scalar_one()
            tx.execute(
                insert(Vote).values(
                    media_id=m[0],
                    scheme="uk-abc",
                    organisation_id=organisation,
                    grade_id=other,
                    code="A",
                )
            )
        tx.execute(
            insert(Agreement).values(
                media_id=m[0],
                scheme="uk-abc",
                state="indicative",
                code="A",
                votes=2,
                updated_at=now(),
            )
        )
        assert everything(tx) == before


def test_a_second_reader_is_not_told_the_first_grade(office: Office, case: MadeCase):
    first, second, m = office.person("grader"), office.person("grader2"), case.media_ids
    with office.database.write() as tx:
        put(tx, case, 5, state="graded", code="B")
        _hit(tx, case, 5)
        tx.execute(
            insert(SecondReading).values(
                case_id=case.id,
                media_id=m[5],
                first_account_id=first.account_id,
                first_code="B",
                reason="sample",
                state="open",
                asked_at=now(),
            )
        )
        coded = Filter(codes=("B",))
        for who, code in ((first, "B"), (second, None)):
            (item,) = review.items(tx, who, case.id, [m[5]])
            assert (item.code, item.second_reading) == (code, True)
            assert review.ids(tx, who, case.id, coded).tolist() == ([m[5]] if code else [])
            assert bool(detail.detail(tx, who, case.id, m[5]).hits) == bool(code)
        assert review.ids(tx, second, case.id, Filter(second=True)).tolist() == [m[5]]
        assert m[5] not in review.ids(tx, second, case.id, Filter(second=False)).tolist()
        tx.execute(update(SecondReading).values(state="agreed"))
        (item,) = review.items(tx, second, case.id, [m[5]])
        assert (item.code, item.second_reading) == ("B", False)


def test_two_graders_do_not_get_the_same_stack(office: Office, case: MadeCase):
    one, two = office.person("grader"), office.person("grader2")
    wanted = sorted(set(case.stack_ids[:7]))
    with office.database.write() as tx:
        events = tx.execute(select(func.count()).select_from(AuditEvent)).scalar_one()
        assert review.lease(tx, one, case.id, wanted[:2]) == set(wanted[:2])
        assert review.lease(tx, two, case.id, wanted) == set(wanted[2:])
        assert review.lease(tx, one, case.id, wanted[:2]) == set(wanted[:2])
        (mine,) = review.items(tx, one, case.id, case.media_ids[:1])
        (theirs,) = review.items(tx, two, case.id, case.media_ids[:1])
        assert (mine.leased_by_other, theirs.leased_by_other) == (False, True)
        tx.execute(update(Stack).values(leased_until=now() - timedelta(seconds=1)))
        (theirs,) = review.items(tx, two, case.id, case.media_ids[:1])
        assert not theirs.leased_by_other, "a lease runs out by itself"
        assert review.lease(tx, two, case.id, wanted) == set(wanted)
        review.release(tx, two, case.id)
        assert review.lease(tx, one, case.id, wanted) == set(wanted)
        other = office.person("grader", 1)
        with pytest.raises(AccessError):
            review.lease(tx, other, case.id, wanted)
        assert tx.execute(select(func.count()).select_from(AuditEvent)).scalar_one() == events


def test_stack_and_similar_and_detail(office: Office, case: MadeCase):
    who, m = office.person("grader"), case.media_ids
    with office.database.write() as tx:
        assert [item.media_id for item in review.stack(tx, who, case.id, case.stack_ids[0])] == m[
            :3
        ]
        assert len(review.stack(tx, who, case.id, case.stack_ids[0], limit=2)) == 2
        codes = {number: bytes(32) for number in m}
        codes |= {m[5]: b"\xff" * 2 + bytes(30), m[6]: b"\x01" + bytes(31), m[7]: bytes(32)}
        for number, pdq in codes.items():
            odd = number not in (m[0], m[5], m[6], m[7])
            tx.execute(
                update(Media)
                .where(Media.id == number)
                .values(pdq=pdq, pdq_quality=10 if odd else 90)
            )
        near = similar.similar(tx, who, case.id, m[0], 31)
        assert [(item.media_id, bits) for item, bits in near] == [(m[6], 1), (m[5], 16)]
        assert similar.similar(tx, who, case.id, m[0], 0) == []
        with pytest.raises(UsageError):
            similar.similar(tx, who, case.id, m[1])
        tx.execute(insert(MediaFact).values(media_id=m[0], name="Make", value="Kamera"))
        _hit(tx, case, 0)
        tx.execute(update(Sighting).where(Sighting.media_id == m[0]).values(inside=["x.zip"]))
        notes.write(tx, who, case.id, f"media:{m[0]}", "a garden")
        found = detail.detail(tx, who, case.id, m[0])
        assert found.facts == (("Make", "Kamera"),)
        assert (found.places[0].path, found.places[0].inside) == ("DCIM/000000.jpg", ("x.zip",))
        assert (found.hits[0].list_name, found.hits[0].distance_bits) == ("watched", 9)
        assert [note.text for note in found.notes] == ["a garden"]
        assert len(found.sha256) == 64
        with pytest.raises(UsageError):
            detail.detail(tx, who, case.id, MediaId(10**9))


def test_nobody_outside_the_team_reads_anything(office: Office, case: MadeCase):
    other, number = office.person("grader", 1), case.media_ids[0]

    def reads(tx: Connection) -> Iterable[Any]:
        yield lambda: review.ids(tx, other, case.id)
        yield lambda: review.items(tx, other, case.id, [number])
        yield lambda: review.stack(tx, other, case.id, case.stack_ids[0])
        yield lambda: similar.similar(tx, other, case.id, number)
        yield lambda: detail.detail(tx, other, case.id, number)

    with office.database.read() as tx:
        for read in reads(tx):
            with pytest.raises(AccessError):
                read()


def test_more_than_a_page_is_refused(small_office: Office):
    case = small_office.make_case(1)
    with small_office.database.write() as tx:
        tx.execute(delete(CaseMedia))
        assert review.ids(tx, small_office.person("grader"), case.id).size == 0
        with pytest.raises(UsageError):
            review.items(tx, small_office.person("grader"), case.id, list(range(1001)))
