"""`tutela list subscribe` and `sync`: lists of others, kept up to date in the library."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from cyclopts import Parameter

from tutela.access import accounts
from tutela.audit import log
from tutela.cli import output
from tutela.cli.open import read_credential
from tutela.core import settings as core_settings
from tutela.core.entry import Role
from tutela.core.errors import ServiceError, UsageError
from tutela.core.principal import SYSTEM, Principal, Via
from tutela.core.settings import Settings
from tutela.exchange.clients.report import report as say
from tutela.exchange.clients.report import source_of
from tutela.exchange.clients.sources import client_of
from tutela.exchange.crypt import Identity
from tutela.exchange.model import Verdict
from tutela.exchange.subscribe.follow import Outcome, sync_all
from tutela.exchange.subscribe.subscription import (
    PUBLICATION,
    Followed,
    Subscription,
    Subscriptions,
)
from tutela.hashlist.library import check_name
from tutela.store import Database
from tutela.store.schema import require_current

SOME_REFUSED = 1
_QUARANTINED = "the file quarantine.jsonl of the subscription has them"
_COUNTS = ("generation", "entries", "added", "replaced", "removed")
_OF_SERVERS = ("rows", "unchanged", "quarantined", "missing")
_COLUMNS = (
    *("v", "type", "subscription", "list", "local", "by"),
    *(*_COUNTS, "code", "message", *_OF_SERVERS),
)
_NAMES = ("list", "local", "by", *_COUNTS, *_OF_SERVERS)
Source = Literal["publication", "ncmec", "stopncii", "threatexchange"]


def subscribe(
    url: str,
    *,
    from_: Annotated[Source, Parameter(name="--from")] = "publication",
    root: Path | None = None,
    identity: Path | None = None,
    credential: Path | None = None,
    list_: Annotated[list[str] | None, Parameter(name="--list")] = None,
    as_: Annotated[str, Parameter(name="--as")] = "",
    prefix: str = "",
    role: Role = Role.ALERT,
    config: Path | None = None,
) -> int:
    """Follow lists of others; `tutela list sync` brings them.

    That is what another installation publishes, or the list of a server that speaks the protocol of
    NCMEC hash sharing, StopNCII or ThreatExchange.

    Examples:
        tutela list subscribe https://lists.example --root root.json --identity key.age

        tutela list subscribe https://ncmec.example/npo --from ncmec --credential ncmec.toml

    Args:
        url: Address of the publication or server.
        from_: What it is.
        root: Of a publication: its root.json, as its publisher gave it to you directly, not from
            that address.
        identity: Of a publication: file of your age identity (`tutela list keys identity`, or
            age-keygen).
        credential: Of a server: file with your credential, TOML, which only you can read.
        list_: A list of a publication; may be repeated. All that your identity opens if left out.
            Of ThreatExchange the number of a privacy group.
        as_: What the subscription is called here; the host if left out. A server's list has this
            name too.
        prefix: Put before the names of its lists in the library.
        role: Of a server: what a match means; a publication says so itself.
        config: Settings file.
    """
    settings = core_settings.load(config)
    known = Subscription(
        name=as_ or urlsplit(url).hostname or "",
        url=url,
        kind=from_,
        wanted=tuple(list_ or ()),
        prefix=prefix,
    )
    if from_ == PUBLICATION:
        subscription, trusted, told = _publication(known, root, identity)
    else:
        subscription, trusted = _server(known, credential, role), b""
        told = f"as the list {prefix}{known.name}"
    Subscriptions(settings.exchange.subscriptions).add(subscription, trusted)
    with _logging(settings) as to:
        if to:
            with to[0].write() as tx:
                on = f"subscription:{subscription.name}"
                log.record(tx, to[1], "subscription.begun", on, texts={"url": url}, kind=from_)
    print(f"{subscription.name} is followed {told}")
    return 0


def _publication(
    known: Subscription, root: Path | None, identity: Path | None
) -> tuple[Subscription, bytes, str]:
    if root is None or identity is None:
        raise UsageError(
            "a publication is followed with its root metadata and your identity",
            hint="--root root.json --identity key.age; or --from says what else it is",
        )
    opened = Identity.read(identity)
    try:
        trusted = root.read_bytes()
    except OSError as error:
        raise ServiceError(f"cannot read {root}: {error.strerror}") from error
    subscription = msgspec.structs.replace(known, identity=str(identity.resolve()))
    return subscription, trusted, f"with the recipient {opened.recipient}"


def _server(known: Subscription, credential: Path | None, role: Role) -> Subscription:
    if credential is None:
        raise UsageError("a server is asked with a credential", hint="--credential FILE")
    local = known.prefix + known.name
    check_name(local)
    subscription = msgspec.structs.replace(
        known,
        credential=str(credential.resolve()),
        lists={local: Followed(local=local, role=role.value)},
    )
    client_of(subscription)  # refuses what cannot be asked
    return subscription


def unsubscribe(name: str, *, config: Path | None = None) -> int:
    """Follow a source no more. Its lists stay in the library: `tutela list remove`.

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


def report(
    name: str,
    *,
    hash_: Annotated[str, Parameter(name="--hash")],
    verdict: Verdict,
    reason: list[str] | None = None,
    config: Path | None = None,
) -> int:
    """Say something of entries to the server of others that they come from.

    A person decides; nothing is said by itself. NCMEC takes a disagreement with one of its own
    reasons, which are named where none is given; StopNCII takes any words; ThreatExchange none.

    Examples:
        tutela list report npo --hash 0123456789abcdef0123456789abcdef --verdict confirm

    Args:
        name: The list in the library.
        hash_: An MD5, SHA-1, SHA-256 or PDQ that the entry holds, in hexadecimal.
        verdict: confirm, dispute (wrongly classified, say) or false_positive (no such material).
        reason: Why; may be repeated.
        config: Settings file.
    """
    settings = core_settings.load(config)
    subscription = source_of(Subscriptions(settings.exchange.subscriptions), name)
    reasons = tuple(reason or ())
    with _logging(settings) as to:
        told = say(subscription, settings.library.path, hash_, verdict, reasons)
        if to:
            with to[0].write() as tx:
                on = f"subscription:{subscription.name}"
                texts = {"list": name, "hash": hash_, "reasons": "; ".join(reasons)}
                facts = {"verdict": verdict.value, "entries": told}
                log.record(tx, to[1], "subscription.reported", on, texts=texts, **facts)
    print(f"{subscription.name} was told of {told} {'entry' if told == 1 else 'entries'}")
    return 0


def sync(
    *,
    once: bool = False,
    interval: int | None = None,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Bring the lists that are followed up to date, again and again until interrupted.

    What is published is verified before anything is changed; what does not verify is refused, said,
    and written to the log where there is a database. What servers of others send is taken page by
    page, and a round that was stopped goes on where it was. Whoever matches with the library sees
    a change at once, without being started anew.

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
        row = head | {name: getattr(one, name) for name in _NAMES}
        said = {"code": one.error.code, "message": one.error.message} if one.error else {}
        yield row | said


def _line(row: dict[str, object]) -> str:
    local = row["local"] or row["subscription"]
    if row["by"] == "refused" and not row.get("rows"):
        return f"{local}: refused: {row['code']}"
    head = f"{local}: {row['entries']:,} entries"
    if row["generation"]:
        head = f"{local}: generation {row['generation']}, {row['entries']:,} entries"
    if row["by"] == "nothing" and not row["quarantined"]:
        return head
    line = (
        f"{head}: {row['added']:,} added, {row['replaced']:,} changed, {row['removed']:,} removed"
    )
    if row["quarantined"]:
        line += f", {row['quarantined']:,} not readable ({_QUARANTINED})"
    return line + (f"; refused: {row['code']}" if row["by"] == "refused" else "")


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
