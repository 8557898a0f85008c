"""Cases: their authority, who sees them, closing, holding, deleting."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from casework_office import Office
from sqlalchemy import select

from tutela.casework import authority, hold
from tutela.casework import case as cases
from tutela.casework import team as joining
from tutela.casework.model import CaseState, NewAuthority
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Via
from tutela.core.time import now
from tutela.store.tables.audit import AuditEvent

WARRANT = NewAuthority(
    legal_basis="Test Act, s. 8",
    reference="W 12/26",
    scope="one phone",
    granted_by="Test Court",
    valid_from=now() - timedelta(days=1),
    valid_until=now() + timedelta(days=30),
)


def test_a_case_is_seen_by_its_team_only(office: Office):
    who = office.person("examiner")
    with office.database.write() as tx:
        made = cases.create(tx, who, "OP-1", "An invented case", WARRANT, "uk-abc")
    with office.database.read() as tx:
        info = cases.info(tx, who, made)
        assert (info.number, info.state, info.keeps_media) == ("OP-1", CaseState.OPEN, False)
        assert info.authority.reference == "W 12/26"
        assert info.authority.valid_at(now())
        assert [case.number for case in cases.list_(tx, who)] == ["OP-1"]
        assert cases.by_number(tx, who, "OP-1") == info
        stranger = office.person("examiner", 1)
        assert cases.list_(tx, stranger) == []
        said = []
        for number in ("OP-1", "OP-999"):
            with pytest.raises(AccessError) as caught:
                cases.by_number(tx, stranger, number)
            said.append(str(caught.value))
        assert said[0] == said[1], "a stranger cannot tell whether it is there"
        body = tx.execute(
            select(AuditEvent.body).where(AuditEvent.action == "case.created")
        ).scalar_one()
        assert b"OP-1" not in body
        assert b"invented" not in body
        broken = msgspec.structs.replace(who, via=Via.BREAK_GLASS, account_id=None)
        assert len(cases.list_(tx, broken)) == 1


def test_who_could_join_a_team(office: Office):
    who = office.person("examiner")
    with office.database.write() as tx:
        made = cases.create(tx, who, "OP-1", "", WARRANT, "uk-abc")
        named_ = {one.name for one in joining.candidates(tx, who, made)}
        assert {"grader.0", "grader.1", "supervisor.0"} <= named_
        assert not named_ & {"examiner.0", "administrator.0", "auditor.0", "member.0"}
        assert joining.by_name(tx, who, made, "Grader.0") == office.person("grader").account_id
        with pytest.raises(UsageError):
            joining.by_name(tx, who, made, "nobody")
        with pytest.raises(AccessError):
            joining.candidates(tx, office.person("grader"), made)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"legal_basis": " "}, "legal basis"),
        ({"reference": ""}, "reference"),
        ({"valid_until": WARRANT.valid_from}, "before it begins"),
        ({"valid_from": WARRANT.valid_from.replace(tzinfo=None)}, "time zone"),
    ],
)
def test_an_authority_is_complete(small_office: Office, change: dict[str, object], word: str):
    incomplete = msgspec.structs.replace(WARRANT, **change)
    with pytest.raises(UsageError, match=word), small_office.database.write() as tx:
        cases.create(tx, small_office.person("examiner"), "OP-1", "", incomplete, "uk-abc")


def test_what_makes_no_case(small_office: Office):
    who = small_office.person("examiner")
    with small_office.database.write() as tx:
        cases.create(tx, who, "OP-1", "", WARRANT, "uk-abc")
        for number, title, scheme in (
            ("OP-1", "", "uk-abc"),
            ("", "", "uk-abc"),
            ("OP\n2", "", "uk-abc"),
            ("OP-2", "x" * 301, "uk-abc"),
            ("OP-2", "", "no-such-scheme"),
        ):
            with pytest.raises(UsageError):
                cases.create(tx, who, number, title, WARRANT, scheme)
        with pytest.raises(AccessError):
            cases.create(tx, small_office.person("grader"), "OP-3", "", WARRANT, "uk-abc")


def test_closing_holding_and_a_new_authority(office: Office):
    who = office.person("examiner")
    case = office.make_case(0, valid_days=-1)
    with office.database.write() as tx:
        with pytest.raises(UsageError, match="authority"):
            cases.working(tx, case.id)
        authority.renew(tx, who, case.id, WARRANT)
        assert cases.working(tx, case.id).authority.reference == "W 12/26"
        cases.close(tx, who, case.id)
        with pytest.raises(UsageError, match="closed"):
            cases.working(tx, case.id)
        with pytest.raises(UsageError):
            cases.close(tx, who, case.id)
        cases.reopen(tx, who, case.id)
        hold.put(tx, who, case.id)
        assert cases.info(tx, who, case.id).legal_hold
        for refused in (hold.put, lambda *given: hold.ask(*given, "no more")):
            with pytest.raises(AccessError):
                refused(tx, office.person("grader"), case.id)
        actions = tx.execute(select(AuditEvent.action).order_by(AuditEvent.seq)).scalars().all()
    assert actions == ["case.authorised", "case.closed", "case.reopened", "case.held"]
