"""Following servers of others from the command line: the guide, the rows and the log."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from tutela.cli.init import init
from tutela.cli.main import run
from tutela.cli.open import opened
from tutela.core import settings
from tutela.exchange.subscribe import subscription
from tutela.store.tables.audit import AuditEvent

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "exchange")]

from clients_support import serving  # noqa: E402 found by the path above

GUIDE = ROOT / "docs" / "how-to" / "sync-from-ncmec-and-others.md"
PICTURE = "0123456789abcdef" * 4
PAGE = f"""<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2"><images count="2">
<image><member id="42">Ex</member><id>a</id><classification>A1</classification>
<fingerprints><md5>{PICTURE[:32]}</md5><pdq>{PICTURE}</pdq></fingerprints></image>
<image><member id="42">Ex</member><id>b</id><fingerprints><pdq>zz</pdq></fingerprints></image>
</images></queryResult>""".encode()
RECORDS = {
    "count": 1,
    "nextPageToken": None,
    "nextSetTimestamp": 1_790_000_000,
    "hasMoreRecords": False,
    "hashRecords": [
        {
            "lastModtimestamp": 1_790_000_000,
            "signalType": "ImagePDQ",
            "hashValue": PICTURE,
            "hashStatus": "Active",
            "caseNumbers": {},
        }
    ],
}
UPDATES = {
    "data": [
        {
            "id": "9",
            "indicator": PICTURE,
            "type": "HASH_PDQ",
            "last_updated": 1_790_000_000,
            "descriptors": {"data": [{"id": "7", "owner": {"id": "5"}, "status": "MALICIOUS"}]},
        }
    ]
}


def answer(asked):
    if asked.command != "GET":
        return {"success": True}
    if "/entries" in asked.path:
        return PAGE
    return RECORDS if "FetchHashes" in asked.path else UPDATES


@pytest.fixture
def _installation(capsys):
    init(organisation="North Force", country="DE", admin="ann.lee")
    capsys.readouterr()


def events() -> list[dict]:
    with opened() as office, office.database.read() as tx:
        bodies = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq))
        found = [json.loads(row.body) for row in bodies]
    return [one for one in found if one["act"].startswith("subscription.")]


@pytest.mark.usefixtures("_installation")
def test_the_guide_runs_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = GUIDE.read_text("utf-8")
    files = re.findall(r"^```toml title=\"(\S+)\"\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(files) == 3
    for name, content in files:
        Path(name).write_text(content)
    blocks = re.findall(r"^```sh\n(.*?)^```$", text.replace("\\\n", " "), re.DOTALL | re.MULTILINE)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 9
    with serving(answer) as server:
        for words in commands:
            if words[0] == "chmod":
                assert run(["list", "subscribe", server.url, "--from", "ncmec"]) == 2
                for name in words[2:]:
                    Path(name).chmod(int(words[1], 8))
                continue
            there = [re.sub(r"^https://[^/]+", server.url, word) for word in words[1:]]
            assert run(there) == 0, (there, capsys.readouterr().err)
    out = capsys.readouterr().out
    assert "npo: 1 entries: 1 added, 0 changed, 0 removed, 1 not readable" in out
    assert "npo was told of 1 entry" in out
    kept = settings.load().exchange.subscriptions
    secrets = re.findall(r'= "([^"]+)"', "".join(content for _, content in files))
    words = b"".join(path.read_bytes() for path in kept.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret.encode() in words] == []
    acts = [one["act"].partition(".")[2] for one in events()]
    assert acts == ["begun"] * 3 + ["applied"] * 3 + ["reported", "ended"]


@pytest.mark.usefixtures("_installation")
def test_what_came_before_a_refusal_is_a_row_and_an_event(tmp_path, capsys):
    file = tmp_path / "keys.toml"
    file.write_text('subscription_key = "a"\nfetch_key = "b"\n')
    file.chmod(0o600)
    stalled = RECORDS | {"hasMoreRecords": True}
    with serving([stalled]) as server:
        words = ["--from", "stopncii", "--credential", str(file), "--as", "ncii"]
        assert run(["list", "subscribe", server.url, *words, "--prefix", "far/"]) == 0
        capsys.readouterr()
        for _ in range(2):
            assert run(["list", "sync", "--once", "--format", "jsonl"]) == 1
        said = capsys.readouterr()
    first, second = (json.loads(line) for line in said.out.splitlines())
    assert "refused (stalled)" in said.err
    told = ("list", "local", "by", "code", "rows", "added", "unchanged", "entries")
    assert [first[name] for name in told] == [
        *("far/ncii", "far/ncii", "refused", "stalled", 1, 1, 0, 1)
    ]
    assert [second[name] for name in told[3:]] == ["stalled", 1, 0, 1, 1]
    assert [(one["act"], one["data"].get("code", "")) for one in events()] == [
        ("subscription.begun", ""),
        ("subscription.refused", "stalled"),
        ("subscription.applied", ""),
    ]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["https://a.invalid"], "--root"),
        (["https://a.invalid", "--from", "ncmec"], "--credential"),
        (["http://a.invalid", "--from", "ncmec", "--credential", "c"], "https://"),
        (["https://a.invalid?x=1", "--from", "ncmec", "--credential", "c"], "--credential"),
        (
            ["https://a.invalid", "--from", "threatexchange", "--credential", "c"],
            "--list 1234567890",
        ),
        (["https://a.invalid", "--from", "ncmec", "--credential", "c", "--list", "x"], "no --list"),
    ],
)
def test_what_cannot_be_followed_is_said_before(words, hint, capsys):
    assert run(["list", "subscribe", *words]) == 2
    assert hint in capsys.readouterr().err
    assert subscription.Subscriptions(settings.load().exchange.subscriptions).all() == []
