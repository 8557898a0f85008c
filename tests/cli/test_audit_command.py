"""`tutela audit`, as people run it: those who keep a log, who audit it, who witness it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from tutela.access import accounts, approvals
from tutela.audit import checkpoint, log, note, reading
from tutela.audit.merkle import Frontier
from tutela.cli import main
from tutela.cli.open import BREAK_GLASS, write_credential
from tutela.core.ids import AccountId, ApprovalId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store import Database
from tutela.store.migrations import dialect
from tutela.store.tables.access import Account
from tutela.store.tables.audit import AuditCheckpoint, AuditEvent, AuditHead, AuditText


@dataclass
class Place:
    """An installation with a log, and an auditor at its command line."""

    database: Database
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    size: int = 0

    def become(self, role: Role) -> None:
        """Sign the command line in as a program of this role."""
        credential = self.folder / f"{role}.credential"
        with self.database.write() as tx:
            if role is Role.AUDITOR:
                accounts.create_organisation(tx, BREAK_GLASS, "Invented Police", "XX")
            name = f"program-{role}".replace("_", "-")
            _, token = accounts.enrol_program(tx, BREAK_GLASS, 1, name, [role])
        write_credential(credential, token)
        self.monkeypatch.setenv("TUTELA_CLI_CREDENTIAL", str(credential))
        self.size = self.count()

    def become_again(self, role: Role) -> None:
        """Sign in as a program that is there already."""
        self.monkeypatch.setenv("TUTELA_CLI_CREDENTIAL", str(self.folder / f"{role}.credential"))

    def count(self) -> int:
        with self.database.read() as tx:
            return tx.execute(select(AuditHead.size)).scalar_one()


@pytest.fixture
def place(embedded, tmp_path, monkeypatch) -> Place:
    monkeypatch.setenv("TUTELA_DATABASE_URL", embedded.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TUTELA_AUDIT_ORIGIN", "tutela.example/audit")
    monkeypatch.setenv("TUTELA_AUDIT_SIGNING_KEY", str(tmp_path / "audit.key"))
    checkpoint.create_key(tmp_path / "audit.key", "tutela.example/audit")
    made = Place(embedded, tmp_path, monkeypatch)
    made.become(Role.AUDITOR)
    with embedded.write() as tx:
        events = [log.Event("media.viewed", f"media:{n}", {"case": 1}) for n in range(5)]
        events.append(log.Event("case.held", "case:1", {}, {"reason": "an invented reason"}))
        log.record_many(tx, BREAK_GLASS, events)
    made.size = made.count()
    return made


@pytest.fixture
def run(capfd):
    def run(*words: object, status: int = 0):
        found = main.run(["audit", *map(str, words)])
        said = capfd.readouterr()
        assert found == status, said.err
        return said

    return run


def test_a_sound_log_is_verified_without_an_account(place, run, monkeypatch):
    monkeypatch.setenv("TUTELA_CLI_CREDENTIAL", "/nowhere")
    kept = place.folder / "kept"
    kept.write_text(run("checkpoint").out, encoding="utf-8")
    assert run("checkpoint").out == kept.read_text(encoding="utf-8")
    said = run("verify", "--checkpoint", kept)
    assert said.out.startswith(
        f"{place.size} events are whole; checkpoints that fit: 1 here, 1 kept elsewhere; texts: "
    )
    assert said.err == ""
    said = run("verify", "--format", "jsonl")
    assert said.out == ""
    assert said.err.startswith(f"{place.size} events are whole")
    # Whoever has only the verifier key checks just as well.
    public = run("key").out.strip()
    (place.folder / "audit.key").unlink()
    assert "1 kept elsewhere" in run("verify", "--key", public, "--checkpoint", kept).out
    assert "no key" in run("verify").err
    assert "error: the log is broken: the kept" in run("verify", "--checkpoint", kept, status=4).err
    assert "no signing key" in run("key", status=3).err


def test_a_tampered_log_gives_4_and_the_first_bad_event_is_named(place, run):
    with place.database.write() as tx:
        dialect.unguard(tx)
        seq = place.size - 3
        body = tx.execute(select(AuditEvent.body).where(AuditEvent.seq == seq)).scalar_one()
        changed = body.replace(b'"case":1', b'"case":2')
        tx.execute(update(AuditEvent).where(AuditEvent.seq == seq).values(body=changed))
        tx.execute(update(AuditText).values(text="another reason"))
    said = run("verify", status=4)
    first = f"event {seq}: the body was changed"
    assert said.out.splitlines()[-2:] == [
        first,
        f"event {place.size - 1}: the text 'reason' was changed",
    ]
    # The texts of the fixture's accounts were changed too, before that event.
    assert said.err.startswith("error: the log is broken: event 0: the text")
    with place.database.write() as tx:
        tx.execute(delete(AuditText))
    said = run("verify", status=4)
    assert said.out == f"{first}\n"
    assert said.err.startswith(f"error: the log is broken: {first}\nhint: ")
    (row,) = map(json.loads, run("verify", "--format", "jsonl", status=4).out.splitlines())
    assert row == {
        "v": 1,
        "type": "audit_finding",
        "seq": seq,
        "subject": f"event {seq}",
        "what": "the body was changed",
    }


def test_a_log_cut_off_with_everything_in_it_is_found_by_a_kept_checkpoint(place, run):
    kept = place.folder / "kept"
    kept.write_text(run("checkpoint").out, encoding="utf-8")
    with place.database.write() as tx:
        dialect.unguard(tx)
        tree = Frontier()
        tree.extend(reading.leaf_hashes(tx, 0, place.size - 2))
        tx.execute(delete(AuditEvent).where(AuditEvent.seq >= tree.size))
        tx.execute(delete(AuditText).where(AuditText.seq >= tree.size))
        tx.execute(delete(AuditCheckpoint))
        tx.execute(update(AuditHead).values(size=tree.size, frontier=tree.packed, root=tree.root()))
    assert "are whole" in run("verify").out
    said = run("verify", "--checkpoint", kept, status=4)
    assert said.err.startswith(
        f"error: the log is broken: events {place.size - 2} to {place.size - 1}: missing"
    )


def test_an_event_is_proved_to_somebody_without_the_database(place, run, monkeypatch):
    run("checkpoint")
    public = run("key").out.strip()
    proof = place.folder / "event.tlog-proof"
    proof.write_text(run("proof", place.size - 2).out, encoding="utf-8")
    assert run("proof", place.size, status=2).err.startswith("error: event")
    monkeypatch.setenv("TUTELA_DATABASE_URL", "sqlite:////nowhere/at/all.db")
    (place.folder / "audit.key").unlink()
    said = run("check", proof, "--key", public)
    assert json.loads(said.out)["on"] == "media:4"
    assert f"event {place.size - 2} is in the log tutela.example/audit" in said.err
    index = f"\nindex {place.size - 2}\n"
    wrong = proof.read_text(encoding="utf-8").replace(index, "\nindex 1\n")
    proof.write_text(wrong, encoding="utf-8")
    assert "not in the log" in run("check", proof, "--key", public, status=4).err
    assert "no signing key" in run("check", proof, status=3).err
    proof.write_bytes(b"\xff")
    assert "no text" in run("check", proof, "--key", public, status=2).err
    assert "cannot read" in run("check", "/nowhere", "--key", public, status=2).err


def test_another_installation_witnesses_the_log(place, run):
    key, request = place.folder / "witness.key", place.folder / "request"
    public = note.parse_verifier(run("witness-key", key, "witness.example/w1").out)
    theirs = run("key").out.strip()
    signed = place.folder / "checkpoint"
    signed.write_text(run("checkpoint").out, encoding="utf-8")
    line = run("witness", "--key", key, "--log", theirs, "--note", signed).out
    cosigned = signed.read_text(encoding="utf-8") + line
    assert note.verified(note.parse(cosigned), [public]) == [public]
    with place.database.write() as tx:
        log.record(tx, BREAK_GLASS, "case.closed", "case:1")
    run("checkpoint")
    request.write_text(run("consistency", place.size).out, encoding="utf-8")
    line = run("witness", "--key", key, "--log", theirs, "--proof", request).out
    assert line.startswith("\u2014 witness.example/w1 ")
    # A cosigned checkpoint is a checkpoint still.
    signed.write_text(cosigned, encoding="utf-8")
    assert "1 kept elsewhere" in run("verify", "--checkpoint", signed).out
    said = run("witness", "--key", key, "--log", theirs, "--note", signed, status=4)
    assert f"had {place.size + 1} events before" in said.err
    said = run("witness", "--key", key, "--log", theirs, "--proof", request, status=2)
    assert f"consistency {place.size + 1}" in said.err
    assert "no checkpoint to sign" in run("witness", "--key", key, "--log", theirs, status=2).err
    said = run(
        "witness", "--key", place.folder / "audit.key", "--log", theirs, "--note", signed, status=2
    )
    assert "witness-key" in said.err


def test_events_are_exported_as_rows_with_the_words_that_are_kept(place, run):
    rows = [json.loads(line) for line in run("export").out.splitlines()]
    assert [row["seq"] for row in rows] == list(range(place.size + 1))
    assert rows[-1]["action"] == "audit.exported"
    held = rows[-2]
    assert held["texts"] == {"reason": "an invented reason"}
    assert held["data"]["reason"].startswith("salted:")
    assert held["at"].endswith("Z")
    assert {row["via"] for row in rows} == {"break-glass", "cli"}
    chosen = {
        ("--subject", "media:2"): ["media:2"],
        ("--subject", "case:"): ["case:1"],
        ("--action", "media."): [f"media:{number}" for number in range(5)],
        ("--action", "media"): [],
        ("--action", "m_dia."): [],
        ("--action", "case.held"): ["case:1"],
        ("--account", "9"): [],
        ("--subject", "media:2", "--since", held["at"]): ["media:2"],
        ("--subject", "media:2", "--until", held["at"]): [],
        ("--subject", "media:2", "--since", "2099-01-01"): [],
    }
    for words, subjects in chosen.items():
        found = [json.loads(line)["subject"] for line in run("export", *words).out.splitlines()]
        assert found == subjects, words
    table = run("export", "--subject", "case:1", "--format", "csv").out
    (row,) = csv.DictReader(io.StringIO(table))
    assert json.loads(row["texts"]) == {"reason": "an invented reason"}
    with place.database.write() as tx:
        tx.execute(delete(AuditText))
    (row,) = map(json.loads, run("export", "--subject", "case:1").out.splitlines())
    assert row["texts"] == {"reason": None}
    assert "no moment" in run("export", "--since", "soon", status=2).err


def test_the_log_is_exported_as_tiles(place, run):
    run("checkpoint")
    folder = place.folder / "tiles"
    said = run("export", "--tiles", folder)
    assert said.out == f"{place.size} events of tutela.example/audit in {folder}\n"
    assert (folder / "checkpoint").exists()
    assert "whole log" in run("export", "--tiles", folder, "--action", "x", status=2).err


def test_only_who_may_read_the_log_sees_events(place, run, monkeypatch):
    run("checkpoint")
    place.become(Role.EXAMINER)
    before = place.count()
    for words in (("export",), ("proof", 0), ("export", "--tiles", place.folder / "t")):
        said = run(*words, status=2)
        assert said.out == ""
        assert "an auditor or a supervisor can" in said.err
    assert place.count() == before
    assert run("proof", 0, "--break-glass", "an invented reason").out.startswith("c2sp.org/")
    monkeypatch.setenv("TUTELA_CLI_CREDENTIAL", "/nowhere")
    assert "no credential" in run("export", status=2).err


def test_two_persons_erase_words_of_the_log(place, run):
    """An auditor asks, an administrator grants in the browser, and the auditor carries it out."""
    place.become(Role.ADMINISTRATOR)
    place.become_again(Role.AUDITOR)
    run("checkpoint")
    (held,) = map(json.loads, run("export", "--subject", "case:1").out.splitlines())
    seq, why = held["seq"], ["--reason", "asked by the person", "--authority", "Invented Act"]
    assert "which law" in run("erase", seq, "--reason", "x", status=2).err
    assert "--rewrite" in run("erase", status=2).err
    assert "no event 999" in run("erase", 999, *why, status=2).err
    said = run("erase", seq, *why)
    number = said.out.split()[1].rstrip(";")
    assert f"--approval {number}" in said.err
    assert "two persons" in run("erase", "--approval", number, status=2).err
    (held,) = map(json.loads, run("export", "--subject", "case:1").out.splitlines())
    assert (held["texts"], held["erased"]) == ({"reason": "an invented reason"}, [])

    with place.database.write() as tx:
        made = {"organisation_id": 1, "display_name": "Bo", "kind": "person", "state": "active"}
        account = tx.execute(
            insert(Account).values(name="bo", created_at=now(), **made).returning(Account.id)
        ).scalar_one()
        roles = frozenset({Role.ADMINISTRATOR})
        second = Principal(AccountId(account), OrganisationId(1), "bo", roles, Via.WEB)
        approvals.decide(tx, second, ApprovalId(int(number)), granted=True)
        (waiting,) = [one for one in approvals.pending(tx, second) if str(one.id) == number]
        assert waiting.body["authority"] == "Invented Act"
    said = run("erase", "--approval", number)
    assert said.out == "words of 1 events are erased\n"
    assert "written anew" in said.err
    assert "two persons" in run("erase", "--approval", number, status=2).err

    (held,) = map(json.loads, run("export", "--subject", "case:1").out.splitlines())
    assert (held["texts"], held["erased"]) == ({"reason": None}, ["reason"])
    table = run("export", "--subject", "case:1", "--format", "csv").out
    (row,) = csv.DictReader(io.StringIO(table))
    assert json.loads(row["erased"]) == ["reason"]
    (told,) = map(json.loads, run("export", "--action", "audit.erased").out.splitlines())
    assert (told["subject"], told["via"]) == (f"event:{seq}", "cli")
    assert told["texts"] == {"reason": "asked by the person", "authority": "Invented Act"}
    run("checkpoint")
    proof = run("proof", seq)
    assert "an invented reason" not in proof.out
    assert "words of this event were erased: reason" in proof.err
    assert "1 erased" in run("verify").out
    assert "keeps that" in run("erase", told["seq"], *why, status=2).err
    assert "written anew" in run("erase", "--rewrite").err


def test_the_glass_may_be_broken_for_it_and_nobody_else_may(place, run):
    seq = place.size - 1
    said = run("erase", seq, "--authority", "Invented Act", "--break-glass", "there is no second")
    assert said.out == "words of 1 events are erased\n"
    (told,) = map(json.loads, run("export", "--action", "audit.erased").out.splitlines())
    assert (told["via"], told["texts"]["reason"]) == ("break-glass", "there is no second")
    place.become(Role.EXAMINER)
    assert "an auditor or a supervisor" in run("erase", 0, "--authority", "x", status=2).err
