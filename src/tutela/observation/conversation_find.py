"""Conversations of a case in the order of work: no words, no names.

Of those that a crawl observed only who may see leads learns anything.

Words are opened by `observation.conversation_show`, some lines at a time, and each time logged.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal, Via
from tutela.observation.conversation_model import OBSERVED, UNDECIDED, State
from tutela.store.tables.chat import ChatImport, Conversation

Which = Literal["undecided", "alert", "all"]
WHICH: Final = ("undecided", "alert", "all")
MOST: Final = 500  # in one page


class ConversationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its words.

    Attributes:
        id: Its number, as the log calls it.
        import_id: The source that it came with.
        format: As which that was read.
        speakers: How many spoke.
        messages: How many there are.
        first_at: Of its earliest message that has a time.
        last_at: Of its latest one.
        points: Of its heaviest pair.
        point: From how many on it was an alert.
        alert: Whether it was one.
        signs: Codes of what the heaviest pair showed, the heaviest first.
        parts_sha256: Of what it was scored by; empty while it was not.
        scored_at: When.
        state: How far people are.
        handed_to: The case that it was handed over to.
        troubles: How much was repaired while it was read, by code.
        readable: Whether its words are kept still.
    """

    id: int
    import_id: int
    format: str
    speakers: int
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    points: float
    point: float
    alert: bool
    signs: tuple[str, ...]
    parts_sha256: bytes
    scored_at: datetime | None
    state: State
    handed_to: int | None
    troubles: dict[str, int]
    readable: bool


class Counts(msgspec.Struct, frozen=True):
    """How many conversations a case has: undecided ones, alerts, all."""

    undecided: int
    alert: int
    all: int


class ImportInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A source that was read, without its name; `ended_at` is None where it was cut off."""

    id: int
    format: str
    sha256: bytes
    begun_at: datetime
    ended_at: datetime | None
    conversations: int
    messages: int
    left: dict[str, int]


def find(  # noqa: PLR0913 what one asks for by name
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    which: Which = "undecided",
    *,
    start: int = 0,
    limit: int = 100,
) -> list[ConversationInfo]:
    """Return conversations that `who` may know of, those with most points first.

    Raises:
        AccessError: `who` may not read conversations of this case.
        UsageError: `which` is none of `WHICH`.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    if which not in WHICH:
        raise UsageError("choose undecided, alert or all")
    asked = (
        _asked()
        .where(*visible(who, case_id), *_conditions(which))
        .order_by(Conversation.points.desc(), Conversation.id.desc())
        .offset(max(start, 0))
        .limit(min(limit, MOST))
    )
    return [_info(row) for row in tx.execute(asked)]


def counts(tx: Connection, who: Principal, case_id: CaseId) -> Counts:
    """Return how many conversations of a case each choice has, of those `who` may know of.

    Raises:
        AccessError: as `find`.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    rows: Any = tx.execute(
        select(Conversation.state, Conversation.alert, func.count())
        .where(*visible(who, case_id))
        .group_by(Conversation.state, Conversation.alert)
    ).all()
    return Counts(
        undecided=sum(count for state, _, count in rows if state in UNDECIDED),
        alert=sum(count for _, alert, count in rows if alert),
        all=sum(count for _, _, count in rows),
    )


def imports(tx: Connection, who: Principal, case_id: CaseId) -> list[ImportInfo]:
    """Return the sources that were read into a case and `who` may know of, the newest first.

    Raises:
        AccessError: as `find`.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    rows = tx.execute(
        select(ChatImport.__table__)
        .where(ChatImport.case_id == case_id, *_formats(who))
        .order_by(ChatImport.id.desc())
    )
    names = ImportInfo.__struct_fields__
    return [ImportInfo(**{name: getattr(row, name) for name in names}) for row in rows]


def one(tx: Connection, who: Principal, case_id: CaseId, conversation_id: int) -> ConversationInfo:
    """Return a conversation of a case.

    Raises:
        AccessError: as `find`; or it was observed, and `who` may not see leads.
        UsageError: code `not_found`: the case has no such conversation.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    asked = _asked().where(Conversation.case_id == case_id, Conversation.id == conversation_id)
    row = tx.execute(asked).one_or_none()
    if row is None:
        raise UsageError("there is no such conversation in this case", code="not_found")
    if row.format == OBSERVED:
        require(tx, who, Permission.LEADS, case_id)
    return _info(row)


def following(
    tx: Connection, who: Principal, case_id: CaseId, conversation: ConversationInfo
) -> int | None:
    """Return the undecided conversation that comes after one in the order of work, if any does.

    Raises:
        AccessError: as `find`.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    after = or_(
        Conversation.points < conversation.points,
        and_(Conversation.points == conversation.points, Conversation.id < conversation.id),
    )
    found: int | None = tx.execute(
        select(Conversation.id)
        .where(*visible(who, case_id), *_conditions("undecided"), after)
        .order_by(Conversation.points.desc(), Conversation.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return found


def visible(who: Principal, case_id: CaseId) -> list[ColumnElement[bool]]:
    """Return which conversations of a case `who` may know of, given that it may read any."""
    formats = _formats(who)
    if not formats:
        return [Conversation.case_id == case_id]
    sources = select(ChatImport.id).where(ChatImport.case_id == case_id, *formats)
    return [Conversation.case_id == case_id, Conversation.import_id.in_(sources)]


def _formats(who: Principal) -> list[ColumnElement[bool]]:
    if who.via is Via.BREAK_GLASS or allows(who, Permission.LEADS):
        return []
    return [ChatImport.format != OBSERVED]


def _asked() -> Any:
    return select(Conversation.__table__, ChatImport.format).join(
        ChatImport, ChatImport.id == Conversation.import_id
    )


def _conditions(which: Which) -> list[ColumnElement[bool]]:
    if which == "undecided":
        return [Conversation.state.in_(UNDECIDED)]
    return [Conversation.alert.is_(True)] if which == "alert" else []


def _info(row: Row[Any]) -> ConversationInfo:
    names = set(ConversationInfo.__struct_fields__) - {"signs", "state", "readable"}
    return ConversationInfo(
        **{name: getattr(row, name) for name in names},
        signs=tuple(row.signs),
        state=State(row.state),
        readable=row.name is not None,
    )
