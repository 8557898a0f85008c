"""Takes conversations into a case: messages in bulk, then what they add up to.

A source is read once in a case: its SHA-256 tells. Reading that was cut off begins anew; rows that
are there already stay as they are, since the same source gives the same places. What is kept in
memory of a source is bounded: conversations that were not seen for long are looked up again.

    keeping = conversations.begin(tx, words, who, case_id, origin, moment)
    if keeping is not None:  # else it is all there
        keeping.messages(tx, some)  # as often as needed, each in a transaction of its own
        keeping.scores(tx, some, measure, moment)
        keeping.end(tx, who, left, moment)
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation import plain
from tutela.observation.conversation_model import (
    Measure,
    Origin,
    ScoreKept,
    Sealed,
    Spoken,
    State,
)
from tutela.observation.conversation_scores import rows_of
from tutela.observation.sealing import WeekKey, Words
from tutela.store.bulk import insert_returning, insert_rows, update_rows
from tutela.store.tables.chat import (
    ChatImport,
    Conversation,
    ConversationMessage,
    ConversationPair,
    ConversationSpeaker,
)

SOURCE: Final = "conversations"  # under which the keys of their words stand
MOST_OPEN: Final = 20_000  # conversations in memory
MOST_SPEAKERS: Final = 500_000  # of all those together
MOST_REPLIES: Final = 100_000  # messages that may still be answered
ID_CHARACTERS: Final = 500  # of a message that may be answered
TROUBLE_CHARACTERS: Final = 200
_encode = msgspec.json.Encoder().encode


@dataclass
class _Open:
    """A conversation in memory: its row, its next message, its speakers by the source's id."""

    id: int
    tag: bytes
    count: int
    first: datetime | None
    last: datetime | None
    troubles: Counter[str]
    speakers: dict[str, int] = field(default_factory=dict)


class Keeping:
    """Keeps one source; not for several threads. After a transaction was undone, begin anew."""

    def __init__(self, import_id: int, case_id: CaseId, key: WeekKey) -> None:
        self.import_id, self.case_id = import_id, case_id
        self._key = key
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._speakers = 0
        self._replies: OrderedDict[tuple[int, str], int] = OrderedDict()

    def messages(self, tx: Connection, some: Sequence[Spoken]) -> int:
        """Keep messages, in the order of their source, and return how many. Asks no permission."""
        if not some:
            return 0
        touched = self._opened(tx, _names(some))
        speakers: list[dict[str, Any]] = []
        rows = [self._message(touched[one.conversation], one, speakers) for one in some]
        insert_rows(tx, ConversationSpeaker, speakers, ignore_existing=True)
        insert_rows(tx, ConversationMessage, rows, ignore_existing=True)
        update_rows(tx, Conversation, [_counts(one) for one in touched.values()])
        self._close_some()
        return len(rows)

    def scores(
        self, tx: Connection, some: Sequence[ScoreKept], measure: Measure, moment: datetime
    ) -> int:
        """Keep what conversations of this source add up to, in place of what they did before.

        Asks no permission. What people decided of them stays as it is.

        Raises:
            UsageError: code `not_found`: no message of a conversation was kept.
        """
        if not some:
            return 0
        touched = self._opened(tx, _names(some), new=False)
        ids = [one.id for one in touched.values()]
        tx.execute(delete(ConversationPair).where(among(tx, ConversationPair.conversation_id, ids)))
        heads: list[dict[str, Any]] = []
        pairs: list[dict[str, Any]] = []
        for one in some:
            there = touched[one.conversation]
            head, made = rows_of(self.case_id, there.id, one, there.speakers)
            heads.append(
                head | {"parts_sha256": measure.sha256, "point": measure.point, "scored_at": moment}
            )
            pairs += made
        update_rows(tx, Conversation, heads)
        insert_rows(tx, ConversationPair, pairs)
        self._close_some()
        return len(heads)

    def end(
        self,
        tx: Connection,
        who: Principal,
        left: Mapping[str, int],
        measure: Measure,
        moment: datetime,
    ) -> None:
        """Say that all of the source was read, and what was left out by reason; it is logged.

        Raises:
            UsageError: the case was closed or deleted meanwhile.
        """
        of_it = Conversation.import_id == self.import_id
        counted = tx.execute(
            select(func.count(), func.coalesce(func.sum(Conversation.messages), 0)).where(of_it)
        ).one()
        alerts = select(func.count()).where(of_it, Conversation.alert.is_(True))
        alerted = tx.execute(alerts).scalar_one()
        told = {"conversations": int(counted[0]), "messages": int(counted[1])}
        tx.execute(
            update(ChatImport)
            .where(ChatImport.id == self.import_id)
            .values(ended_at=moment, left=dict(left), **told)
        )
        cases.stay_open(tx, self.case_id)
        subject, case = f"chat-import:{self.import_id}", int(self.case_id)
        facts: dict[str, log.Value] = {"case": case, **told, "left": dict(left)}
        scored: dict[str, log.Value] = {"case": case, "conversations": told["conversations"]}
        scored |= {"alerts": alerted, "parts": measure.sha256.hex()}
        log.record_many(
            tx,
            who,
            [
                log.Event("conversations.imported", subject, facts),
                log.Event("conversations.scored", subject, scored),
            ],
        )

    def _opened(
        self, tx: Connection, wanted: Collection[str], *, new: bool = True
    ) -> dict[str, _Open]:
        """Return conversations by the source's ids, from memory, the database, or made."""
        found: dict[str, _Open] = {}
        tags: dict[bytes, str] = {}
        for name in wanted:
            if name in self._open:
                self._open.move_to_end(name)
                found[name] = self._open[name]
            else:
                tags[self._key.tag(name, b"conversation")] = name
        if tags:
            made = self._looked_up(tx, tags)
            if new:
                missing = [tag for tag in tags if tags[tag] not in made]
                made |= self._made(tx, tags, missing)
            for name, one in made.items():
                self._open[name] = found[name] = one
                self._speakers += len(one.speakers)
        if len(found) < len(wanted):
            raise UsageError("a conversation that was scored was not kept", code="not_found")
        return found

    def _looked_up(self, tx: Connection, tags: Mapping[bytes, str]) -> dict[str, _Open]:
        rows: list[Any] = []
        ordered = sorted(tags)
        for start in range(0, len(ordered), 500):
            asked = select(Conversation.__table__).where(
                Conversation.import_id == self.import_id,
                Conversation.tag.in_(ordered[start : start + 500]),
            )
            rows += tx.execute(asked).all()
        found = {
            row.id: _Open(
                row.id, row.tag, row.messages, row.first_at, row.last_at, Counter(row.troubles)
            )
            for row in rows
        }
        counts = {row.id: row.speakers for row in rows}
        spoken = select(ConversationSpeaker.__table__).where(
            among(tx, ConversationSpeaker.conversation_id, found)
        )
        for row in tx.execute(spoken):
            if row.number < counts[row.conversation_id] and row.name is not None:
                about = speaker_place(row.conversation_id, row.number)
                author, _ = msgspec.json.decode(self._key.open(row.name, about), type=list[str])
                found[row.conversation_id].speakers[author] = row.number
        return {tags[one.tag]: one for one in found.values()}

    def _made(
        self, tx: Connection, tags: Mapping[bytes, str], missing: Sequence[bytes]
    ) -> dict[str, _Open]:
        rows: list[dict[str, Any]] = [
            {
                "case_id": self.case_id,
                "import_id": self.import_id,
                "text_key_id": self._key.id,
                "tag": tag,
                "name": self._key.seal(plain.text(tags[tag]), name_place(self.import_id, tag)),
                "speakers": 0,
                "messages": 0,
                "first_at": None,
                "last_at": None,
                "troubles": {},
                "points": 0.0,
                "point": 0.0,
                "alert": False,
                "signs": [],
                "parts_sha256": b"",
                "scored_at": None,
                "state": State.OPEN.value,
                "handed_to": None,
                "decided_by": None,
                "decided_at": None,
            }
            for tag in missing
        ]
        ids = insert_returning(tx, Conversation, rows)
        return {
            tags[tag]: _Open(number, tag, 0, None, None, Counter())
            for tag, number in zip(missing, ids, strict=True)
        }

    def _message(self, there: _Open, one: Spoken, speakers: list[dict[str, Any]]) -> dict[str, Any]:
        number = there.count
        there.count += 1
        if one.at is not None:
            there.first = one.at if there.first is None else min(there.first, one.at)
            there.last = one.at if there.last is None else max(there.last, one.at)
        there.troubles.update(one.troubles)
        replies_to = self._replies.get((there.id, one.replies_to)) if one.replies_to else None
        if len(one.id) <= ID_CHARACTERS:
            self._replies[there.id, one.id] = number
            if len(self._replies) > MOST_REPLIES:
                self._replies.popitem(last=False)
        sealed = None
        if one.post is None:
            sealed = self._key.seal(_sealed(one), message_place(there.id, number))
        return {
            "conversation_id": there.id,
            "number": number,
            "case_id": self.case_id,
            "speaker": self._speaker(there, one, speakers),
            "at": one.at,
            "deleted": one.deleted,
            "system": one.system,
            "replies_to": replies_to,
            "files": len(one.files),
            "characters": len(one.text),
            "troubles": " ".join(one.troubles)[:TROUBLE_CHARACTERS],
            "sealed": sealed,
            "post_id": one.post,
        }

    def _speaker(self, there: _Open, one: Spoken, speakers: list[dict[str, Any]]) -> int | None:
        if not one.author:
            return None
        author = plain.text(one.author)
        if (known := there.speakers.get(author)) is not None:
            return known
        number = there.speakers[author] = len(there.speakers)
        self._speakers += 1
        name = _encode([author, plain.text(one.name)])
        speakers.append(
            {
                "conversation_id": there.id,
                "number": number,
                "case_id": self.case_id,
                "name": self._key.seal(name, speaker_place(there.id, number)),
                "age_band": one.age_band,
            }
        )
        return number

    def _close_some(self) -> None:
        """Forget conversations that were not seen for longest: their rows say the same."""
        while len(self._open) > MOST_OPEN or (
            self._speakers > MOST_SPEAKERS and len(self._open) > 1
        ):
            _, gone = self._open.popitem(last=False)
            self._speakers -= len(gone.speakers)


def begin(  # noqa: PLR0913, PLR0917 what is read into which case, by whom, when
    tx: Connection,
    words: Words,
    who: Principal,
    case_id: CaseId,
    origin: Origin,
    moment: datetime,
) -> Keeping | None:
    """Begin to keep a source, or begin anew where it was cut off; None if all of it is there.

    Call `words.committed` after the commit, as `observation.keep.pages` says.

    Raises:
        AccessError: `who` may not take conversations into this case.
        UsageError: the case is closed or its authority is not valid now; code `shredded`: the words
            of the week in which it was begun are destroyed already.
    """
    require(tx, who, Permission.CONVERSATIONS_WORK, case_id)
    case = cases.working(tx, case_id)
    there = tx.execute(
        select(ChatImport.id, ChatImport.text_key_id, ChatImport.ended_at)
        .where(ChatImport.case_id == case_id, ChatImport.sha256 == origin.sha256)
        .with_for_update()
    ).one_or_none()
    if there is not None:
        return None if there.ended_at is not None else _again(tx, words, case_id, there)
    key = words.key(tx, case_id, SOURCE, moment, origin.keep)
    name = key.seal(plain.text(origin.name), import_place(case_id, origin.sha256))
    made = tx.execute(
        insert(ChatImport)
        .values(
            case_id=case_id,
            format=origin.format,
            sha256=origin.sha256,
            name=name,
            authority_id=case.authority.id,
            text_key_id=key.id,
            begun_at=moment,
            begun_by=who.account_id,
            ended_at=None,
            conversations=0,
            messages=0,
            left={},
        )
        .returning(ChatImport.id)
    ).scalar_one()
    cases.stay_open(tx, case_id)
    log.record(
        tx,
        who,
        "conversations.begun",
        f"chat-import:{made}",
        case=int(case_id),
        format=origin.format,
        sha256=origin.sha256.hex(),
    )
    return Keeping(made, case_id, key)


def known(
    tx: Connection, words: Words, who: Principal, case_id: CaseId, sha256: bytes
) -> Keeping | None:
    """Return what keeps other scores of a source that was read to its end; None if it was not.

    Raises:
        AccessError: `who` may not take conversations into this case.
        UsageError: the case is closed, its authority not valid now, or code `shredded`.
    """
    require(tx, who, Permission.CONVERSATIONS_WORK, case_id)
    cases.working(tx, case_id)
    there = tx.execute(
        select(ChatImport.id, ChatImport.text_key_id).where(
            ChatImport.case_id == case_id,
            ChatImport.sha256 == sha256,
            ChatImport.ended_at.is_not(None),
        )
    ).one_or_none()
    if there is None:
        return None
    return Keeping(there.id, case_id, _lasting(tx, words, there.text_key_id))


def _lasting(tx: Connection, words: Words, key_id: int) -> WeekKey:
    key = words.lasting(tx, key_id)
    if key is None:
        raise UsageError("the words of this week are destroyed already", code="shredded")
    return key


def _again(tx: Connection, words: Words, case_id: CaseId, there: Any) -> Keeping:
    """Begin a source anew: what was kept of it is met again at the same places."""
    key = _lasting(tx, words, there.text_key_id)
    tx.execute(
        update(Conversation)
        .where(Conversation.import_id == there.id)
        .values(speakers=0, messages=0, first_at=None, last_at=None, troubles={})
    )
    return Keeping(there.id, case_id, key)


def import_place(case_id: int, sha256: bytes) -> bytes:
    """Return what the name of a source is bound to."""
    return b"import\0%d\0%s" % (case_id, sha256.hex().encode())


def name_place(import_id: int, tag: bytes) -> bytes:
    """Return what the name of a conversation is bound to."""
    return b"conversation\0%d\0%s" % (import_id, tag.hex().encode())


def speaker_place(conversation_id: int, number: int) -> bytes:
    """Return what the name of a speaker is bound to."""
    return b"speaker\0%d\0%d" % (conversation_id, number)


def message_place(conversation_id: int, number: int) -> bytes:
    """Return what a message is bound to."""
    return b"message\0%d\0%d" % (conversation_id, number)


def _names(some: Iterable[Spoken] | Iterable[ScoreKept]) -> list[str]:
    """Return conversations in the order in which they come."""
    return list(dict.fromkeys(one.conversation for one in some))


def _sealed(one: Spoken) -> bytes:
    found = Sealed(one.text, one.id, one.files, one.to)
    return _encode(plain.plain(found) if _odd(one) else found)


def _odd(one: Spoken) -> bool:
    """Tell whether a message holds what is no text, cheaply for the many that do not."""
    if one.files or one.to:
        return True
    words = one.text + one.id
    return not words.isascii() or "\0" in words


def _counts(one: _Open) -> dict[str, Any]:
    return {
        "id": one.id,
        "speakers": len(one.speakers),
        "messages": one.count,
        "first_at": one.first,
        "last_at": one.last,
        "troubles": dict(one.troubles),
    }
