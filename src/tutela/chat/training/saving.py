"""Writes a model and its card, both or neither, and never over what is there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from tutela.chat.training import card
from tutela.chat.training.train import Outcome
from tutela.core.errors import UsageError


class Place(NamedTuple):
    """Where a model goes, and its card: for people and for programs."""

    model: Path
    markdown: Path
    json: Path


def place(out: Path) -> Place:
    """Return where a model and its card go; ask before anything is read.

    Raises:
        UsageError: code `out`: something is there already, or nothing can be written there.
    """
    found = Place(out, Path(f"{out}.md"), Path(f"{out}.json"))
    for file in found:
        try:
            file.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unwritable(file, error) from error
        raise UsageError(f"{file} exists", code="out", hint="name another file, or move it away")
    part = _part(out)
    try:  # to write is the only sure way to know that one can
        part.touch(exist_ok=False)
        part.unlink()
    except OSError as error:
        raise _unwritable(out, error) from error
    return found


def save(outcome: Outcome, where: Place) -> None:
    """Write a card, then its model: there is no model without one.

    Raises:
        UsageError: code `out`: something came to be there meanwhile, or it cannot be written; what
            was written is taken away again.
    """
    contents = {
        where.markdown: card.as_markdown(outcome.card).encode(),
        where.json: card.as_json(outcome.card),
        where.model: outcome.model.saved(),
    }
    done: list[Path] = []
    try:
        for file, content in contents.items():
            _write(file, content)
            done.append(file)
    except OSError as error:
        for one in done:
            one.unlink(missing_ok=True)
        raise _unwritable(file, error) from error


def _write(file: Path, content: bytes) -> None:
    """Write a file that is there when it is complete, and takes no other's place."""
    part = _part(file)
    try:
        with part.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with file.open("xb"):  # nobody else has the name from here on
            pass
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _part(file: Path) -> Path:
    return file.parent / f".{secrets.token_hex(8)}.part"


def _unwritable(file: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot write {file}: {error.strerror}",
        code="out",
        hint="name a file in a folder that exists and that you may write to",
    )
