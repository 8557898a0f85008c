"""No onion address stands anywhere in the repository: tests make theirs of keys that they make."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "bench", "docs", "examples", "tools", "extension")
ADDRESS = re.compile(rb"\b[a-z2-7]{56}(?=\b|\.onion)|\b[a-z2-7]{16}\.onion\b", re.IGNORECASE)


def test_no_file_holds_an_onion_address():
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    files += [file for file in ROOT.iterdir() if file.is_file()]
    assert len(files) > 500
    kept = (file for file in files if "__pycache__" not in file.parts)
    assert [file for file in kept if ADDRESS.search(file.read_bytes())] == []


def test_one_would_be_found():
    for address in ("a" * 56, "b" * 56 + ".onion", "C" * 56 + ".onion", "a" * 16 + ".onion"):
        assert ADDRESS.search(f"http://{address}/".encode())
    assert not ADDRESS.search(b"f" * 64)
