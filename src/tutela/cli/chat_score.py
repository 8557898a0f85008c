"""`tutela chat score`: which conversations of exports somebody should read first, and why."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter

from tutela.casework import case as cases
from tutela.chat import run
from tutela.chat.keeping import Desk
from tutela.chat.model import Left, Message
from tutela.chat.reader import Reader
from tutela.chat.run import Calm, Ranked, Totals
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.weighing import DEFAULT_POINT
from tutela.cli import chat_rows as rows
from tutela.cli import chat_sources, output
from tutela.cli.chat_sources import Observed, Of
from tutela.cli.open import Office, opened
from tutela.core import settings as core_settings
from tutela.core.errors import UsageError
from tutela.core.settings import Settings
from tutela.evidence.vault import Vault, master_key
from tutela.hashlist.library import Library
from tutela.observation.conversation_model import Measure
from tutela.observation.sealing import Words
from tutela.scan.hasher import Hasher

_REDRAW_S: Final = 0.25
_MOST_BUDGET: Final = 100_000


def score(
    paths: list[Path] | None = None,
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
        names: Name conversations and speakers as the export does, rather than by number.
        zone: Of times that an export writes without one, such as Europe/Berlin; night is by it.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    clock = _checked(paths, budget, point, zone, observed=observed)
    settings = core_settings.load(config)
    with contextlib.ExitStack() as stack:
        # The confined processes are forked before anything secret is open.
        reader = stack.enter_context(Reader(zone=clock))
        look_up = _look_up(settings, stack)
        office = stack.enter_context(opened(config, break_glass=break_glass)) if case else None
        basis = _basis(office, settings, case, legal_basis, observed=observed)
        parts = Parts.shipped(encoder=not no_encoder)
        ahead = datetime.now(clock).utcoffset() or timedelta()
        scorer = Scorer(parts, point=point, offset_min=int(ahead.total_seconds() // 60))
        found, left = chat_sources.found(paths or [], reader)
        of: list[Of] = [*found, *([Observed()] if observed else [])]
        desk = _desk(office, case, stack) if office else None
        read = chat_sources.reading(reader, desk)
        measure = Measure(sha256=bytes.fromhex(parts.digest), point=point)
        watch = stack.enter_context(_shown())
        result = run.score(
            of,
            read,
            scorer,
            budget,
            known=look_up,
            keep=chat_sources.keep(desk, settings.crawl.keep_days, measure) if desk else None,
            watch=watch,
        )
        result.totals.left += left
        calm = _calm(harmless, reader, scorer, look_up) if harmless else Calm()
        show = output.writer(format_, rows.line, rows.COLUMNS)
        if format_ == "text":
            print(rows.WARNING)
        first = result.chosen.shown
        for row in _conversations(of, read, first, text=not no_text, names=names):
            show(row)
    for row in (
        rows.budget(budget, result.chosen, calm),
        rows.totals(result.totals, basis, point, parts.digest),
    ):
        if format_ == "csv":  # its columns are those of conversations
            print(rows.line(row), file=sys.stderr)
        else:
            show(row)
    return 1 if _is_incomplete(result.totals) else 0


def _checked(
    paths: Sequence[Path] | None, budget: int, point: float, zone: str, *, observed: bool
) -> ZoneInfo:
    """Check what was asked for, and return the zone.

    Raises:
        UsageError: it cannot be done.
    """
    if not paths and not observed:
        raise UsageError("there is nothing to read", hint="name exports or a folder of them")
    if not 0 <= budget <= _MOST_BUDGET:
        raise UsageError(f"a budget is 0 to {_MOST_BUDGET:,} conversations")
    if not (math.isfinite(point) and point > 0):
        raise UsageError("a point is a number above 0")
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {zone}", hint="name one as Europe/Berlin or UTC"
        ) from error


def _look_up(settings: Settings, stack: contextlib.ExitStack) -> run.Known[Of] | None:
    """Return what looks files up, None where there are no hash lists."""
    if not (settings.library.path / "library.json").exists():
        return None
    files = stack.enter_context(Reader())
    hasher = stack.enter_context(Hasher())
    return chat_sources.known(hasher, Library.open(settings.library.path), files)


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


def _desk(office: Office, case: str, stack: contextlib.ExitStack) -> Desk:
    with office.database.read() as tx:
        case_id = cases.by_number(tx, office.who, case).id
    vault = Vault(office.settings.vault.path, master_key(office.settings.vault))
    return Desk(office.database, Words(stack.enter_context(vault)), office.who, case_id)


def _calm(path: Path, reader: Reader, scorer: Scorer, look_up: run.Known[Of] | None) -> Calm:
    """Score harmless conversations as the others were."""
    found, left = chat_sources.found([path], reader)
    result = run.score(found, reader.read, scorer, 0, known=look_up)
    return Calm(points=result.points, left=left + result.totals.left)


def _conversations(
    of: Sequence[Of],
    read: Callable[[Of], Iterator[Sequence[Message | Left]]],
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
    return bool(totals.forgotten) or any(
        reason not in rows.HARMLESS_REASONS for reason in totals.left
    )


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
