"""The house keeps its own rules: packaging, sizes, links, what a start may cost."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "requirements" / "user.txt", ROOT / "requirements" / "develop.txt"]
HEAVY = {"numpy", "numba", "PIL", "sqlite3", "jinja2", "ijson", "pytsk3", "pyewf"}


def names(lines: list[str]) -> set[str]:
    """Return the bare package names of requirement lines."""
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
    return {match.group().lower().replace("_", "-").replace(".", "-") for match in found if match}


def test_the_lock_is_made_from_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = (ROOT / "requirements" / "user.in").read_text().splitlines()
    assert names(project["dependencies"]) == names(asked)
    locked = names((ROOT / "requirements" / "user.txt").read_text().splitlines())
    assert names(asked) <= locked


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_are_hashed_and_name_no_address(lock: Path):
    text = lock.read_text()
    assert "://" not in text
    assert "index" not in text
    for block in re.split(r"\n(?=[a-z])", text.strip()):
        assert "==" in block
        assert "--hash=sha256:" in block


def test_peers_that_need_a_compiler_are_never_the_users():
    user = names((ROOT / "requirements" / "user.txt").read_text().splitlines())
    assert not user & {"pdqhash", "vpdq", "threatexchange", "faiss-cpu"}


def test_no_source_file_is_longer_than_500_lines():
    files = [f for top in ("src", "tests", "bench", "tools") for f in (ROOT / top).rglob("*.py")]
    assert not [f for f in files if len(f.read_text().splitlines()) > 500]


def test_links_in_the_docs_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    missing = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not missing


def test_help_loads_nothing_heavy():
    code = "import sys; from tutela.cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert not loaded & HEAVY


def test_every_reason_of_the_code_is_documented():
    reference = (ROOT / "docs" / "reference" / "rows.md").read_text()
    page = (ROOT / "src" / "tutela" / "scan" / "page.py").read_text()
    table = page.partition("REASONS = {")[2].partition("\n}")[0]
    for reason in re.findall(r'^    "(\w+)":', table, re.MULTILINE):
        assert f"`{reason}`" in reference, reason


def test_the_readme_shows_what_the_demonstration_prints(tmp_path: Path):
    demo = [Path(sys.executable).with_name("tutela"), "demo", "tutela-demo"]
    done = subprocess.run(demo, cwd=tmp_path, capture_output=True, text=True, check=True)
    readme = (ROOT / "README.md").read_text()
    for line in done.stdout.partition("\nSix pictures")[0].splitlines():
        assert line in readme
