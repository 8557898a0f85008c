"""Deletion of a case: two persons, keys destroyed, and the log left whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from casework_office import MadeCase, Office, join
from casework_scans import hit, other, picture, session
from sqlalchemy import func, insert, select, update

from tutela.access import approvals
from tutela.casework import case as cases
from tutela.casework import deletion, hold, intake, notes, tags
from tutela.casework.intake import Source
from tutela.casework.model import CaseState
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.evidence.vault import Vault
from tutela.evidence.vault.master import named
from tutela.observation import retention
from tutela.scan.wire import Status
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import (
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Sighting,
)
from tutela.store.tables.grading import Grade
from tutela.store.tables.vault import VaultObject


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    key = tmp_path / "master.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    return Vault(tmp_path / "vault", named(f"file:{key}"))


@dataclass
class Doomed:
    """A case to be deleted: `ids` of media that it has alone, shares, and has a grade on."""

    case: MadeCase
    ids: list[int]
    kept: dict[str, dict[str, str]]


@pytest.fixture
def doomed(office: Office, vault: Vault) -> Doomed:
    examiner = office.person("examiner")
    case, lasting = office.make_case(0), office.make_case(0)
    kept = {
        name: {
            "thumbnail": vault.put("thumbnail", b"blurred"),
            "original": vault.put("original", b"x" * 1000),
        }
        for name in ("alone", "shared")
    }
    vault.flush()
    facts = [("Make", "Kamera"), ("Body Serial", "A123")]
    evidence = [
        picture("alone", kept=kept["alone"], facts=facts),
        picture("shared", kept=kept["shared"], hits=[hit("watched")]),
        picture("judged"),
        other("lost", Status.SKIPPED),
    ]
    for of, some in ((case, evidence), (lasting, evidence[1:2])):
        source = Source("A", "phone")
        intake.add(office.database, examiner, of.id, source, session(some), vault=vault)
    with office.database.write() as tx:
        ids = [
            tx.execute(
                select(Media.id).where(Media.sha256 == one.outcome.digests.sha256)
            ).scalar_one()
            for one in evidence[:3]
        ]
        tx.execute(
            insert(Grade).values(
                media_id=ids[2],
                case_id=case.id,
                organisation_id=examiner.organisation_id,
                account_id=None,
                scheme="uk-abc",
                code="A",
                facets={},
                law="",
                basis="viewed",
                at=now(),
            )
        )
        tags.add(tx, office.person("grader"), case.id, ids[:1], "garden")
        notes.write(tx, examiner, case.id, f"media:{ids[0]}", "seen before")
    return Doomed(case, ids, kept)


def test_it_needs_a_second_person_and_no_hold(office: Office, doomed: Doomed):
    supervisor, case = office.person("supervisor"), doomed.case
    with office.database.write() as tx:
        hold.put(tx, supervisor, case.id)
        with pytest.raises(UsageError, match="hold"):
            deletion.ask(tx, supervisor, case.id, "the warrant was lifted")
        tx.execute(update(Case).values(legal_hold=False))
        asked = deletion.ask(tx, supervisor, case.id, "the warrant was lifted")
        with pytest.raises(AccessError):
            deletion.ask(tx, office.person("examiner"), case.id, "I want it gone")
    with pytest.raises(AccessError) as refused:
        deletion.delete_case(
            office.database, supervisor, case.id, asked, None, retention.forget_case
        )
    assert refused.value.code == "second_person"
    second = another(office, case)
    with office.database.write() as tx:
        approvals.decide(tx, second, asked, granted=True)
        hold.put(tx, supervisor, case.id)
    with pytest.raises(UsageError, match="hold"):
        deletion.delete_case(
            office.database, supervisor, case.id, asked, None, retention.forget_case
        )


def test_a_hold_is_lifted_by_two_and_once(office: Office):
    case, supervisor = office.make_case(1), office.person("supervisor")
    second = another(office, case)
    with office.database.write() as tx:
        with pytest.raises(UsageError, match="no legal hold"):
            hold.ask(tx, supervisor, case.id, "the appeal is over")
        hold.put(tx, supervisor, case.id)
        with pytest.raises(UsageError, match="why"):
            hold.ask(tx, supervisor, case.id, " ")
        asked = hold.ask(tx, office.person("examiner"), case.id, "the appeal is over")
        again = hold.ask(tx, supervisor, case.id, "the appeal is over")
        glass = Principal(None, None, "glass", frozenset(), Via.BREAK_GLASS)
        for who in (office.person("examiner"), supervisor, glass):
            with pytest.raises(AccessError) as refused:
                hold.lift(tx, who, case.id, asked)
            assert refused.value.code == "second_person"
        assert cases.info(tx, supervisor, case.id).legal_hold
        approvals.decide(tx, second, asked, granted=True)
        hold.lift(tx, second, case.id, asked)
        assert not cases.info(tx, supervisor, case.id).legal_hold
        hold.put(tx, supervisor, case.id)
        with pytest.raises(AccessError):
            hold.lift(tx, second, case.id, asked)
        approvals.decide(tx, second, again, granted=True)
        with pytest.raises(AccessError):  # granted for something else
            approvals.carry_out(tx, second, again, deletion.KIND, f"case:{case.id}")
        hold.lift(tx, supervisor, case.id, again)
        actions = select(AuditEvent.action).where(AuditEvent.subject == f"case:{case.id}")
        told = list(tx.execute(actions.order_by(AuditEvent.seq)).scalars())
    assert told == ["case.held", "case.released"] * 2


def another(office: Office, case: MadeCase):
    """Hire a second supervisor, who is of the team."""
    with office.database.write() as tx:
        second = office.hire(tx, "supervisor2", Role.SUPERVISOR)
        join(tx, case.id, [second])
    return second


def test_it_leaves_the_log_the_grades_and_the_totals(office: Office, vault: Vault, doomed: Doomed):
    supervisor, case, ids = office.person("supervisor"), doomed.case, doomed.ids
    second = another(office, case)
    with office.database.write() as tx:
        asked = deletion.ask(tx, supervisor, case.id, "the warrant was lifted")
        approvals.decide(tx, second, asked, granted=True)
    done = deletion.delete_case(
        office.database, supervisor, case.id, asked, vault, retention.forget_case
    )
    assert (done.media, done.sightings, done.objects) == (3, 4, 2)
    assert set(vault.shreds()) == set(doomed.kept["alone"].values())
    assert vault.open(doomed.kept["shared"]["original"]) == b"x" * 1000
    with office.database.read() as tx:
        info = cases.info(tx, supervisor, case.id)
        assert (info.state, info.title, info.number[:4]) == (CaseState.DELETED, "", "TEST")
        with pytest.raises(UsageError, match="deleted"):
            cases.working(tx, case.id)
        (exhibit,) = [e for e in cases.exhibits(tx, supervisor, case.id) if e.seen]
        assert (exhibit.seen, exhibit.device, exhibit.label) == (4, "", f"deleted {exhibit.id}")
        mine = select(Exhibit.id).where(Exhibit.case_id == case.id)
        for gone in (
            CaseMedia.case_id == case.id,
            MediaHit.case_id == case.id,
            Sighting.exhibit_id.in_(mine),
            MediaFact.media_id == ids[0],
        ):
            assert tx.execute(select(func.count()).where(gone)).scalar_one() == 0
        rows = {row.id: row for row in tx.execute(select(Media.__table__))}
        assert (rows[ids[0]].sha256, rows[ids[0]].pdq, rows[ids[0]].camera_serial) == (None,) * 3
        assert rows[ids[1]].pdq is not None, "another case has it"
        assert rows[ids[2]].sha256 is not None, "a grade was given on it"
        assert rows[ids[2]].pdq is None
        assert tx.execute(select(func.count()).select_from(Grade)).scalar_one() == 1
        shredded = tx.execute(
            select(VaultObject.media_id).where(VaultObject.shredded_at.is_not(None)).distinct()
        ).scalars()
        assert list(shredded) == [ids[0]]
        events = tx.execute(select(AuditEvent.action).where(AuditEvent.action == "case.deleted"))
        assert len(events.all()) == 1
    with pytest.raises(UsageError, match="deleted already"):
        deletion.delete_case(
            office.database, supervisor, case.id, asked, vault, retention.forget_case
        )
