"""`tutela chat score`: which conversations of exports somebody should read first, and why."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cyclopts import Parameter

from tutela.casework import case as cases
from tutela.chat import keeping, run
from tutela.chat.attached import Attached
from tutela.chat.keeping import Desk, Keeper
from tutela.chat.model import Left, MediaRef, Message
from tutela.chat.reader import Reader
from tutela.chat.run import Ranked, Result, Totals
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.source import Source, digest_of, media_path
from tutela.chat.sources import sources
from tutela.chat.weighing import DEFAULT_POINT
from tutela.cli import chat_rows as rows
from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core import settings as core_settings
from tutela.core.errors import UsageError
from tutela.core.settings import Settings
from tutela.evidence.vault import Vault, master_key
from tutela.hashlist.library import Library
from tutela.observation import conversations_observed
from tutela.observation.conversation_model import Measure, Origin
from tutela.observation.sealing import Words
from tutela.scan.hasher import Hasher

_REDRAW_S: Final = 0.25
_TOGETHER: Final = 512
_MOST_BUDGET: Final = 100_000


class _Observed(msgspec.Struct):
    """What a crawl of the case has read; `posts` are those of the messages read last."""

    name: str = "observed"
    posts: tuple[int, ...] = ()


_Of = Source | _Observed


def score(
    paths: list[Path],
    *,
    budget: int = 50,
    case: str = "",
    legal_basis: str = "",
    observed: bool = False,
    harmless: Path | None = None,
    point: float = DEFAULT_POINT,
    no_encoder: bool = False,
    no_text: bool = False,
    names: bool = False,
    zone: str = "UTC",
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Order conversations by signs of risk, and show which lines counted.

    Signs prove nothing and say nothing of what a person is: somebody must read. Read
    docs/explanation/chat.md before you use it.

    Examples:
        tutela chat score exports/ --budget 50 --legal-basis "warrant W 12/26"
        tutela chat score exports/ --case OP-17

    Args:
        paths: Exports, or folders and zip archives of them.
        budget: How many conversations people can read.
        case: Keep the conversations in this case, under its authority.
        legal_basis: What allows you to read these conversations, where there is no case.
        observed: With --case: score what a crawl of the case has read, too.
        harmless: Exports of your own traffic that people found harmless: it says how often such
            conversations come as far.
        point: From how many points on a conversation counts as an alert.
        no_encoder: Do not compare messages by meaning; much faster, and finds less.
        no_text: Show the places of lines that counted, and never their words.
        names: Name speakers as the export does, rather than by number.
        zone: Of times that an export writes without one, such as Europe/Berlin; night is by it.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    if not 0 <= budget <= _MOST_BUDGET:
        raise UsageError(f"a budget is 0 to {_MOST_BUDGET:,} conversations")
    clock = _zone(zone)
    settings = core_settings.load(config)
    with contextlib.ExitStack() as stack:
        # The confined processes are forked before anything secret is open.
        reader = stack.enter_context(Reader(zone=clock))
        # Files in archives are had by a reader of their own, while another reads what names them.
        files = stack.enter_context(Reader()) if _has_lists(settings) else None
        hasher = stack.enter_context(Hasher()) if _has_lists(settings) else None
        office = stack.enter_context(opened(config, break_glass=break_glass)) if case else None
        basis = _basis(office, settings, case, legal_basis, observed=observed)
        parts = Parts.shipped(encoder=not no_encoder)
        ahead = datetime.now(clock).utcoffset() or timedelta()
        scorer = Scorer(parts, point=point, offset_min=int(ahead.total_seconds() // 60))
        found, left = _found(paths, reader)
        of: list[_Of] = [*found, *([_Observed()] if observed else [])]
        desk = _desk(office, case, stack) if office else None
        result = run.score(
            of,
            _read(reader, desk),
            scorer,
            budget,
            is_known=_is_known(settings, hasher, files),
            keep=_keep(desk, settings, parts, point) if desk else None,
            watch=stack.enter_context(_shown()),
        )
        result.totals.left.update(left)
        calm = _harmless(harmless, reader, parts, point) if harmless else None
        show = output.writer(format_, rows.line, rows.COLUMNS)
        if format_ == "text":
            print(rows.WARNING)
        for row in _conversations(
            of, _read(reader, desk), result.chosen.shown, text=not no_text, names=names
        ):
            show(row)
    show(rows.budget(budget, result.chosen, calm))
    show(rows.totals(result.totals, basis, point, parts.digest))
    return 1 if _is_incomplete(result.totals) else 0


def _basis(
    office: Office | None, settings: Settings, case: str, said: str, *, observed: bool
) -> str:
    """Return the legal basis that is recorded with the results.

    Raises:
        UsageError: code `no_basis`: there is none.
    """
    if office is not None:
        return f"authority of case {case}"
    if observed:
        raise UsageError("what was observed belongs to a case", hint="name it with --case")
    basis = said.strip() or settings.chat.legal_basis.strip()
    if not basis:
        raise UsageError(
            "conversations are scored only under a legal basis that is written down",
            code="no_basis",
            hint="name the case with --case, or say the basis with --legal-basis",
        )
    return basis


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {name}", hint="name one as Europe/Berlin or UTC"
        ) from error


def _has_lists(settings: Settings) -> bool:
    return (settings.library.path / "library.json").exists()


def _is_known(
    settings: Settings, hasher: Hasher | None, files: Reader | None
) -> Callable[[_Of, MediaRef], bool | None] | None:
    if hasher is None or files is None:
        return None

    def inside(source: _Of, ref: MediaRef) -> bytes | None:
        if not isinstance(source, Source):
            return None
        return next((data for _, data in files.media(source, [ref])), None)

    return Attached[_Of](hasher, Library.open(settings.library.path), _path_of, inside).is_known


def _path_of(source: _Of, ref: MediaRef) -> Path | None:
    return media_path(source, ref) if isinstance(source, Source) else None


def _found(paths: Sequence[Path], reader: Reader) -> tuple[list[Source], dict[str, int]]:
    """Return the exports below some paths, and how much else there is, by reason."""
    found: list[Source] = []
    left: dict[str, int] = {}
    for path in paths:
        for one in sources(path, reader):
            if isinstance(one, Source):
                found.append(one)
            else:
                left[one.reason] = left.get(one.reason, 0) + one.count
    return found, left


def _desk(office: Office, case: str, stack: contextlib.ExitStack) -> Desk:
    with office.database.read() as tx:
        case_id = cases.by_number(tx, office.who, case).id
    vault = Vault(office.settings.vault.path, master_key(office.settings.vault))
    return Desk(office.database, Words(stack.enter_context(vault)), office.who, case_id)


def _read(reader: Reader, desk: Desk | None) -> Callable[[_Of], Iterator[Sequence[Message | Left]]]:
    def read(source: _Of) -> Iterator[Sequence[Message | Left]]:
        if isinstance(source, Source):
            yield from reader.read(source)
        elif desk is not None:
            yield from _observed(source, desk)

    return read


def _observed(source: _Observed, desk: Desk) -> Iterator[list[Message | Left]]:
    """Yield what a crawl read. The rows are had at once: they are written to while we read."""
    with desk.database.read() as tx:
        found = list(keeping.observed(tx, desk))
    for start in range(0, len(found), _TOGETHER):
        some = found[start : start + _TOGETHER]
        source.posts = tuple(post for _, post in some)
        yield [message for message, _ in some]


class _KeptObserved:
    """Keeps messages by the posts that have their words."""

    def __init__(self, source: _Observed, keeper: Keeper) -> None:
        self._source = source
        self._keeper = keeper
        self.scored = keeper.scored
        self.end = keeper.end

    def take(self, some: Sequence[Message | Left]) -> None:
        self._keeper.take(some, self._source.posts)


def _keep(desk: Desk, settings: Settings, parts: Parts, point: float) -> Callable[[_Of], run.Kept]:
    measure = Measure(sha256=bytes.fromhex(parts.digest), point=point)
    days = timedelta(days=settings.crawl.keep_days)

    def keep(source: _Of) -> run.Kept:
        if isinstance(source, Source):
            origin = Origin(
                name=source.name, format=source.format, sha256=digest_of(source), keep=days
            )
            return Keeper(desk, origin, measure)
        with desk.database.read() as tx:
            digest = conversations_observed.digest(tx, desk.who, desk.case_id)
        origin = Origin(name=source.name, format=keeping.OBSERVED, sha256=digest, keep=days)
        return _KeptObserved(source, Keeper(desk, origin, measure))

    return keep


def _harmless(path: Path, reader: Reader, parts: Parts, point: float) -> list[float]:
    """Return the points of harmless conversations."""
    found, _ = _found([path], reader)
    return run.score(found, reader.read, Scorer(parts, point=point), 0).points


def _conversations(
    of: Sequence[_Of],
    read: Callable[[_Of], Iterator[Sequence[Message | Left]]],
    first: Sequence[Ranked],
    *,
    text: bool,
    names: bool,
) -> Iterator[dict[str, Any]]:
    lines = run.lines_of(of, read, first) if text else {}
    for rank, ranked in enumerate(first, 1):
        key = ranked.source, ranked.score.conversation
        yield rows.conversation(
            rank, ranked, of[ranked.source].name, lines[key] if text else None, names=names
        )


def _is_incomplete(totals: Totals) -> bool:
    """Tell whether something that may have been a conversation was not read."""
    return any(reason not in rows.HARMLESS_REASONS for reason in totals.left)


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[Totals], None]]:
    """Yield what draws the totals on standard error, where a person watches."""
    drawn = 0.0
    shown = sys.stderr.isatty()

    def watch(totals: Totals) -> None:
        nonlocal drawn
        if shown and time.monotonic() - drawn > _REDRAW_S:
            drawn = time.monotonic()
            words = f"{totals.messages:,} messages, {totals.sources:,} sources"
            sys.stderr.write(f"\r\x1b[2K{words}, {totals.alerts:,} over the point")
            sys.stderr.flush()

    try:
        yield watch
    finally:
        if shown and drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


__all__ = ["Result", "score"]
