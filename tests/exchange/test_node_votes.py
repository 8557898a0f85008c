"""Votes of other nations: one each, by the rules for all votes, whenever their content is here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from casework_office import MadeCase
from federation_support import Nation, befriend
from sqlalchemy import select

from tutela.casework import agreement, grade
from tutela.casework.agreement import Agreed, AgreementState
from tutela.casework.grade import Decision
from tutela.exchange.federation import outbox, voting
from tutela.exchange.federation.counting import Counting
from tutela.exchange.federation.message import VOTES, Statement, Votes
from tutela.exchange.federation.nodes import Allowed
from tutela.store import schema
from tutela.store.tables.federation import NodeSent, NodeVote
from tutela.store.tables.grading import Grade, Vote

Two = tuple[Nation, Nation]
INDICATIVE, TRUSTED = AgreementState.INDICATIVE, AgreementState.TRUSTED


def one_media(*nations: Nation) -> list[MadeCase]:
    """Make a case with the same media in each nation."""
    return [nation.office.make_case(1) for nation in nations]


def cases_of(nation: Nation, case: MadeCase) -> list[MadeCase]:
    """Put the media of a case into one of each other organisation as well."""
    return [
        case,
        *(nation.office.make_case(case.media_ids, organisation=at) for at in (1, 2)),
    ]


def told(nation: Nation) -> dict[str, str | None]:
    with nation.database.read() as tx:
        rows = tx.execute(select(NodeVote.sha256, NodeVote.code, NodeVote.scheme))
        return {f"{sha256.hex()[:8]} {scheme}": code for sha256, code, scheme in rows}


def history(nation: Nation, media_id: int) -> list[tuple[str, str | None]]:
    with nation.database.read() as tx:
        rows = tx.execute(
            select(Grade.basis, Grade.code).where(Grade.media_id == media_id).order_by(Grade.id)
        )
        return [(basis, code) for basis, code in rows]


def test_the_vote_of_a_nation_counts_as_one(two: Two):
    one, other = two
    mine, theirs = one_media(one, other)
    for place, case in enumerate(cases_of(one, mine)):
        one.vote(case, "A", place)
    assert one.agreed(mine.media_ids[0]) == Agreed(TRUSTED, "A", 3)
    assert one.tell(other) == 1
    # Three organisations there are one vote here, of the organisation that stands for them.
    assert other.agreed(theirs.media_ids[0]) == Agreed(INDICATIVE, "A", 1)
    with other.database.read() as tx:
        (vote,) = tx.execute(select(Vote.__table__)).all()
        assert vote.organisation_id == other.node(one).organisation_id
        grade_ = tx.execute(select(Grade.__table__)).one()
        assert (grade_.id, grade_.basis, grade_.account_id) == (vote.grade_id, "partner", None)
    for place, case in enumerate(cases_of(other, theirs)[:2]):
        other.vote(case, "A", place)
    assert other.agreed(theirs.media_ids[0]) == Agreed(TRUSTED, "A", 3)
    assert '"node"' in other.logged("vote.partner")[0]
    assert schema.check(other.database) == []


def test_nations_that_differ_are_a_dispute_which_a_person_settles(two: Two):
    one, other = two
    mine, theirs = one_media(one, other)
    one.vote(mine, "A")
    other.vote(theirs, "B")
    one.tell(other)
    assert other.agreed(theirs.media_ids[0]).state is AgreementState.DISPUTED
    who = other.office.person("supervisor")
    with other.database.write() as tx:
        settled = agreement.settle(tx, who, theirs.media_ids[0], "uk-abc", "B", "looked again")
    assert dict(settled.votes)[other.node(one).organisation_id] == "A"
    assert other.agreed(theirs.media_ids[0]).code == "B"
    # What was settled stays until a vote changes.
    assert one.tell(other) == 0
    assert other.agreed(theirs.media_ids[0]).code == "B"


def test_a_vote_that_is_taken_back_is_taken_back_there(two: Two):
    one, other = two
    mine, theirs = one_media(one, other)
    media_id = theirs.media_ids[0]
    one.vote(mine, "A")
    one.tell(other)
    one.vote(mine, "B")
    one.tell(other)
    assert other.agreed(media_id) == Agreed(INDICATIVE, "B", 1)
    with one.database.write() as tx:
        grade.clear(tx, one.office.person("grader"), mine.id, mine.media_ids)
    one.tell(other)
    assert other.agreed(media_id) == agreement.NOTHING
    assert history(other, media_id) == [("partner", "A"), ("partner", "B"), ("partner", None)]


def test_organisations_that_differ_have_no_common_vote_until_it_is_settled(two: Two):
    one, other = two
    mine, theirs = one_media(one, other)
    media_id = theirs.media_ids[0]
    first, second, _ = cases_of(one, mine)
    one.vote(first, "A")
    one.tell(other)
    one.vote(second, "B", 1)
    one.tell(other)
    assert other.agreed(media_id) == agreement.NOTHING
    with one.database.write() as tx:
        who = one.office.person("supervisor")
        agreement.settle(tx, who, mine.media_ids[0], "uk-abc", "B", "looked again")
    one.tell(other)
    assert other.agreed(media_id) == Agreed(INDICATIVE, "B", 1)


def test_votes_of_others_are_not_passed_on(nation):
    one, other, third = nation("aa"), nation("bb"), nation("cc")
    befriend(one, other)
    befriend(other, third)
    mine, theirs, last = one_media(one, other, third)
    one.vote(mine, "A")
    one.tell(other)
    assert other.agreed(theirs.media_ids[0]).votes == 1
    other.tell(one, third)
    assert third.agreed(last.media_ids[0]) == agreement.NOTHING
    assert one.agreed(mine.media_ids[0]).votes == 1
    with other.database.read() as tx:
        assert tx.execute(select(NodeSent.number)).all() == []


def test_a_vote_waits_for_its_content_and_counts_when_it_comes(two: Two):
    one, other = two
    mine = one.office.make_case(3)
    for place in range(3):
        one.vote(mine, "A", media=place)
    assert one.tell(other) == 0
    theirs = other.office.make_case(2)
    assert other.counting.count() == 2
    assert other.agreed(theirs.media_ids[1]) == Agreed(INDICATIVE, "A", 1)
    other.renew()
    assert other.counting.count() == 0
    other.office.make_case(1)
    assert other.counting.count() == 1
    assert other.counting.count() == 0


def test_what_is_told_twice_or_again_later_counts_once(two: Two):
    one, other = two
    mine, theirs = one_media(one, other)
    one.vote(mine, "A")
    one.tell(other)
    sha256 = next(iter(_digests(other)))
    for _ in range(2):
        both = (Statement(sha256, "uk-abc", "B"), Statement(sha256, "uk-abc", "A"))
        one.put(other, VOTES, Votes(both))
        one.send(other)
        other.counting.count()
    assert history(other, theirs.media_ids[0]) == [("partner", "A")]
    assert other.agreed(theirs.media_ids[0]) == Agreed(INDICATIVE, "A", 1)


def _digests(nation: Nation) -> list[str]:
    with nation.database.read() as tx:
        return [sha256.hex() for sha256 in tx.execute(select(NodeVote.sha256)).scalars()]


@pytest.mark.parametrize(("scheme", "code"), [("mars-9", "A"), ("uk-abc", "Z")])
def test_words_that_are_not_spoken_here_are_kept_and_not_counted(two: Two, scheme: str, code: str):
    one, other = two
    mine, theirs = one_media(one, other)
    one.vote(mine, "A")
    one.tell(other)
    (sha256,) = _digests(other)
    one.put(other, VOTES, Votes((Statement(sha256, scheme, code),)))
    (reply,) = one.send(other)
    assert bytes(reply.body) == b'{"taken":1,"unknown":1}'
    other.counting.count()
    assert other.agreed(theirs.media_ids[0]) == Agreed(INDICATIVE, "A", 1)
    assert told(other)[f"{sha256[:8]} {scheme}"] == code


def test_a_nation_whose_votes_are_not_wanted_is_told_so(nation):
    one, other = nation("aa"), nation("bb")
    one.trust(other)
    other.trust(one, Allowed(may_ask=True))
    mine, theirs = one_media(one, other)
    one.vote(mine, "A")
    one.tell(other)
    assert '"refused":"policy"' in one.logged("node.answered")[0]
    assert other.agreed(theirs.media_ids[0]) == agreement.NOTHING
    assert told(other) == {}
    # Once they are wanted, what was refused is told again.
    other.changes(one, votes=True)
    with one.database.write() as tx:
        outbox.forget(tx, one.node(other).id)
    assert one.tell(other) == 1
    assert other.agreed(theirs.media_ids[0]) == Agreed(INDICATIVE, "A", 1)


def test_votes_that_wait_do_not_count_once_their_nation_is_trusted_no_more(two: Two):
    one, other = two
    mine = one.office.make_case(1)
    one.vote(mine, "A")
    one.tell(other)
    other.removes(one)
    theirs = other.office.make_case(1)
    assert other.counting.count() == 0
    assert other.agreed(theirs.media_ids[0]) == agreement.NOTHING


def test_a_thousand_votes_go_in_bounded_messages_and_only_what_changed_again(two: Two):
    one, other = two
    mine = one.office.make_case(1_200)
    other.office.make_case(1_200)
    decisions = [Decision(media_id, "A") for media_id in mine.media_ids]
    with one.database.write() as tx:
        grade.give(tx, one.office.person("grader"), mine.id, decisions)
    assert one.tell(other) == 1_200
    with one.database.read() as tx:
        counts = [len(about) for about in tx.execute(select(NodeSent.about)).scalars()]
    assert counts == [1_000, 200]
    one.vote(mine, "B", media=7)
    assert one.tell(other) == 1
    with one.database.read() as tx:
        (last,) = tx.execute(select(NodeSent.about).where(NodeSent.number == 3)).scalars()
    assert last == [mine.media_ids[7]]


def test_who_counts_at_the_same_time_counts_nothing_twice(two: Two):
    one, other = two
    mine = one.office.make_case(40)
    theirs = other.office.make_case(40)
    decisions = [Decision(media_id, "A") for media_id in mine.media_ids]
    with one.database.write() as tx:
        grade.give(tx, one.office.person("grader"), mine.id, decisions)
    voting.tell(one.database, one.node(other).id, one.identity.pin)
    one.send(other)
    with ThreadPoolExecutor(4) as pool:
        counters = [Counting(other.database) for _ in range(4)]
        assert sum(pool.map(Counting.count, counters)) == 40
    for media_id in theirs.media_ids:
        assert history(other, media_id) == [("partner", "A")]


def test_our_votes_are_told_to_nobody_who_is_not_to_hear_them(nation):
    one, other = nation("aa"), nation("bb")
    one.trust(other, Allowed(may_ask=True, votes=True))
    other.trust(one)
    mine, theirs = one_media(one, other)
    one.vote(mine, "A")
    assert one.tell(other) == 0
    one.changes(other, hears=True)
    assert one.tell(other) == 1
    one.changes(other, hears=False)
    one.vote(mine, "B")
    assert one.tell(other) == 0
    assert other.agreed(theirs.media_ids[0]).code == "A"


def test_the_answer_to_votes_is_the_same_whether_contents_are_here_or_not(two: Two):
    one, other = two
    mine = one.office.make_case(2)
    other.office.make_case(1)
    answers = []
    for place in range(2):
        one.vote(mine, "A", media=place)
        voting.tell(one.database, one.node(other).id, one.identity.pin)
        (reply,) = one.send(other)
        answers.append(bytes(reply.body))
    assert answers[0] == answers[1]


def test_votes_that_wait_do_not_count_while_they_are_not_wanted(two: Two):
    one, other = two
    mine = one.office.make_case(2)
    one.vote(mine, "A")
    one.tell(other)
    other.changes(one, votes=False)
    theirs = other.office.make_case(1)
    assert other.counting.count() == 0
    other.changes(one, votes=True)
    assert other.counting.count() == 1
    # What waited when its nation was removed does not come back with it.
    one.vote(mine, "A", media=1)
    one.tell(other)
    other.removes(one)
    other.trust(one)
    later = other.office.make_case(1)
    assert other.counting.count() == 0
    assert other.agreed(later.media_ids[0]) == agreement.NOTHING
    assert other.agreed(theirs.media_ids[0]).code == "A"


def test_a_vote_taken_back_before_all_begins_anew_is_taken_back_there_too(two: Two):
    one, other = two
    mine, theirs = one_media(one, other)
    one.vote(mine, "A")
    one.tell(other)
    with one.database.write() as tx:
        grade.clear(tx, one.office.person("grader"), mine.id, mine.media_ids)
    voting.tell(one.database, one.node(other).id, one.identity.pin)
    one.restarts(other)
    other.restarts(one)
    one.tell(other)
    assert other.agreed(theirs.media_ids[0]) == agreement.NOTHING


def test_two_nations_that_are_each_divided_both_settle_and_both_keep_their_vote(two: Two):
    nations = one, other = two
    cases = one_media(one, other)
    for this, case in zip(nations, cases, strict=True):
        first, second, _ = cases_of(this, case)
        this.vote(first, "A")
        this.vote(second, "B", 1)
    one.tell(other)
    other.tell(one)
    codes = ("A", "B")
    for this, that, case, code in zip(nations, reversed(nations), cases, codes, strict=True):
        with this.database.write() as tx:
            who = this.office.person("supervisor")
            agreement.settle(tx, who, case.media_ids[0], "uk-abc", code, "looked again")
        this.tell(that)
    for this, that, code in zip(nations, reversed(nations), codes, strict=True):
        assert list(told(that).values()) == [code], this.name
    # A newer vote of an organisation of theirs opens it again.
    one.vote(cases[0], "C")
    one.tell(other)
    assert list(told(other).values()) == [None]
