"""The guide for platforms runs as it stands, and the reference names what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from client_support import drawn

from tutela.core import matchform

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "how-to" / "match-as-a-platform.md").read_text("utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "match-api.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def run(service, tmp_path):
    """Runs a block of the guide against the service, in a folder with a token and an upload."""
    (tmp_path / "token").write_text(service.token + "\n")
    (tmp_path / "upload.jpg").write_bytes(service.listed)
    (tmp_path / "other.jpg").write_bytes(drawn(9))

    def go(*words: str | Path) -> str:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def block(kind: str, number: int, *words: str) -> str:
        text = blocks(kind)[number].replace("http://localhost:8471", service.address)
        if kind == "bash":
            return go("bash", "-c", text)
        (tmp_path / "script.py").write_text(text)
        return go(sys.executable, "script.py", *words)

    return block


def test_the_commands_run(run, service):
    (listed,) = json.loads(run("bash", 0))
    assert (listed["name"], listed["matched"]) == ("known", True)
    (content,) = json.loads(run("bash", 1))["contents"]
    assert content["matches"][0]["entry"] == service.exchange.ids[0]


def test_the_programs_run(run, service):
    assert len(blocks("python")) == 4
    said = run("python", 0, "upload.jpg", "other.jpg").splitlines()
    assert said == [
        f"upload.jpg known {service.exchange.ids[0]} alert exact 0",
        "other.jpg not known",
    ]
    run("python", 1)
    assert "exact" in run("python", 2)
    run("python", 3)
    assert len(service.exchange.events("feedback.given")) > 0


def test_the_reference_gives_the_numbers_of_the_compact_form():
    variants = "0 original, 1 rotate90, 2 rotate180, 3 rotate270, 4 flipx, 5 flipy, 6 transpose"
    assert variants in REFERENCE.replace("\n", " ")
    assert "0 PDQ, 1 SHA-256, 2 SHA-1, 3 MD5" in REFERENCE
    assert matchform.KINDS == ("pdq", "sha256", "sha1", "md5")
    assert "0 SHA-256, 1 SHA-1 and MD5, 2 SHA-1, 3 MD5, 4 PDQ" in REFERENCE
    assert matchform.ALGORITHMS == ("sha256", "sha1+md5", "sha1", "md5", "pdq")
    assert matchform.QUESTION.decode() in REFERENCE
    assert matchform.ANSWER.decode() in REFERENCE


def test_the_reference_names_every_code_of_the_service():
    sources = [
        *(ROOT / "src" / "tutela" / "api" / "routes").glob("*match*.py"),
        ROOT / "src" / "tutela" / "api" / "routes" / "prefix.py",
        ROOT / "src" / "tutela" / "api" / "protocols" / "hma_match.py",
        ROOT / "src" / "tutela" / "api" / "office.py",
        ROOT / "src" / "tutela" / "core" / "matching.py",
        ROOT / "src" / "tutela" / "core" / "matchform.py",
        ROOT / "src" / "tutela" / "core" / "prefixes.py",
        *(ROOT / "src" / "tutela" / "exchange").glob("match*.py"),
    ]
    codes = {code for file in sources for code in re.findall(r'code="(\w+)"', file.read_text())}
    assert len(codes) > 8
    # Those of the chat service stand in its own guide.
    matching = {code for code in codes if not code.startswith("chat_")}
    assert not [code for code in matching if f"`{code}`" not in REFERENCE]
