"""`tutela crawl work`: workers, which ask for what orders allow and keep what they read."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.audit import log
from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core import settings as core_settings
from tutela.core.crawl_settings import CrawlSettings
from tutela.core.errors import AccessError, ServiceError, SettingsError
from tutela.core.principal import Via
from tutela.core.settings import Settings
from tutela.crawl import pace, signal_file
from tutela.crawl.events import Terms
from tutela.crawl.keeping import Keeper, Keeping
from tutela.crawl.leaving import OwnTor
from tutela.crawl.reader import Reader
from tutela.crawl.worker import Setup, Sight, State, Worker
from tutela.evidence.vault import Vault, master_key
from tutela.hashlist.library import Library
from tutela.observation.notices import Policy
from tutela.observation.sealing import Words
from tutela.scan.hasher import Hasher

INTERRUPTED = 130
_REDRAW_S = 0.25
_STATES = ("done", "failed", "refused", "skipped", "waiting")
_COLUMNS = ("v", "type", "worker", "stopped", *_STATES, "posts", "media", "known", "found", "lost")


def work(
    *,
    workers: int = 0,
    until_idle: bool = False,
    idle_seconds: float = 30.0,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Crawl what started orders allow, until it is stopped; run it as a service, on any machine.

    Ended or killed at any moment, it loses nothing: what was under way is asked for again.

    Examples:
        tutela crawl work --until-idle

    Args:
        workers: Processes, each with its own tor; 0 for as many as the settings say.
        until_idle: End once nothing is left to ask for.
        idle_seconds: With --until-idle: for how long there was nothing.
        format_: text for a person, or one row for each worker at its end as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    settings = core_settings.load(config)
    count = workers or settings.crawl.workers
    if count > 1:
        return _several(count, sys.argv)
    if signal_file.is_raised(settings.crawl.signal_file):
        raise ServiceError(
            "crawling was stopped on this machine", code="stopped", hint="tutela crawl release"
        )
    with contextlib.ExitStack() as stack:
        # The confined processes are forked before anything secret is open.
        jobs = len(os.sched_getaffinity(0))
        terms = _terms(settings.crawl)
        sight = Sight(
            stack.enter_context(Reader(terms, jobs=jobs)), stack.enter_context(Hasher(jobs))
        )
        office = stack.enter_context(opened(config, break_glass=break_glass))
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        _say_begin(office)
        setup = Setup(
            name=name,
            signal_file=settings.crawl.signal_file,
            at_once=settings.crawl.at_once,
            until_idle=until_idle,
            idle_s=idle_seconds,
        )
        state = _run(office, settings, sight, setup, stack)
    output.writer(format_, _line, _COLUMNS)(_row(name, state))
    return INTERRUPTED if state.stopped == "signal" else 0


def _run(
    office: Office, settings: Settings, sight: Sight, setup: Setup, stack: contextlib.ExitStack
) -> State:
    crawl = settings.crawl
    ways = OwnTor(crawl, crawl.state / f"tor-{os.getpid()}-{secrets.token_hex(4)}")
    stack.callback(ways.stop)
    vault = stack.enter_context(Vault(settings.vault.path, master_key(settings.vault)))
    how = Keeping(
        keep=timedelta(days=crawl.keep_days),
        policy=Policy(
            clear=crawl.notice_clear,
            onion=crawl.notice_onion,
            indicative=crawl.notice_indicative,
        ),
        radius_bits=crawl.radius_bits,
    )
    keeper = Keeper(office.database, Words(vault), _library(settings), how)
    with _shown() as watch:
        made = Worker(
            office.database,
            sight,
            keeper,
            ways,
            _with_pace(setup, crawl, private_tor=ways.is_private),
            watch,
        )
        return made.run()


def _with_pace(setup: Setup, crawl: CrawlSettings, *, private_tor: bool) -> Setup:
    return Setup(
        name=setup.name,
        signal_file=setup.signal_file,
        at_once=setup.at_once,
        pace=pace.of(crawl, private_tor=private_tor),
        until_idle=setup.until_idle,
        idle_s=setup.idle_s,
    )


def _say_begin(office: Office) -> None:
    """Check that this account may crawl at all, and write down that it does."""
    if office.who.via is not Via.BREAK_GLASS and not allows(office.who, Permission.CRAWL):
        raise AccessError(f"{office.who.name} may not do this", hint="it takes a role that crawls")
    with office.database.write() as tx:
        log.record(tx, office.who, "crawl.worker", "crawl")


def _library(settings: Settings) -> Library | None:
    if (settings.library.path / "library.json").exists():
        return Library.open(settings.library.path)
    print(
        "warning: there are no hash lists: nothing that is found will be known "
        "(tutela list import)",
        file=sys.stderr,
    )
    return None


def _terms(crawl: CrawlSettings) -> Terms:
    if crawl.terms is None:
        return Terms()
    try:
        return Terms.read(crawl.terms.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the terms in {crawl.terms}") from error


def _several(count: int, words: Sequence[str]) -> int:
    """Run workers as processes of their own, and end them with us."""
    command = [sys.executable, *words, "--workers", "1"]
    children = [subprocess.Popen(command) for _ in range(count)]  # noqa: S603 our own words

    def pass_on(number: int, _frame: object) -> None:
        for child in children:
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    ended = [child.wait() for child in children]
    bad = sum(status not in {0, INTERRUPTED} for status in ended)
    if bad:
        raise ServiceError(
            f"{bad} of {count} workers failed",
            code="workers",
            hint="nothing is lost: what they had is asked for again",
        )
    return INTERRUPTED if INTERRUPTED in ended else 0


@contextlib.contextmanager
def _shown() -> Iterator[Any]:
    """Yield what draws the state on standard error, where a person watches."""
    drawn = 0.0
    shown = sys.stderr.isatty()

    def watch(state: State) -> None:
        nonlocal drawn
        if shown and time.monotonic() - drawn > _REDRAW_S:
            drawn = time.monotonic()
            ended = sum(state.totals.ended.values())
            words = f"{ended:,} URLs | {state.under_way} under way | {state.totals.posts:,} posts"
            words += f" | {state.totals.media:,} media, {state.totals.known:,} known"
            sys.stderr.write(f"\r\x1b[2K{words}")
            sys.stderr.flush()

    try:
        yield watch
    finally:
        if drawn:
            sys.stderr.write("\r\x1b[2K")


def _row(name: str, state: State) -> dict[str, object]:
    totals = state.totals
    return {
        "v": 1,
        "type": "crawl_worker",
        "worker": name,
        "stopped": state.stopped,
        **{one: totals.ended[one] for one in _STATES},
        "posts": totals.posts,
        "media": totals.media,
        "known": totals.known,
        "found": totals.found,
        "lost": totals.lost,
    }


def _line(row: Mapping[str, Any]) -> str:
    why = {"": "nothing is left", "switch": "the kill switch is raised", "signal": "it was ended"}
    states = ", ".join(f"{row[one]} {one}" for one in _STATES if row[one])
    return (
        f"worker ended ({why[row['stopped']]}): {states or 'no URL'}\n"
        f"{row['posts']} new posts, {row['media']} media hashed and dropped, "
        f"{row['known']} of them known to lists, {row['found']} new URLs"
    )
