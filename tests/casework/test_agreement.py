from __future__ import annotations

import pytest
from casework_office import MadeCase, Office
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tutela.casework import agreement, grade, policy
from tutela.casework.agreement import Agreed, AgreementState, agree
from tutela.casework.grade import Decision
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.ids import MediaId
from tutela.store.tables.audit import AuditEvent, AuditText

CODES = st.lists(st.sampled_from(["A", "B", "C", "none"]), max_size=8)
NEEDED = st.integers(1, 5)
SCHEME = "uk-abc"


@settings(deadline=None)
@given(CODES, NEEDED)
def test_votes_agree_only_where_nobody_differs(codes: list[str], needed: int) -> None:
    found = agree(codes, needed)
    assert found.votes == len(codes)
    assert (found.state is AgreementState.NONE) == (not codes)
    assert (found.state is AgreementState.DISPUTED) == (len(set(codes)) > 1)
    assert (found.code is None) == (len(set(codes)) != 1)
    if found.state is AgreementState.TRUSTED:
        assert len(codes) >= needed
        assert set(codes) == {found.code}


@settings(deadline=None)
@given(CODES, NEEDED, st.randoms())
def test_the_order_of_votes_does_not_matter(codes, needed, random) -> None:
    shuffled = list(codes)
    random.shuffle(shuffled)
    assert agree(shuffled, needed) == agree(codes, needed)


@settings(deadline=None)
@given(st.sampled_from("ABC"), st.integers(1, 8), NEEDED, CODES)
def test_one_more_vote_never_makes_a_dispute_trusted_nor_trust_indicative(
    code: str, count: int, needed: int, more: list[str]
) -> None:
    codes = [code] * count
    before = agree(codes, needed).state
    for one in more:
        codes.append(one)
        after = agree(codes, needed).state
        if before is AgreementState.DISPUTED:
            assert after is AgreementState.DISPUTED
        if before is AgreementState.TRUSTED:
            assert after in (AgreementState.TRUSTED, AgreementState.DISPUTED)
        before = after


def shared(office: Office) -> list[MadeCase]:
    """One media in a case of each organisation."""
    first = office.make_case(1)
    return [first, *(office.make_case(first.media_ids, organisation=at) for at in (1, 2))]


def vote(office: Office, case: MadeCase, organisation: int, code: str, name="grader") -> None:
    with office.database.write() as tx:
        grade.give(
            tx,
            office.person(name, organisation),
            case.id,
            [Decision(case.media_ids[0], code)],
        )


def now_agreed(office: Office, media_id: MediaId) -> Agreed:
    with office.database.read() as tx:
        return agreement.of(tx, [media_id], SCHEME)[media_id]


def logged(office: Office) -> list[str]:
    with office.database.read() as tx:
        rows = tx.execute(select(AuditEvent.action).order_by(AuditEvent.seq)).scalars()
        return [action for action in rows if action.startswith("agreement.")]


def test_three_organisations_make_trust_and_a_later_voice_ends_it(office: Office) -> None:
    cases = shared(office)
    (media_id,) = cases[0].media_ids
    vote(office, cases[0], 0, "A")
    vote(office, cases[0], 0, "A", "grader2")  # the same organisation: still one vote
    vote(office, cases[1], 1, "A")
    assert now_agreed(office, media_id) == Agreed(AgreementState.INDICATIVE, "A", 2)
    assert logged(office) == []
    vote(office, cases[2], 2, "A")
    assert now_agreed(office, media_id) == Agreed(AgreementState.TRUSTED, "A", 3)
    vote(office, cases[2], 2, "B")
    assert now_agreed(office, media_id) == Agreed(AgreementState.DISPUTED, None, 3)
    with office.database.write() as tx:
        grade.undo(tx, office.person("grader", 2), cases[2].id)
    assert now_agreed(office, media_id) == Agreed(AgreementState.TRUSTED, "A", 3)
    assert logged(office) == ["agreement.trusted", "agreement.disputed", "agreement.trusted"]


def test_a_dispute_is_settled_blind_by_who_did_not_vote(office: Office) -> None:
    cases = shared(office)
    (media_id,) = cases[0].media_ids
    vote(office, cases[0], 0, "A")
    vote(office, cases[1], 1, "B")
    supervisor = office.person("supervisor")
    with office.database.write() as tx:
        for who in (office.person("grader"), office.person("administrator")):
            with pytest.raises(AccessError):
                agreement.disputes(tx, who, SCHEME)
            with pytest.raises(AccessError):
                agreement.settle(tx, who, media_id, SCHEME, "A", "because")
        queue = agreement.disputes(tx, supervisor, SCHEME)
        assert queue == [agreement.Dispute(media_id, SCHEME, 2, cases[0].id)]
        assert agreement.disputes(tx, supervisor, "vics-us") == []
        with pytest.raises(UsageError, match="no code"):
            agreement.settle(tx, supervisor, media_id, SCHEME, "Z", "because")
        with pytest.raises(UsageError, match="why"):
            agreement.settle(tx, supervisor, media_id, SCHEME, "A", "")
        settled = agreement.settle(tx, supervisor, media_id, SCHEME, "B", "As published")
        with pytest.raises(ConflictError):
            agreement.settle(tx, supervisor, media_id, SCHEME, "B", "once more")
        assert agreement.disputes(tx, supervisor, SCHEME) == []
        texts = tx.execute(select(AuditText.text)).scalars().all()
    north, south, _ = office.organisations
    # Only now the votes are told.
    assert settled.votes == ((north, "A"), (south, "B"))
    assert now_agreed(office, media_id) == Agreed(
        AgreementState.TRUSTED, "B", 2, supervisor.account_id
    )
    assert texts == ["As published"]
    vote(office, cases[0], 0, "A", "grader2")  # says what was said before: it stays settled
    assert now_agreed(office, media_id).state is AgreementState.TRUSTED
    vote(office, cases[2], 2, "B")
    assert now_agreed(office, media_id) == Agreed(AgreementState.DISPUTED, None, 3)


def test_who_graded_or_has_no_case_with_it_does_not_settle(small_office: Office) -> None:
    office = small_office
    cases = shared(office)
    (media_id,) = cases[0].media_ids
    vote(office, cases[0], 0, "A")
    vote(office, cases[1], 1, "B")
    voter, supervisor = office.person("grader"), office.person("supervisor", 2)
    both = type(voter)(
        voter.account_id,
        voter.organisation_id,
        voter.name,
        voter.roles | supervisor.roles,
        voter.via,
    )
    with office.database.write() as tx:
        outsider = office.hire(tx, "second supervisor", next(iter(supervisor.roles)), 2)
        for who in (both, outsider):
            assert agreement.disputes(tx, who, SCHEME) == []
            with pytest.raises(ConflictError):
                agreement.settle(tx, who, media_id, SCHEME, "A", "because")
        assert len(agreement.disputes(tx, supervisor, SCHEME)) == 1
        policy.change(tx, office.person("administrator"), adjudication_trusts=False)
        settled = agreement.settle(tx, supervisor, media_id, SCHEME, "A", "because")
    assert settled.state is AgreementState.INDICATIVE


def test_a_changed_rule_can_be_applied_to_the_votes_there_are(office: Office) -> None:
    cases = shared(office)
    (media_id,) = cases[0].media_ids
    vote(office, cases[0], 0, "A")
    vote(office, cases[1], 1, "A")
    administrator = office.person("administrator")
    with office.database.write() as tx:
        policy.change(tx, administrator, votes_to_trust=2)
    assert now_agreed(office, media_id).state is AgreementState.INDICATIVE
    with office.database.write() as tx:
        with pytest.raises(AccessError):
            agreement.refresh(tx, office.person("supervisor"), SCHEME)
        assert agreement.refresh(tx, administrator, SCHEME) == 1
        assert agreement.refresh(tx, administrator, SCHEME) == 0
    assert now_agreed(office, media_id).state is AgreementState.TRUSTED
    assert logged(office) == ["agreement.trusted"]


def test_agreements_are_shown_only_to_organisations_that_voted(small_office: Office) -> None:
    office = small_office
    cases = shared(office)
    (media_id,) = cases[0].media_ids
    vote(office, cases[0], 0, "A")
    with office.database.read() as tx:
        assert agreement.seen(tx, office.person("grader", 1), cases[1].id, [media_id]) == {}
        with pytest.raises(AccessError):
            agreement.seen(tx, office.person("grader", 1), cases[0].id, [media_id])
    vote(office, cases[1], 1, "B")
    with office.database.read() as tx:
        found = agreement.seen(tx, office.person("grader", 1), cases[1].id, [media_id])
    assert found[media_id].state is AgreementState.DISPUTED
