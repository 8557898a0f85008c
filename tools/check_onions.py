"""Fails where a tracked file holds what could be an onion address; prints where, never which.

No onion address belongs into this repository: those of tests are computed from a key that the test
makes. Looked for are labels of version 3 (56 characters of base32) before `.onion`, whether or not
they hold, and without it where their checksum holds, also when they are split by a line end, quotes
or a few other characters; and labels of version 2 (16 characters) before `.onion`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tutela.crawl.onion import LABEL_CHARACTERS, holds

BASE32 = rb"[A-Za-z2-7]"
# What stands between the pieces of a label that was cut: line ends, quotes, plus signs, dots, ...
SEAM = rb"[\s\"'`+\\,._|/<>()\[\]-]{1,12}"
WHOLE = re.compile(rb"(?<![A-Za-z2-7])" + BASE32 + rb"{56}(?=\.?\s*onion)", re.IGNORECASE)
OLD = re.compile(rb"(?<![A-Za-z0-9])[a-z2-7]{16}\.onion(?![A-Za-z0-9])", re.IGNORECASE)
PIECES = re.compile(rb"[A-Za-z2-7]{3,}(?:" + SEAM + rb"[A-Za-z2-7]{3,})*")
PIECE = re.compile(rb"[A-Za-z2-7]{3,}")
LONGEST_PIECES = 12
LARGEST_BYTES = 64 * 1024 * 1024


def main(root: Path) -> int:
    """Look through the tracked files of a repository; return the exit status."""
    found = 0
    for file in tracked(root):
        for line in places((root / file).read_bytes()):
            print(f"{file}:{line}: this could be an onion address", file=sys.stderr)
            found += 1
    if found:
        print("compute addresses of tests from a key: tutela.crawl.onion.address", file=sys.stderr)
    return 1 if found else 0


def tracked(root: Path) -> list[Path]:
    """Return the files that git knows, without links."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True)  # noqa: S607 the git of whoever works on it
    names = [Path(name.decode()) for name in listed.stdout.split(b"\0") if name]
    return [name for name in names if (root / name).is_file() and not (root / name).is_symlink()]


def places(content: bytes) -> list[int]:
    """Return the lines, from 1, at which something could be an onion address."""
    content = content[:LARGEST_BYTES]
    starts = {match.start() for match in WHOLE.finditer(content)}
    starts |= {match.start() for match in OLD.finditer(content)}
    starts |= set(_held(content))
    return sorted({content.count(b"\n", 0, start) + 1 for start in starts})


def _held(content: bytes) -> Iterator[int]:
    """Yield where a label begins whose checksum holds, joined over seams."""
    for run in PIECES.finditer(content):
        if run.end() - run.start() < LABEL_CHARACTERS:
            continue
        pieces = [(at.start() + run.start(), at.group()) for at in PIECE.finditer(run.group())]
        for number, (start, _) in enumerate(pieces):
            yield from _joined(start, [piece for _, piece in pieces[number:]])


def _joined(start: int, pieces: list[bytes]) -> Iterator[int]:
    """Yield a place where this piece, with some that follow, ends in or holds a label."""
    whole = b""
    for piece in pieces[:LONGEST_PIECES]:
        before, whole = len(whole), whole + piece
        # Only labels that end in this piece are new, and only those that begin in the first.
        for end in range(max(before + 1, LABEL_CHARACTERS), len(whole) + 1):
            begin = end - LABEL_CHARACTERS
            if begin >= len(pieces[0]):
                return
            if whole[end - 1 : end] in b"dD" and holds(whole[begin:end].decode().lower()):
                yield start + begin


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[1]))
