"""`tutela list subscribe` and `sync`: lists of others, kept up to date in the library."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from tutela.access import accounts
from tutela.audit import log
from tutela.cli import output
from tutela.cli.open import read_credential
from tutela.core import settings as core_settings
from tutela.core.errors import ServiceError
from tutela.core.principal import SYSTEM, Principal, Via
from tutela.core.settings import Settings
from tutela.exchange.crypt import Identity
from tutela.exchange.subscribe.follow import Outcome, sync_all
from tutela.exchange.subscribe.subscription import Subscription, Subscriptions
from tutela.store import Database
from tutela.store.schema import require_current

SOME_REFUSED = 1
_COUNTS = ("generation", "entries", "added", "replaced", "removed")
_COLUMNS = ("v", "type", "subscription", "list", "local", "by", *_COUNTS, "code", "message")


def subscribe(
    url: str,
    *,
    root: Path,
    identity: Path,
    list_: Annotated[list[str] | None, Parameter(name="--list")] = None,
    as_: Annotated[str, Parameter(name="--as")] = "",
    prefix: str = "",
    config: Path | None = None,
) -> int:
    """Follow lists that another installation publishes; `tutela list sync` brings them.

    Examples:
        tutela list subscribe https://lists.example --root root.json --identity key.age

    Args:
        url: Address of the publication.
        root: Its root.json, as its publisher gave it to you directly, not from that address.
        identity: File of your age identity (`tutela list keys identity`, or age-keygen).
        list_: A list of it; may be repeated. All that your identity opens if left out.
        as_: What the publication is called here; its host if left out.
        prefix: Put before the names of its lists in the library.
        config: Settings file.
    """
    settings = core_settings.load(config)
    opened = Identity.read(identity)
    try:
        trusted = root.read_bytes()
    except OSError as error:
        raise ServiceError(f"cannot read {root}: {error.strerror}") from error
    subscription = Subscription(
        name=as_ or urlsplit(url).hostname or "",
        url=url,
        identity=str(identity.resolve()),
        wanted=tuple(list_ or ()),
        prefix=prefix,
    )
    Subscriptions(settings.exchange.subscriptions).add(subscription, trusted)
    with _logging(settings) as to:
        if to:
            with to[0].write() as tx:
                on = f"subscription:{subscription.name}"
                log.record(tx, to[1], "subscription.begun", on, texts={"url": url})
    print(f"{subscription.name} is followed with the recipient {opened.recipient}")
    return 0


def unsubscribe(name: str, *, config: Path | None = None) -> int:
    """Follow a publication no more. Its lists stay in the library: `tutela list remove`.

    Args:
        name: What it is called here.
        config: Settings file.
    """
    settings = core_settings.load(config)
    gone = Subscriptions(settings.exchange.subscriptions).remove(name)
    with _logging(settings) as to:
        if to:
            with to[0].write() as tx:
                log.record(tx, to[1], "subscription.ended", f"subscription:{name}")
    kept = ", ".join(sorted(one.local for one in gone.lists.values()))
    print(f"{name} is followed no more" + (f"; the library keeps {kept}" if kept else ""))
    return 0


def sync(
    *,
    once: bool = False,
    interval: int | None = None,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Bring the lists that are followed up to date, again and again until interrupted.

    Everything is verified before anything is changed; what does not verify is refused, said, and
    written to the log where there is a database. Whoever matches with the library sees a change at
    once, without being started anew.

    Args:
        once: End after one round; the exit status is 1 where something was refused.
        interval: Seconds from one round to the next; `[exchange] sync_seconds` if left out.
        format_: text for a person, or one row for each list as jsonl or csv.
        config: Settings file.
    """
    settings = core_settings.load(config)
    seconds = settings.exchange.sync_seconds if interval is None else interval
    write = output.writer(format_, lambda row: row["text"], _COLUMNS)
    with _logging(settings) as to:
        while True:
            began = time.monotonic()
            refused = _round(settings, to, write, verbose=once, text=format_ == "text")
            if once:
                return SOME_REFUSED if refused else 0
            time.sleep(max(0.0, seconds - (time.monotonic() - began)))


def _round(
    settings: Settings,
    to: tuple[Database, Principal] | None,
    write: output.Writer,
    *,
    verbose: bool,
    text: bool,
) -> bool:
    subscriptions = Subscriptions(settings.exchange.subscriptions)
    file_bytes = settings.exchange.file_gib << 30
    refused = False
    for outcome in sync_all(subscriptions, settings.library.path, file_bytes, to):
        for row in _rows(outcome):
            if verbose or row["by"] != "nothing":
                write(row | ({"text": _line(row)} if text else {}))
        for error in outcome.refused:
            refused = True
            print(f"refused ({error.code}): {error.message}", file=sys.stderr)
            if error.hint:
                print(f"hint: {error.hint}", file=sys.stderr)
        sys.stdout.flush()
    return refused


def _rows(outcome: Outcome) -> Iterator[dict[str, object]]:
    head = {"v": 1, "type": "synced", "subscription": outcome.subscription}
    if outcome.error:
        said = {"code": outcome.error.code, "message": outcome.error.message}
        yield head | {"list": "", "local": "", "by": "refused"} | said
    for one in outcome.lists:
        row = head | {name: getattr(one, name) for name in ("list", "local", "by", *_COUNTS)}
        said = {"code": one.error.code, "message": one.error.message} if one.error else {}
        yield row | said


def _line(row: dict[str, object]) -> str:
    if row["by"] == "refused":
        return f"{row['local'] or row['subscription']}: refused: {row['code']}"
    if row["by"] == "nothing":
        return f"{row['local']}: generation {row['generation']}, {row['entries']:,} entries"
    return (
        f"{row['local']}: generation {row['generation']}, {row['entries']:,} entries: "
        f"{row['added']:,} added, {row['replaced']:,} changed, {row['removed']:,} removed"
    )


@contextlib.contextmanager
def _logging(settings: Settings) -> Iterator[tuple[Database, Principal] | None]:
    """Open the log, where this machine has a database; a platform that only matches has none."""
    url = settings.database.url
    if url.startswith("sqlite") and not Path(url.partition(":///")[2]).exists():
        yield None
        return
    with Database(url) as database:
        require_current(database)
        who = SYSTEM
        if settings.cli.credential.exists():
            with database.read() as tx:
                token = read_credential(settings.cli.credential)
                who = accounts.by_token(tx, token, Via.CLI)
        yield database, who
