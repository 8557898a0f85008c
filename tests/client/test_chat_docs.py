"""The guide for platforms that score conversations runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import api_support
import msgspec
from chat_corpus_support import PARTS, PlainScorer

from tutela.chat.service import Service, require_basis
from tutela.core import chatting
from tutela.core.chat_settings import ChatSettings

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "score-chat-as-a-platform.md"
TEXT = GUIDE.read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_duties_and_refusals_come_first():
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    assert headings[0] == "Duties, and what must not be done"


def test_what_it_sends_and_gets_is_what_there_is():
    message, answer = blocks("json")
    assert msgspec.json.decode(message, type=chatting.Message).age_band == "adult"
    assert msgspec.json.decode(answer, type=chatting.Answered).signs[0].sign == "age"


def test_its_settings_are_a_basis():
    (settings,) = blocks("toml")
    require_basis(msgspec.convert(tomllib.loads(settings)["chat"], ChatSettings))


def test_its_program_runs(embedded, tmp_path):
    exchange = api_support.build(embedded, tmp_path)
    settings = ChatSettings(enabled=True, legal_basis="invented for tests", retention_days=1)
    service = Service(settings, PlainScorer, PARTS)
    exchange.desk = replace(exchange.desk, chat=service)
    (tmp_path / "token").write_text(exchange.members["platform"].token)
    (program,) = blocks("python")
    with api_support.Serving(exchange) as address:
        done = subprocess.run(
            [sys.executable, "-c", program.replace("http://localhost:8471", address)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        who = exchange.principal(exchange.members["platform"])
        assert service.standing(who, "c81").messages == 1
