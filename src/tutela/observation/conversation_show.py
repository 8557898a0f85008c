"""Opens a conversation for a person who reads: the lines that counted, and a few around each.

The rest is folded and opened some lines at a time. Speakers are `Speaker A`, `Speaker B`, until
somebody says why their names are needed. Each time the log says who read how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, update

from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation import conversation_find
from tutela.observation.conversation_find import ConversationInfo
from tutela.observation.conversation_lines import (
    Fold,
    Line,
    Span,
    clipped,
    folded,
    joined,
    lines_of,
    size,
    within,
)
from tutela.observation.conversation_model import NOBODY, Counted, ReasonKept, State
from tutela.observation.conversation_places import import_place, name_place, speaker_place
from tutela.observation.conversation_scores import reasons_of
from tutela.observation.sealing import WeekKey, Words
from tutela.store.tables.chat import (
    ChatImport,
    Conversation,
    ConversationMessage,
    ConversationPair,
    ConversationSpeaker,
)

AROUND: Final = 3  # lines before and after one that counted
FIRST: Final = 20  # lines, where none counted
MOST_COUNTED: Final = 60  # lines that counted, the heaviest reasons first
MOST_NAMES: Final = 200


class PairShown(msgspec.Struct, frozen=True, kw_only=True):
    """What one speaker showed towards another, by their numbers; see `chat_pairs`."""

    author: int
    other: int
    points: float
    reasons: tuple[ReasonKept, ...]
    against: tuple[str, ...]
    may_alert: bool
    crossed_at: int | None
    probability: float | None


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """A speaker; `name` and `author` are empty until names are revealed."""

    number: int
    label: str
    messages: int
    age_band: str
    name: str = ""
    author: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it is shown; `title` and `source` are empty until names are revealed.

    `closed` is how many lines that are wanted were folded again, to make room for later ones.
    """

    info: ConversationInfo
    pairs: tuple[PairShown, ...]
    speakers: dict[int, Speaker]
    lines: tuple[Line | Fold, ...]
    opened: tuple[Span, ...]
    revealed: bool
    closed: int = 0
    title: str = ""
    source: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What of a conversation is wanted.

    Attributes:
        opened: Lines of folds, beside those that counted, those that were opened last at the end.
        names: Why names are needed; empty for masked ones.
        around: Lines before and after each that counted.
    """

    opened: tuple[Span, ...] = ()
    names: str = ""
    around: int = AROUND


def show(  # noqa: PLR0913, PLR0917 what of which conversation, for whom, opened by what
    tx: Connection,
    words: Words,
    who: Principal,
    case_id: CaseId,
    conversation_id: int,
    wanted: Wanted = Wanted(),  # noqa: B008 it cannot be changed
) -> Shown:
    """Return a conversation with some of its lines opened; it is logged, and counts as read.

    Args:
        tx: A transaction that writes.
        words: Opens what is sealed.
        who: Who reads.
        case_id: The case.
        conversation_id: The conversation.
        wanted: What of it.

    Raises:
        AccessError: `who` may not read conversations of this case.
        UsageError: code `not_found`; code `authority`: the case's is not valid now; or `names` is
            only blanks.
        IntegrityError: code `sealed`: words were changed, or stand in another place.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    cases.under_authority(tx, case_id)
    info = conversation_find.one(tx, who, case_id, conversation_id)
    if wanted.names and not wanted.names.strip():
        raise UsageError("say why the names are needed")
    pairs = _pairs(tx, conversation_id)
    opened = within(wanted.opened, info.messages)
    spans = _spans(pairs, opened, wanted.around, info.messages)
    row = tx.execute(
        select(
            Conversation.text_key_id, Conversation.import_id, Conversation.tag, Conversation.name
        ).where(Conversation.id == conversation_id)
    ).one()
    key = words.lasting(tx, row.text_key_id)
    lines = lines_of(tx, words, key, conversation_id, spans, _signs(pairs))
    seen = {one.speaker for one in lines if one.speaker is not None}
    seen |= {number for one in pairs for number in (one.author, one.other)} - {NOBODY}
    speakers = _speakers(tx, key if wanted.names else None, conversation_id, seen)
    title, source = _titles(tx, key, row) if wanted.names else ("", "")
    found = Shown(
        info=info,
        pairs=pairs,
        speakers=speakers,
        lines=tuple(folded(lines, info.messages)),
        opened=opened,
        revealed=bool(wanted.names),
        closed=size(clipped(wanted.opened, info.messages)) - size(opened),
        title=title,
        source=source,
    )
    _read(tx, who, case_id, info, len(lines), wanted.names)
    return found


def label(number: int) -> str:
    """Return the letters by which a speaker is called: A to Z, then AA and on; `?` for nobody."""
    if number < 0:
        return "?"
    letters = ""
    while number >= 0:
        number, rest = divmod(number, 26)
        letters = chr(ord("A") + rest) + letters
        number -= 1
    return letters


def _read(  # noqa: PLR0913, PLR0917 what the log says
    tx: Connection, who: Principal, case_id: CaseId, info: ConversationInfo, lines: int, names: str
) -> None:
    if info.state is State.OPEN and allows(who, Permission.CONVERSATIONS_WORK):
        tx.execute(
            update(Conversation)
            .where(Conversation.id == info.id, Conversation.state == State.OPEN.value)
            .values(state=State.READ.value)
        )
    subject, case = f"conversation:{info.id}", int(case_id)
    events = [log.Event("conversation.read", subject, {"case": case, "messages": lines})]
    if names:
        texts = {"reason": names.strip()}
        events.append(log.Event("conversation.revealed", subject, {"case": case}, texts))
    log.record_many(tx, who, events)


def _pairs(tx: Connection, conversation_id: int) -> tuple[PairShown, ...]:
    rows = tx.execute(
        select(ConversationPair.__table__)
        .where(ConversationPair.conversation_id == conversation_id)
        .order_by(ConversationPair.place)
    )
    return tuple(
        PairShown(
            author=row.author,
            other=row.other,
            points=row.points,
            reasons=tuple(reasons_of(row.reasons)),
            against=tuple(row.against),
            may_alert=row.may_alert,
            crossed_at=row.crossed_at,
            probability=row.probability,
        )
        for row in rows
    )


def _spans(
    pairs: Sequence[PairShown], opened: Sequence[Span], around: int, messages: int
) -> list[Span]:
    counted: dict[int, None] = {}
    for pair in pairs:
        for reason in pair.reasons:
            for place in reason.shown:
                if 0 <= place.number < messages and len(counted) < MOST_COUNTED:
                    counted[place.number] = None
    spans = [
        (max(number - around, 0), min(number + around, messages - 1)) for number in counted
    ] or [(0, min(FIRST, messages) - 1)]
    return joined([*spans, *opened])


def _signs(pairs: Sequence[PairShown]) -> dict[int, list[tuple[Counted, ReasonKept]]]:
    found: dict[int, list[tuple[Counted, ReasonKept]]] = {}
    for pair in pairs:
        for reason in pair.reasons:
            for place in reason.shown:
                found.setdefault(place.number, []).append((place, reason))
    return found


def _speakers(
    tx: Connection, key: WeekKey | None, conversation_id: int, numbers: Iterable[int]
) -> dict[int, Speaker]:
    wanted = sorted(numbers)[:MOST_NAMES]
    counted: Any = (
        select(ConversationMessage.speaker, func.count())
        .where(
            ConversationMessage.conversation_id == conversation_id,
            ConversationMessage.speaker.in_(wanted),
        )
        .group_by(ConversationMessage.speaker)
    )
    messages: dict[int, int] = dict(tx.execute(counted).all())
    rows = tx.execute(
        select(ConversationSpeaker.__table__).where(
            ConversationSpeaker.conversation_id == conversation_id,
            ConversationSpeaker.number.in_(wanted),
        )
    )
    found = {}
    for row in rows:
        author = name = ""
        if key is not None and row.name is not None:
            place = speaker_place(conversation_id, row.number)
            author, name = msgspec.json.decode(key.open(row.name, place), type=list[str])
        found[row.number] = Speaker(
            number=row.number,
            label=label(row.number),
            messages=messages.get(row.number, 0),
            age_band=row.age_band,
            name=name or author,
            author=author,
        )
    return found


def _titles(tx: Connection, key: WeekKey | None, row: Any) -> tuple[str, str]:
    """Return how the export calls the conversation, and the name of the source."""
    if key is None or row.name is None:
        return "", ""
    title = key.open(row.name, name_place(row.import_id, row.tag)).decode()
    asked = select(ChatImport.case_id, ChatImport.sha256, ChatImport.name)
    source = tx.execute(asked.where(ChatImport.id == row.import_id)).one()
    if source.name is None:
        return title, ""
    place = import_place(source.case_id, source.sha256)
    return title, key.open(source.name, place).decode()
