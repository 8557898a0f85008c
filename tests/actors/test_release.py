"""A lead is released by two persons, is over after a time, and is never released about some."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from leads_support import FIRST, READ, Town, hashed, page, post
from sqlalchemy import select, update

from tutela.access import approvals
from tutela.actors import deconflict, export, forget, marking, ranking, release
from tutela.actors.deconflict import Identifier
from tutela.actors.marking import Mark
from tutela.audit import checkpoint, proof
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.ids import ApprovalId
from tutela.core.settings import AuditSettings
from tutela.core.time import now
from tutela.observation import keep, places
from tutela.observation.keep import Source
from tutela.observation.model import EntityKind
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.leads import AccountLink, AccountMark, Lead, RankedAccount, Ranking
from tutela.store.tables.observation import Post


def proposed(town: Town, handle: str = "heron") -> int:
    ranking.rank(town.database, town.who, town.case_id, town.desk())
    with town.database.write() as tx:
        account = town.account(handle)
        return release.propose(tx, town.who, town.case_id, account, town.desk())


def ask(town: Town, lead: int) -> ApprovalId:
    return release.ask(
        town.database, town.who, town.case_id, lead, town.desk(), "for the unit in the north"
    )


def carried(town: Town, lead: int) -> release.LeadInfo:
    return release.release(town.database, town.who, town.case_id, lead, town.desk())


def granted(town: Town, lead: int) -> None:
    asked = ask(town, lead)
    with town.database.write() as tx:
        approvals.decide(tx, town.supervisor, asked, granted=True)


def state(town: Town, lead: int) -> str:
    with town.database.read() as tx:
        return release.find(tx, town.who, town.case_id, lead).state


def test_two_persons_release_a_lead_once(town: Town):
    lead = proposed(town)
    with pytest.raises(AccessError) as alone:
        carried(town, lead)
    assert alone.value.code == "second_person"
    asked = ask(town, lead)
    with pytest.raises(AccessError), town.database.write() as tx:
        approvals.decide(tx, town.who, asked, granted=True)
    with pytest.raises(AccessError):
        carried(town, lead)
    with town.database.write() as tx:
        approvals.decide(tx, town.supervisor, asked, granted=True)
    released = carried(town, lead)
    assert (released.state, state(town, lead)) == ("released", "released")
    assert released.expires_at is not None
    assert released.released_at is not None
    assert released.expires_at - released.released_at == timedelta(days=90)
    with pytest.raises(ConflictError):
        carried(town, lead)
    with town.database.read() as tx:
        event = tx.execute(
            select(AuditEvent.action, AuditEvent.body).where(
                AuditEvent.seq == released.released_seq
            )
        ).one()
    assert event.action == "lead.released"
    assert b"heron" not in event.body


def test_a_grant_for_one_lead_releases_no_other(town: Town):
    heron, stork = proposed(town), proposed(town, "stork")
    granted(town, heron)
    with town.database.write() as tx:
        first = release.find(tx, town.who, town.case_id, heron)
        tx.execute(update(Lead).where(Lead.id == stork).values(approval_id=first.approval_id))
    with pytest.raises(AccessError) as refused:
        carried(town, stork)
    assert refused.value.code == "second_person"
    with town.database.write() as tx:
        changed = first.explanation | {"score": 1.0}
        tx.execute(update(Lead).where(Lead.id == heron).values(explanation=changed))
    with pytest.raises(AccessError):
        carried(town, heron)


def test_nobody_withheld_is_released_not_even_after_the_grant(town: Town):
    for kind in (Mark.SAFEGUARDING, Mark.OFFICER):
        lead = proposed(town)
        granted(town, lead)
        with town.database.write() as tx:
            heron = town.account("heron")
            mark = marking.put(tx, town.who, town.case_id, heron, kind, "a call came in")
        with pytest.raises(UsageError) as refused:
            carried(town, lead)
        assert refused.value.code == "withheld"
        with town.database.write() as tx:
            marking.undo(tx, town.who, town.case_id, mark, "settled")
            release.withdraw(tx, town.who, town.case_id, lead, "anew")
    lead = proposed(town)
    granted(town, lead)
    with town.database.write() as tx:
        administrator = town.office.person("administrator")
        one = [Identifier(EntityKind.HANDLE, "heron")]
        deconflict.add(tx, administrator, town.desk().key, one)
    with pytest.raises(UsageError) as blind:
        carried(town, lead)
    assert (blind.value.code, blind.value.message) == ("withheld", refused.value.message)


def test_who_is_withheld_since_the_release_does_not_leave(town: Town, tmp_path: Path):
    lead = proposed(town)
    granted(town, lead)
    carried(town, lead)
    with town.database.write() as tx:
        account = town.account("heron")
        marking.put(tx, town.who, town.case_id, account, Mark.SAFEGUARDING, "looks like a child's")
    with pytest.raises(UsageError) as refused:
        export.write(
            town.database, town.who, town.case_id, lead, "jsonl", tmp_path / "x", by=town.desk()
        )
    assert refused.value.code == "withheld"
    assert not (tmp_path / "x").exists()


def test_an_old_ranking_releases_nobody(town: Town):
    lead = proposed(town)
    with town.database.write() as tx:
        tx.execute(update(Ranking).values(made_at=now() - timedelta(days=31)))
    with pytest.raises(UsageError) as refused:
        ask(town, lead)
    assert refused.value.code == "old_ranking"


def test_who_has_moved_since_is_not_released(town: Town):
    lead = proposed(town)
    granted(town, lead)
    source = Source(town.case_id, "crawl order 1", timedelta(days=400))
    with town.database.write() as tx:
        for entry, bird in ((1000, "crane"), (2000, "egret"), (3000, "ibis")):
            more = [
                post(bird, f"{bird}{n}", FIRST + timedelta(days=20 * n), f"{bird}-{n}", views=10**6)
                for n in range(14)
            ]
            keep.pages(tx, town.words, source, [page(*more, thread=bird, host="x.test")], READ)
            found = [hashed(f"{bird}-{n}", entry + n) for n in range(14)]
            places.settle(tx, town.case_id, found, READ)
    with pytest.raises(UsageError) as refused:
        carried(town, lead)
    assert refused.value.code == "moved"
    assert state(town, lead) == "proposed"


def test_who_was_ranked_as_one_and_is_not_any_more_is_not_released(town: Town):
    lead = proposed(town)
    both = [town.account("heron"), town.account("stork")]
    with town.database.write() as tx:
        tx.execute(update(Lead).where(Lead.id == lead).values(members=both))
    with pytest.raises(UsageError) as refused:
        ask(town, lead)
    assert refused.value.code == "moved"


def test_a_lead_is_over_taken_back_and_proposed_again(town: Town, tmp_path: Path):
    lead = proposed(town)
    with pytest.raises(ConflictError), town.database.write() as tx:
        release.propose(tx, town.who, town.case_id, town.account("heron"), town.desk())
    granted(town, lead)
    carried(town, lead)
    with town.database.write() as tx:
        release.withdraw(tx, town.who, town.case_id, lead, "the key was pasted by another")
        with pytest.raises(ConflictError):
            release.withdraw(tx, town.who, town.case_id, lead, "twice")
    assert state(town, lead) == "withdrawn"
    with pytest.raises(UsageError):
        export.write(
            town.database, town.who, town.case_id, lead, "jsonl", tmp_path / "x", by=town.desk()
        )
    with town.database.write() as tx:
        release.restore(tx, town.who, town.case_id, lead)
        with pytest.raises(ConflictError):
            release.restore(tx, town.who, town.case_id, lead)
    assert state(town, lead) == "proposed"
    with pytest.raises(AccessError):
        carried(town, lead)
    granted(town, lead)
    carried(town, lead)
    with town.database.write() as tx:
        tx.execute(update(Lead).values(expires_at=now() - timedelta(seconds=1)))
    assert state(town, lead) == "expired"
    with pytest.raises(UsageError) as over:
        export.write(
            town.database, town.who, town.case_id, lead, "jsonl", tmp_path / "x", by=town.desk()
        )
    assert over.value.code == "not_released"


def test_an_export_holds_rows_and_no_words(town: Town, tmp_path: Path):
    lead = proposed(town)
    with pytest.raises(UsageError):
        export.write(
            town.database, town.who, town.case_id, lead, "jsonl", tmp_path / "x", by=town.desk()
        )
    granted(town, lead)
    released = carried(town, lead)
    out = tmp_path / "lead.jsonl"
    made = export.write(town.database, town.who, town.case_id, lead, "jsonl", out, by=town.desk())
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    kinds = {row["type"] for row in rows}
    assert kinds == {
        *("lead", "limit", "account", "term", "post", "hit", "counter", "sensitivity", "proof"),
    }
    assert made.rows == len(rows)
    head = rows[0]
    assert (head["place"], head["log_event"]) == (1, released.released_seq)
    assert {row["handle"] for row in rows if row["type"] == "account"} == {"heron"}
    hits = [row for row in rows if row["type"] == "hit"]
    assert len({row["sha256"] for row in hits}) == 10
    assert {row["list"] for row in hits} == {"n", "m"}
    assert "a boat for the harbour" not in out.read_text(), "no words of posts"
    with town.database.read() as tx:
        logged = tx.execute(
            select(AuditEvent.body).where(AuditEvent.action == "lead.exported")
        ).scalar_one()
    assert made.sha256 in logged.decode()
    assert rows[-1]["inclusion"] == "", "the log was not signed since"
    settings = AuditSettings(signing_key=tmp_path / "audit.key")
    checkpoint.create_key(settings.signing_key, settings.origin)
    with town.database.write() as tx:
        checkpoint.sign(tx, settings)
    export.write(town.database, town.who, town.case_id, lead, "jsonl", out, by=town.desk())
    proved = proof.parse_inclusion(json.loads(out.read_text().splitlines()[-1])["inclusion"])
    proof.check(proved, [checkpoint.signing_key(settings).verifier])
    assert proved.index == released.released_seq
    assert b'"lead.released"' in proved.body
    for form in ("html", "pdf"):
        made = export.write(
            town.database, town.who, town.case_id, lead, form, tmp_path / form, by=town.desk()
        )
        assert made.path.stat().st_size > 2000
    page_ = (tmp_path / "html").read_text()
    assert "<img" not in page_
    assert "tutela audit proof" in page_
    with pytest.raises(UsageError):
        export.write(
            town.database, town.who, town.case_id, lead, "docx", tmp_path / "x", by=town.desk()
        )


def test_only_the_team_works_on_leads(town: Town):
    lead = proposed(town)
    other = town.office.person("supervisor", 1)
    with town.database.read() as tx, pytest.raises(AccessError):
        release.find(tx, other, town.case_id, lead)
    with pytest.raises(AccessError):
        release.release(town.database, other, town.case_id, lead, town.desk())
    with town.database.read() as tx, pytest.raises(UsageError):
        release.find(tx, town.who, town.case_id, lead + 1)


def test_nothing_of_a_deleted_case_is_left(town: Town):
    proposed(town)
    with town.database.write() as tx:
        marking.put(tx, town.who, town.case_id, town.account("gull"), Mark.OFFICER, "told")
        keys = forget.forget_case(tx, town.case_id, now())
        left = [
            table
            for table in (Lead, Ranking, RankedAccount, AccountLink, AccountMark, Post)
            if tx.execute(select(table.__table__)).first() is not None
        ]
    assert len(keys) == 1
    assert left == []
