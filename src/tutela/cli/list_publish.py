"""`tutela list publish`: lay lists where members get them."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tutela.cli import output
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.settings import ExchangeSettings
from tutela.exchange.publish.ceremony import Ceremony
from tutela.exchange.publish.keys import Keyring
from tutela.exchange.publish.release import Published, Publisher
from tutela.exchange.publish.repository import locked

SOME_FAILED = 1


def ceremony_of(settings: ExchangeSettings) -> Ceremony:
    """Return the publication of this installation, with the keys that are here."""
    expires = timedelta(hours=settings.timestamp_hours)
    return Ceremony(settings.publication, Keyring(settings.keys), expires)


def publish(
    *names: str,
    refresh: bool = False,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Number the present state of lists, and lay it where their members get it.

    Writes the folder `[exchange] publication`, which any static web server can serve: it holds
    ciphertext and signatures. Members see it at once and whole, or not at all; a publication that
    is killed is taken up by the next one. The own library gets the lists as well.

    Examples:
        tutela list publish

        tutela list publish known-2026

        tutela list publish --refresh

    Args:
        names: Lists; all that the own organisation owns if left out.
        refresh: Publish nothing new, but sign the present state for another while. It needs no
            account. `tutela serve --api` does it by itself.
        format_: text for a person, or one row for each list as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    if refresh:
        settings = core_settings.load(config).exchange
        with locked(settings.keys):
            ceremony_of(settings).repository().publish()
        print("signed anew", file=sys.stderr)
        return 0
    with opened(config, break_glass=break_glass) as office:
        settings = office.settings.exchange
        with locked(settings.keys):
            publisher = Publisher(office.database, office.who, ceremony_of(settings))
            publisher.keep(office.settings.library.path, names)
            done = publisher.publish(names)
    rows = [{"v": 1, "type": "published"} | msgspec.to_builtins(one) for one in done]
    write = output.writer(format_, lambda row: row["text"], list(rows[0] if rows else []))
    for row, one in zip(rows, done, strict=True):
        write(row | ({"text": _line(one)} if format_ == "text" else {}))
    return SOME_FAILED if any(one.outcome == "unsigned" for one in done) else 0


def _line(one: Published) -> str:
    if one.outcome == "unsigned":
        return (
            f"{one.list}: not published: its delegation waits for a signature; "
            "see tutela list keys show"
        )
    line = (
        f"{one.list}: {one.outcome}, generation {one.generation}, {one.active:,} entries, "
        f"{one.members} members, {one.size_bytes:,} bytes"
    )
    if one.without_recipient:
        line += f"; {one.without_recipient} members have no age recipient and get nothing"
    return line
