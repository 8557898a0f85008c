"""The reference page names all that the code has, and the guides run as written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from tutela.cli.main import run
from tutela.core.entry import Classification, Role
from tutela.fingerprint import content
from tutela.hashlist.format import formats, recognise
from tutela.hashlist.formats.csv import COLUMNS
from tutela.hashlist.formats.jsonl import EntryRow
from tutela.hashlist.formats.vics_model import Model
from tutela.hashlist.library import Library

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "reference" / "list-formats.md").read_text("utf-8")


def test_every_format_is_described(page):
    for form in formats():
        assert f"| `{form.name}` |" in page
        assert re.search(rf"^## .*\b{form.name}\b", page, re.MULTILINE)


def test_every_quarantine_code_is_described(page):
    sources = (ROOT / "src" / "tutela" / "hashlist").rglob("*.py")
    codes = {
        code
        for source in sources
        for code in re.findall(r'RowError\(\s*"(\w+)"', source.read_text("utf-8"))
    }
    assert len(codes) > 15
    assert not [code for code in codes if f"`{code}`" not in page]


def test_every_column_and_key_is_described(page):
    for name in (*COLUMNS, *EntryRow.__struct_fields__):
        assert f"`{name}`" in page


def test_the_vics_example_is_a_known_hash_set(page, read):
    (example,) = [text for text in blocks(page, "json") if "@odata.context" in text]
    assert recognise(example.encode(), "set.json").name == "vics"
    first, second = read("vics", example.encode())
    assert first.classifications == (Classification("vics-2.0-Default-media", "1"),)
    assert second.digests.sha1 is None
    key, context = Model("2.0", "Default", "media").root
    assert f'"{key}": "{context}"' in example


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch, page, samples):
    """A working folder with the files that the guides name."""
    monkeypatch.chdir(tmp_path)
    (vics,) = [text for text in blocks(page, "json") if "@odata.context" in text]
    Path("set.json").write_text(vics.replace('"Category": 2', '"Category": 0'))
    Path("pdq.txt").write_text("".join(f"{samples.pdq(n).hex()}\n" for n in range(3)))
    Path("md5.txt").write_text(f"{samples.digest('md5', 1).hex()}\n")
    return tmp_path


def guide(name: str) -> str:
    return (ROOT / "docs" / "how-to" / name).read_text("utf-8")


def test_the_commands_of_the_guide_run_one_after_the_other(folder, capfd):
    text = re.sub(r"```python\n.*?```", "", guide("import-a-hash-list.md"), flags=re.DOTALL)
    commands = [
        shlex.split(line)
        for block in blocks(text)
        for line in block.splitlines()
        if line.startswith("tutela ")
    ]
    assert len(commands) > 7
    for _, *words in commands:
        only_sha256_matches = "0=ignorable" in words  # so one entry is remarked upon, not refused
        assert run(words) == 0, (words, capfd.readouterr().err)
        assert ("without SHA-256" in capfd.readouterr().err) is only_sha256_matches
    assert json.loads((folder / "vic-1.3.json").read_text())["value"]


def test_the_python_of_the_guide_runs_and_runs_again(folder):
    (code,) = blocks(guide("import-a-hash-list.md"), "python")
    for _ in range(2):
        exec(compile(code, "guide", "exec"), {})
    assert (folder / "library" / "library.json").exists()


def test_the_program_that_matches_uploads_runs_as_written(tmp_path, samples):
    (code,) = blocks(guide("match-uploads.md"), "python")
    (tmp_path / "match.py").write_text(code)
    upload = tmp_path / "upload.png"
    Image.fromarray(skimage.data.rocket()).save(upload)
    (tmp_path / "notes.txt").write_bytes(b"invented text")
    found = content.fingerprint(upload.read_bytes())[0]
    assert found.algorithm == "pdq"
    near = bytes([found.bits[0] ^ 1]) + found.bits[1:]
    home = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    library = Library.create(tmp_path / "home" / ".local" / "share" / "tutela" / "library")
    for name, values in (
        ("pictures", [f"pdq {near.hex()}", f"pdq {samples.pdq(1).hex()}"]),
        ("texts", [hashlib.md5(b"invented text", usedforsecurity=False).hexdigest()]),
    ):
        file = tmp_path / f"{name}.list"
        file.write_text("\n".join(values))
        library.add(file, name=name, role=Role.ALERT)
    result = subprocess.run(
        [sys.executable, "match.py", "upload.png", "notes.txt"],
        cwd=tmp_path,
        env=home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [
        "upload.png pictures alert indicative pdq 1",
        "notes.txt texts alert indicative md5 0",
    ]
    assert result.stderr.startswith("not fingerprinted: ")
