from __future__ import annotations

import re
import stat
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import select

from tutela.access import enrolment, seal
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.errors import AccessError, ServiceError, UsageError
from tutela.core.principal import Role, Via
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent

WHO = {"organisation": "Example Force", "country": "DE", "admin": "ann.lee"}


def link(text: str) -> str:
    return re.search(r"http://localhost:8470/welcome/(\S+)", text)[1]


def tree(folder: Path) -> dict[str, bytes]:
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    return {str(one): one.read_bytes() for one in files if "tutela.db" not in one.name}


def test_a_fresh_installation_is_made_and_its_link_opens(capsys):
    assert init(**WHO, role=[Role.GRADER]) == 0
    printed = capsys.readouterr().out
    settings = core_settings.load()
    secrets = [
        Path(settings.vault.master_key.removeprefix("file:")),
        seal.place(settings.audit),
        settings.audit.signing_key,
        settings.cli.credential,
    ]
    assert [stat.S_IMODE(one.stat().st_mode) for one in secrets] == [0o600] * 4
    for folder in {one.parent for one in secrets} | {settings.vault.path}:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder

    with opened() as office:
        assert (office.who.name, office.who.roles) == ("cli", {Role.EXAMINER})
        assert office.who.via is Via.CLI
        sealer = seal.load(seal.place(settings.audit))
        with office.database.read() as tx:
            offer = enrolment.offer(tx, sealer, link(printed))
        code = pyotp.TOTP(offer.secret.replace(" ", "")).now()
        done = enrolment.accept(
            office.database, sealer, settings.web, link(printed), ("four walls and a roof", code)
        )
        with office.database.read() as tx:
            said = tx.execute(select(AuditEvent.action)).scalars().all()
            vias = tx.execute(select(AuditEvent.body)).scalars().all()
    assert offer.name == "ann.lee"
    assert done.recovery_codes
    assert {"db.upgraded", "organisation.created", "account.invited"} <= set(said)
    assert b'"via":"break-glass"' in vias[1]
    token = settings.cli.credential.read_text().strip()
    assert token not in printed


def test_a_second_run_changes_nothing_and_a_new_link_ends_the_old_one(own_home, capsys):
    init(**WHO)
    first = link(capsys.readouterr().out)
    before = tree(own_home)
    assert init() == 0
    again = capsys.readouterr().out
    assert tree(own_home) == before
    assert "made" not in again
    assert "welcome" not in again
    assert "there  organisation Example Force" in again

    assert init(invite_again=True) == 0
    second = link(capsys.readouterr().out)
    settings = core_settings.load()
    sealer = seal.load(seal.place(settings.audit))
    with opened() as office, office.database.read() as tx:
        with pytest.raises(AccessError, match="used already"):
            enrolment.offer(tx, sealer, first)
        code = pyotp.TOTP(enrolment.offer(tx, sealer, second).secret.replace(" ", "")).now()
    with Database(settings.database.url) as database:
        chosen = ("four walls and a roof", code)
        enrolment.accept(database, sealer, settings.web, second, chosen)
    with pytest.raises(UsageError, match="used already"):
        init(invite_again=True)


def test_nothing_is_made_before_it_is_known_for_whom(own_home):
    with pytest.raises(UsageError, match="needs an organisation"):
        init(organisation="Example Force")
    assert not tree(own_home)
    credential = core_settings.load().cli.credential
    credential.parent.mkdir(parents=True)
    credential.write_text("another's")
    with pytest.raises(UsageError, match="another installation"):
        init(**WHO)
    assert list(tree(own_home)) == [str(credential)]


def test_a_failure_in_the_middle_leaves_an_installation_that_can_be_begun_again(capsys):
    with pytest.raises(UsageError, match="Germany is no country"):
        init(**WHO | {"country": "Germany"})
    with pytest.raises(UsageError, match="an account's name is"):
        init(**WHO | {"admin": "no name!"})
    assert not core_settings.load().cli.credential.exists()
    assert init(**WHO) == 0
    assert link(capsys.readouterr().out)


def test_a_credential_is_refused_that_is_open_to_others_or_nobodys(capsys):
    init(**WHO)
    credential = core_settings.load().cli.credential
    credential.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"), opened():
        pass
    credential.chmod(0o600)
    credential.write_text("nobody's\n")
    with pytest.raises(AccessError, match="nobody's"), opened():
        pass
    credential.write_bytes(b"\xff\xfe")
    with pytest.raises(ServiceError, match="cannot read"), opened():
        pass
    credential.unlink()
    with pytest.raises(AccessError, match="no credential"), opened():
        pass
    capsys.readouterr()
    with opened(break_glass="  the administrator is ill ") as office:
        assert office.who.via is Via.BREAK_GLASS
        with office.database.read() as tx:
            last = select(AuditEvent.action).order_by(AuditEvent.seq.desc()).limit(1)
            assert tx.execute(last).scalar_one() == "glass.broken"
    assert "the administrator is ill" in capsys.readouterr().err


def test_a_database_without_tables_is_named_with_what_helps():
    with pytest.raises(UsageError, match="no tables yet") as caught, opened():
        pass
    assert "tutela init" in caught.value.hint
