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

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation import conversation_again, conversation_ending, plain
from tutela.observation.conversation_model import (
    OBSERVED,
    UNDECIDED,
    Measure,
    Origin,
    ScoreKept,
    Sealed,
    Spoken,
)
from tutela.observation.conversation_places import (
    import_place,
    message_place,
    name_place,
    speaker_place,
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
Numbers = Mapping[tuple[str, str], int]  # of messages, by conversation and key of the post
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
    """Keeps one source; not for several threads. After a transaction was undone, begin anew.

    `continued` says that some of it was there. Of what was `observed` messages that are there keep
    their numbers, whatever is read between them later; others come behind them.
    """

    def __init__(  # noqa: PLR0913 which source, by whose hand, and how it goes on
        self,
        import_id: int,
        case_id: CaseId,
        key: WeekKey,
        who: Principal,
        *,
        continued: bool = False,
        observed: bool = False,
    ) -> None:
        self.import_id, self.case_id, self.continued = import_id, case_id, continued
        self._key, self._who, self._observed = key, who, observed
        self._since: dict[int, int] = {}  # messages of decided ones, before this reading
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._speakers = 0
        self._replies: OrderedDict[tuple[int, str], int] = OrderedDict()

    def messages(self, tx: Connection, some: Sequence[Spoken]) -> int:
        """Keep messages, in the order of their source, and return how many. Asks no permission.

        Raises:
            ConflictError: what was observed is being kept by somebody else as well.
        """
        if not some:
            return 0
        touched = self._opened(tx, _names(some))
        if self._observed:
            some = self._unknown(tx, touched, some)
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

        Asks no permission. What people decided of them stays as it is, but where what was observed
        shows new signs: that is open again.

        Raises:
            UsageError: code `not_found`: no message of a conversation was kept.
        """
        if not some:
            return 0
        touched = self._opened(tx, _names(some), new=False)
        ids = [one.id for one in touched.values()]
        if self._observed:
            scored = {touched[one.conversation].id: one for one in some}
            conversation_again.reopen(tx, self._who, self.case_id, scored, self._since, measure)
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
        conversation_ending.end(tx, self.import_id, left, moment)
        cases.stay_open(tx, self.case_id)
        conversation_ending.told(tx, who, self.case_id, self.import_id)
        self.rescored(tx, measure)

    def cut_off(self, tx: Connection, left: Mapping[str, int]) -> None:
        """Say what was left out so far of a source that could not be read to its end."""
        conversation_ending.cut_off(tx, self.import_id, left)

    def rescored(self, tx: Connection, measure: Measure) -> None:
        """Say that conversations of this source were put in order; it is logged."""
        conversation_ending.scored(tx, self._who, self.case_id, self.import_id, measure)

    def numbers(self, tx: Connection, asked: Mapping[str, Collection[str]]) -> Numbers:
        """Return by which number each conversation has posts, by their keys."""
        if not asked:
            return {}
        touched = self._opened(tx, asked, new=False)
        by_id = {one.id: name for name, one in touched.items()}
        wanted = {one.id: asked[name] for name, one in touched.items()}
        found = conversation_again.numbers(tx, wanted)
        return {(by_id[number], key): place for (number, key), place in found.items()}

    def _unknown(
        self, tx: Connection, touched: Mapping[str, _Open], some: Sequence[Spoken]
    ) -> list[Spoken]:
        """Return messages whose posts are not there yet; those that are may still be answered."""
        conversation_again.undisturbed(tx, {one.id: one.count for one in touched.values()})
        posts = [one.post for one in some if one.post is not None]
        there = conversation_again.places(tx, [one.id for one in touched.values()], posts)
        found = []
        for one in some:
            place = None if one.post is None else there.get(one.post)
            if place is None:
                found.append(one)
            else:
                self._answerable(place[0], one.id, place[1])
        return found

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
        for row in rows:
            if row.state not in UNDECIDED:
                self._since.setdefault(row.id, row.messages)
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
                **conversation_ending.EMPTY,
                "troubles": {},
                "signs": [],
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
        self._answerable(there.id, one.id, number)
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

    def _answerable(self, conversation_id: int, key: str, number: int) -> None:
        if len(key) <= ID_CHARACTERS:
            self._replies[conversation_id, key] = number
            if len(self._replies) > MOST_REPLIES:
                self._replies.popitem(last=False)

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

    What was observed goes on for as long as the words of the week in which it was begun last: it is
    never all there. After that it is begun again, under another SHA-256.

    Call `words.committed` after the commit, as `observation.keep.pages` says.

    Raises:
        AccessError: `who` may not take conversations into this case.
        UsageError: the case is closed or its authority is not valid now; code `shredded`: the words
            of the week in which it was begun are destroyed already.
    """
    require(tx, who, Permission.CONVERSATIONS_WORK, case_id)
    case = cases.working(tx, case_id)
    sha256, observed = origin.sha256, origin.format == OBSERVED
    there = _there(tx, case_id, sha256)
    while observed and there is not None and words.lasting(tx, there.text_key_id) is None:
        sha256 = hashlib.sha256(sha256).digest()
        there = _there(tx, case_id, sha256)
    if there is not None:
        if there.ended_at is not None and not observed:
            return None
        return _again(tx, words, who, case_id, there, observed=observed)
    key = words.key(tx, case_id, SOURCE, moment, origin.keep)
    name = key.seal(plain.text(origin.name), import_place(case_id, sha256))
    made = tx.execute(
        insert(ChatImport)
        .values(
            case_id=case_id,
            format=origin.format,
            sha256=sha256,
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
        sha256=sha256.hex(),
    )
    return Keeping(made, case_id, key, who, observed=observed)


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
    return Keeping(there.id, case_id, _lasting(tx, words, there.text_key_id), who)


def _lasting(tx: Connection, words: Words, key_id: int) -> WeekKey:
    key = words.lasting(tx, key_id)
    if key is None:
        raise UsageError("the words of this week are destroyed already", code="shredded")
    return key


def _there(tx: Connection, case_id: CaseId, sha256: bytes) -> Any:
    asked = select(ChatImport.id, ChatImport.text_key_id, ChatImport.ended_at, ChatImport.format)
    of_it = (ChatImport.case_id == case_id, ChatImport.sha256 == sha256)
    return tx.execute(asked.where(*of_it).with_for_update()).one_or_none()


def _again(  # noqa: PLR0913 what goes on, in which case, by whose hand
    tx: Connection, words: Words, who: Principal, case_id: CaseId, there: Any, *, observed: bool
) -> Keeping:
    """Begin a source anew: what was kept of it is met again at the same places.

    Between posts others may come to light, so what was observed stays as it is, and goes on.
    """
    key = _lasting(tx, words, there.text_key_id)
    if observed:
        conversation_ending.continued(tx, who, case_id, there.id)
    else:
        tx.execute(
            update(Conversation)
            .where(Conversation.import_id == there.id)
            .values(speakers=0, messages=0, first_at=None, last_at=None, troubles={})
        )
    return Keeping(there.id, case_id, key, who, continued=True, observed=observed)


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
