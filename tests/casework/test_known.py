"""What is graded on arrival, and what only an exact match may do."""

from __future__ import annotations

from typing import Any

import pytest
from casework_office import MadeCase, Office
from casework_scans import code, digests, hit, other, picture, session
from sqlalchemy import Connection, insert, select

from tutela.casework import arrange, intake, known, policy, review
from tutela.casework.intake import Source
from tutela.casework.view import Filter
from tutela.core.entry import Role
from tutela.core.time import now
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import CaseMedia, Media
from tutela.store.tables.grading import Agreement, Grade, SecondReading


def standing(tx: Connection, case: MadeCase) -> dict[bytes, Any]:
    rows = tx.execute(
        select(
            Media.sha256,
            CaseMedia.media_id,
            CaseMedia.state,
            CaseMedia.code,
            CaseMedia.reasons,
            CaseMedia.priority,
            CaseMedia.position,
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .where(CaseMedia.case_id == case.id)
    )
    return {row.sha256: row for row in rows}


def trust(office: Office, **rules: Any) -> None:
    with office.database.write() as tx:
        policy.change(
            tx,
            office.person("administrator"),
            trusted_lists={"national": "uk-abc", "second": "uk-abc", "american": "vics-us"},
            **rules,
        )


EXACT = hit("national", [("uk-abc", "A")])
CASES = {
    # name: (hits, state, code, first reason)
    "exact": ([EXACT], "known", "A", "known_list"),
    "two_digests": ([hit("national", algorithm="sha1+md5")], "known", "A", "known_list"),
    "in_its_words": ([hit("national", [("vics-2.0-UK-media", "B")])], "known", "B", "known_list"),
    "md5_only": ([hit("national", algorithm="md5")], "open", None, "digest_hit"),
    "looks_alike": (
        [hit("national", algorithm="pdq", distance_bits=4)],
        "open",
        None,
        "looks_like",
    ),
    "untrusted": ([hit("rumours")], "open", None, "exact_hit"),
    "other_scheme": ([hit("american", [("vics-us", "1")])], "open", None, "exact_hit"),
    "no_such_code": ([hit("national", [("uk-abc", "Z")])], "open", None, "exact_hit"),
    "named_scheme_counts": (
        [hit("national", [("vics-us", "B"), ("uk-abc", "C")])],
        "known",
        "C",
        "known_list",
    ),
    "lists_disagree": (
        [EXACT, hit("second", [("uk-abc", "B")], number=7)],
        "open",
        None,
        "exact_hit",
    ),
    "lists_agree": ([EXACT, hit("second", [("uk-abc", "A")])], "known", "A", "known_list"),
    "ignorable": ([hit("harmless", [], role=Role.IGNORABLE)], "set_aside", None, "ignorable"),
    "exact_beats_ignorable": (
        [hit("harmless", [], role=Role.IGNORABLE), EXACT],
        "known",
        "A",
        "known_list",
    ),
    "ignorable_silences_looks": (
        [
            hit("harmless", [], role=Role.IGNORABLE),
            hit("national", algorithm="pdq", distance_bits=2),
        ],
        "set_aside",
        None,
        "ignorable",
    ),
}


def test_only_an_exact_match_of_a_trusted_list_is_graded_on_arrival(office: Office):
    trust(office, known_sample_permille=0)
    case, who = office.make_case(0), office.person("examiner")
    evidence = [picture(name, hits=hits) for name, (hits, *_) in CASES.items()]
    evidence.append(other("film", hits=[EXACT]))
    intake.add(office.database, who, case.id, Source("X"), session(evidence))
    with office.database.read() as tx:
        rows = standing(tx, case)
        found = {
            name: (row.state, row.code, row.reasons[0][0])
            for name in CASES
            if (row := rows[digests(name).sha256])
        }
        assert found == {name: tuple(wanted) for name, (_, *wanted) in CASES.items()}
        film = rows[digests("film").sha256]
        assert (film.state, film.code, film.position) == ("known", "A", None)
        graded = tx.execute(select(Grade.media_id, Grade.code, Grade.basis, Grade.case_id)).all()
        assert {(basis, of) for _, _, basis, of in graded} == {("known", case.id)}
        known_ids = {row.media_id for row in rows.values() if row.state == "known"}
        assert {media_id for media_id, *_ in graded} == known_ids
        leaves = tx.execute(
            select(AuditEvent.subject).where(AuditEvent.action == "grade.given")
        ).scalars()
        assert sorted(leaves) == sorted(f"media:{number}" for number in known_ids)
        shown = set(review.ids(tx, who, case.id).tolist())
        assert not shown & known_ids, "what is known is not shown"
        assert set(review.ids(tx, who, case.id, Filter(states=("known",))).tolist()) == {
            number for number in known_ids if number != film.media_id
        }
    # Brought in order again, nothing is graded twice.
    again = arrange.arrange(office.database, who, case.id)
    assert (again.known, again.stacks, again.joined) == (0, 0, 0)


def test_what_forces_agree_on_is_known_under_that_scheme_only(office: Office):
    first, second = office.make_case(0), office.make_case(0, scheme="vics-us")
    who = office.person("examiner")
    intake.add(office.database, who, first.id, Source("X"), session([picture("oak")]))
    with office.database.write() as tx:
        media_id = tx.execute(select(Media.id)).scalar_one()
        for state, scheme in (("trusted", "uk-abc"), ("indicative", "vics-us")):
            tx.execute(
                insert(Agreement).values(
                    media_id=media_id,
                    scheme=scheme,
                    state=state,
                    code="C" if scheme == "uk-abc" else "2",
                    votes=3,
                    updated_at=now(),
                )
            )
    third = office.make_case(0)
    for case in (second, third):
        intake.add(office.database, who, case.id, Source("X"), session([picture("oak")]))
    with office.database.read() as tx:
        states = {
            case.id: (row.state, row.code)
            for case in (first, second, third)
            for row in standing(tx, case).values()
        }
    assert states == {
        first.id: ("open", None),
        second.id: ("open", None),
        third.id: ("known", "C"),
    }
    # The first case learns of it when it is brought in order again.
    assert arrange.arrange(office.database, who, first.id).known == 1


def test_a_sample_of_the_known_is_read_again(office: Office):
    trust(office, known_sample_permille=300)
    case, who = office.make_case(0), office.person("examiner")
    names = [f"p{number}" for number in range(60)]
    evidence = [picture(name, hits=[EXACT]) for name in names]
    intake.add(office.database, who, case.id, Source("X"), session(evidence))
    drawn = {name for name in names if known.sampled(digests(name).sha256, 300)}
    assert 5 < len(drawn) < 40
    with office.database.read() as tx:
        rows = standing(tx, case)
        asked = tx.execute(select(SecondReading.__table__)).all()
        assert {row.media_id for row in asked} == {
            rows[digests(name).sha256].media_id for name in drawn
        }
        assert {(r.reason, r.state, r.first_code, r.first_account_id) for r in asked} == {
            ("known_sample", "open", "A", None)
        }
        grader = office.person("grader")
        items = review.items(tx, grader, case.id, [row.media_id for row in asked])
        assert {(item.code, item.second_reading) for item in items} == {(None, True)}
        assert all(not item.reasons for item in items), "nor does the reason tell it"
        with_code = review.ids(tx, grader, case.id, Filter(states=("known",), codes=("A",)))
        assert len(with_code) == len(names) - len(drawn), "nor does a filter"


@pytest.mark.parametrize("permille", [0, 1000])
def test_none_or_all_are_drawn(permille: int):
    assert known.sampled(code(1), permille) is (permille == 1000)
