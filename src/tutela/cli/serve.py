"""`tutela serve`."""

from __future__ import annotations

import contextlib
import gc
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import structlog
import uvicorn
from litestar import Litestar

from tutela.access import seal
from tutela.api import app as programs
from tutela.api.office import Desk
from tutela.audit import checkpoint
from tutela.cli import serve_chat, serve_nodes
from tutela.cli.list_publish import ceremony_of
from tutela.core import settings as core_settings
from tutela.core.errors import ServiceError, TutelaError, UsageError
from tutela.core.settings import ApiSettings, ExchangeSettings, Settings, WebSettings
from tutela.evidence.render import Renderer
from tutela.evidence.vault import Vault, master_key
from tutela.exchange.lapses import Watch
from tutela.exchange.match import Matching
from tutela.exchange.match_keeper import Keeper
from tutela.exchange.match_prefix import Prefixes
from tutela.exchange.publish.repository import last_root, locked
from tutela.hashlist.library import Library
from tutela.scan.hasher import Hasher
from tutela.store import Database
from tutela.store.schema import require_current
from tutela.web import app
from tutela.web.office import Office
from tutela.web.pages.export import EXPORTS

KEEP_ALIVE_S = 75
# Withdrawals and doubts are to reach members within a minute.
LOOK_S = 60


def serve(
    *,
    api: bool = False,
    federation: bool = False,
    host: str | None = None,
    port: int | None = None,
    config: Path | None = None,
) -> int:
    """Serve the pages for people, the API for programs, or partner nodes, until interrupted.

    People sign in at the address of `[web] origin`. Put a server that speaks TLS in front of it
    where others than this machine shall reach it.

    Args:
        api: Serve programs (lists, matching) instead of people, at `[api] host` and `port`.
        federation: Serve partner nodes instead, at `[federation] host` and `port`.
        host: Address to listen on.
        port: Port to listen on.
        config: Settings file.
    """
    if api and federation:
        raise UsageError("one process serves programs or partner nodes", hint="start two")
    whom = "api" if api else "federation" if federation else "web"
    settings = core_settings.load(config)
    given = {"host": host, "port": port}
    settings = core_settings.override(
        settings, whom, {key: value for key, value in given.items() if value is not None}
    )
    _log_plainly()
    return _SERVES[whom](settings)


def _serve_people(settings: Settings) -> int:
    # The renderer's confined processes are forked before a key or the database is opened.
    with Renderer() as renderer, Database(settings.database.url) as database:
        require_current(database)
        shutil.rmtree(settings.vault.path.with_name(EXPORTS), ignore_errors=True)
        sealer = seal.load(seal.place(settings.audit))
        office = Office(settings, database, sealer, _vault(settings), renderer)
        minutes = settings.audit.checkpoint_minutes
        with (
            _every(minutes * 60, "no checkpoint was signed", partial(_sign, office)),
            _watched(database),
        ):
            _run(app.build(office), settings.web)
    return 0


def _serve_programs(settings: Settings) -> int:
    often = settings.exchange.timestamp_hours * 900  # seconds: a quarter of the time
    renew = partial(_renew, settings.exchange)
    with contextlib.ExitStack() as stack:
        # Confined processes are forked before a list or the database is opened.
        hasher = stack.enter_context(Hasher()) if settings.match.files else None
        database = stack.enter_context(Database(settings.database.url))
        require_current(database)
        stack.enter_context(_every(often, "the publication was not signed anew", renew))
        stack.enter_context(_watched(database))
        chat = serve_chat.scoring(settings.chat, database)
        if chat is not None:
            said = "idle conversations were not forgotten"
            stack.enter_context(_every(LOOK_S, said, chat.sweep))
        desk = Desk(settings, database, hasher=hasher, chat=chat)
        if settings.library.path.exists():
            library = Library.open(settings.library.path)
            matching = Matching(library, database, settings.match)
            prefixes = Prefixes(matching, database, settings.match)
            matching.prewarm()
            stack.enter_context(Keeper([matching.settle, prefixes.settle]))
            desk = Desk(settings, database, library, matching, prefixes, hasher, chat)
        _settle()
        _run(programs.build(desk), settings.api)
    return 0


def _serve_nodes(settings: Settings) -> int:
    seconds = settings.federation.seconds
    with (
        serve_nodes.served(settings) as (listening, doing),
        _every(serve_nodes.LOOK_S, "nodes were not looked up", doing.look),
        _every(seconds, "the round of partner nodes broke off", doing.go),
    ):
        _listen(listening, settings.federation.url)
    return 0


def _settle() -> None:
    """Keep what was loaded out of later collections of garbage, and let threads take turns sooner.

    A full collection walks a million objects that never die, and stops every answer for a fifth of
    a second; a thread that waits for another's turn to end waits for five milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(0.001)


def _vault(settings: Settings) -> Vault | None:
    if not settings.vault.path.exists():
        return None
    return Vault(settings.vault.path, master_key(settings.vault))


def _log_plainly() -> None:
    """Write the log to standard error, a line an event; tracebacks without the values they had."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _run(built: Litestar, at: WebSettings | ApiSettings) -> None:
    listening = uvicorn.Config(
        built,
        host=at.host,
        port=at.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Half the cost of a small request of what Python alone does.
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=10,
    )
    _listen(listening, at.origin)


def _listen(listening: uvicorn.Config, origin: str) -> None:
    print(f"Tutela listens at {origin} (Ctrl-C ends it)", file=sys.stderr)
    try:
        uvicorn.Server(listening).run()
    except SystemExit as error:
        raise ServiceError(
            f"cannot listen on {listening.host}, port {listening.port}",
            hint="is another tutela serve running? --port chooses another",
        ) from error


def _sign(office: Office) -> None:
    """Sign the log: what a checkpoint covers cannot be rewritten unseen."""
    with office.database.write() as tx:
        checkpoint.sign(tx, office.settings.audit)


def _renew(settings: ExchangeSettings) -> None:
    """Sign what is published for another while, where this machine publishes."""
    if last_root(settings.publication) is not None:
        with locked(settings.keys):
            ceremony_of(settings).repository().publish()


def _watched(database: Database) -> contextlib.AbstractContextManager[None]:
    """Mark entries as disputed soon after their grades lapse: votes are given in the pages."""
    return _every(LOOK_S, "lists were not held against grades", Watch(database).look)


@contextlib.contextmanager
def _every(seconds: float, otherwise: str, do: Callable[[], object]) -> Iterator[None]:
    """Do something again and again; where it fails, say so and go on."""
    ended = threading.Event()

    def again() -> None:
        while not ended.wait(seconds):
            try:
                do()
            except Exception as error:  # noqa: BLE001 whatever it was, the next one may go well
                said = error.message if isinstance(error, TutelaError) else type(error).__name__
                print(f"warning: {otherwise}: {said}", file=sys.stderr)

    thread = threading.Thread(target=again, name="again", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


_SERVES = {"web": _serve_people, "api": _serve_programs, "federation": _serve_nodes}
