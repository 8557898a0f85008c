"""The guide to running a national node runs as written, with a partner that is really there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from installed import PATIENCE_S, TUTELA, Installed, free_port, until
from PIL import Image
from sqlalchemy import select, update

import databases
from tutela.exchange.federation import nodes
from tutela.store import Database
from tutela.store.tables.casework import CaseMedia
from tutela.store.tables.federation import NodePointer

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-national-node.md"
GLASS = ("--break-glass", "a test of the guide")
AUTHORITY = ["--legal-basis", "Invented Act", "--reference", "W 1", "--granted-by", "A Court"]


def blocks(kind: str) -> list[str]:
    text = GUIDE.read_text("utf-8")
    found = re.findall(rf"^ *```{kind}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [block.replace("\\\n", " ") for block in found]


def commands() -> list[str]:
    lines = [line.strip() for block in blocks("console") for line in block.splitlines()]
    found = [line[2:] for line in lines if line.startswith("$ ")]
    assert len(found) >= 11
    return found


def with_settings(installed: Installed, **given: object) -> int:
    """Put the settings of the guide into an installation, with what is another here."""
    port = free_port()
    (text,) = blocks("toml")
    values = {"host": "127.0.0.1", "port": port, "url": f"https://127.0.0.1:{port}", **given}
    for name, value in values.items():
        said = value if isinstance(value, int) else f'"{value}"'
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {said}", text, flags=re.MULTILINE)
        assert count == 1, name
    file = installed.home / "config" / "tutela" / "tutela.toml"
    file.write_text(file.read_text("utf-8") + "\n" + text + "seconds = 1\n", "utf-8")
    return port


def with_pictures(installed: Installed, folder: Path, count: int) -> None:
    """Open case OP-17 and put pictures into it that are the same for everybody."""
    folder.mkdir()
    for number in range(count):
        Image.radial_gradient("L").rotate(40 * number).resize((320, 240)).save(
            folder / f"{number}.png"
        )
    installed.run("case", "new", "OP-17", *AUTHORITY)
    installed.run("case", "add", "OP-17", folder, "--label", "EXH01")
    with Database(installed.url) as database, database.write() as tx:
        tx.execute(update(CaseMedia).values(code="A", state="graded"))


@pytest.fixture
def both(sqlite_template: Path, tmp_path: Path) -> list[Installed]:
    """Node `de` of the guide, and `fr`, which holds one of its three pictures."""
    made = databases.sqlite_factory(sqlite_template, tmp_path)
    french = {"name": "fr", "country": "FR", "contact": "desk of fr"}

    def prepare(name: str, pictures: int, settings: dict[str, object]) -> Installed:
        installed = Installed.new(tmp_path / name, made.url())
        with_settings(installed, **settings)
        with_pictures(installed, tmp_path / f"pictures of {name}", pictures)
        return installed

    with ThreadPoolExecutor() as pool:
        return list(pool.map(prepare, ("de", "fr"), (3, 1), ({}, french)))


def test_the_commands_of_the_guide_run_one_after_the_other(both: list[Installed], tmp_path: Path):
    ours, partner = both
    pin = partner.run("node", "key").stdout.strip()
    work = tmp_path / "work"
    work.mkdir()
    (work / "fr.json").write_text(partner.run("node", "card").stdout, "utf-8")
    path = f"{TUTELA.parent}{os.pathsep}{os.environ['PATH']}"
    said: list[str] = []
    serving: list[subprocess.Popen[bytes]] = []

    def in_the_guide(line: str) -> str:
        """Run a line as a person types it, with the pin and reference that are real here."""
        line = re.sub(r'--pin "[^"]*"', f'--pin "{pin}"', line)
        line = re.sub(r"node reference \w+", f"node reference {reference(ours)}", line)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=work,
            env=ours.environment | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    for line in commands():
        if line == "tutela serve --federation":
            our_pin = said[0].strip()
            card = work / "de.json"
            partner.run(
                "node",
                "add",
                card,
                "--pin",
                our_pin,
                "--may-ask",
                "--votes",
                "--tell-votes",
                *GLASS,
            )
            a_list_for_us(partner)
            serving += [ours.begin("serve", "--federation"), partner.begin("serve", "--federation")]
            until(lambda: heard(ours, "fr") and heard(partner, "de"))
            partner.run("node", "ask", "OP-17", "--code", "A")
            partner.run("node", "sync", *GLASS)
            continue
        said.append(in_the_guide(line))
    for process in serving:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
    out = "".join(said)
    assert "fr: trusted; may ask, its votes count, it hears ours, followed: known" in out
    assert "OP-17: 3 questions for fr" in out
    assert len(re.findall(r"fr +known; ask desk of fr, reference \w{16}", out)) == 1
    assert len(re.findall(r"fr +unknown", out)) == 2
    assert re.search(r"it asked under: Invented Act, W 1\nmedia \d in OP-17", out)
    assert "fr: both logs say the same" in out
    assert "fr: trusted no more" in out


def a_list_for_us(partner: Installed) -> None:
    """Make the list `known` of the partner and our node its member, as its people would."""
    words = ["--title", "Known", "--purpose", "Matching", "--role", "alert"]
    role = ["account", "roles", "cli", "--role", "examiner", "--role", "supervisor"]
    partner.run(*role, "--reason", "keeps lists", *GLASS)
    partner.run("list", "create", "known", *words)
    partner.run("list", "members", "known", "--set", "node de")


def heard(installed: Installed, other: str) -> bool:
    with Database(installed.url) as database, database.read() as tx:
        node = nodes.by_name(tx, other)
        return node.heard_at is not None and not node.trouble


def reference(installed: Installed) -> str:
    with Database(installed.url) as database, database.read() as tx:
        return tx.execute(select(NodePointer.reference)).scalars().first() or "none"
