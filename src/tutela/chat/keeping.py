"""Puts what was read and scored into a case: messages and scores as `observation` keeps them.

One `Keeper` keeps one source. It writes in transactions of its own, so that a source of millions of
messages never holds the database for long; a source that was cut off is begun anew. What a crawl
reads on goes on with the conversations that are there.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection

from tutela.audit import log
from tutela.casework import case as cases
from tutela.chat.model import (
    ConversationScore,
    Left,
    MediaRef,
    Message,
    PairScore,
    Reason,
    Shown,
    stage,
)
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.observation import conversation_ending, conversations, conversations_observed
from tutela.observation.conversation_model import OBSERVED as OBSERVED  # noqa: PLC0414 shared
from tutela.observation.conversation_model import (
    Counted,
    FileNamed,
    Measure,
    Origin,
    PairKept,
    ReasonKept,
    ScoreKept,
    Spoken,
)
from tutela.observation.conversations import Keeping, Numbers
from tutela.observation.sealing import Words
from tutela.store import Database

# Of the file these say nothing that must be so the next time: how its reader ended, how it opened.
BROKEN: Final = frozenset(
    {
        *("silent", "memory", "crashed", "error", "protocol"),
        *("swapped", "no_such_path", "vanished", "unreadable"),
    }
)
Note = Literal["", "already", "rescored", "continued"]


class Desk(msgspec.Struct, frozen=True):
    """Where conversations are kept, by whose hand, and what seals them."""

    database: Database
    words: Words
    who: Principal
    case_id: CaseId


class Keeper:
    """Keeps one source in a case; not for several threads.

    `fresh` is false where all of the source is in the case already: then no message is kept,
    whatever is given, and scores only where other parts, or another point, made them. Without
    `end`, or after an error, the source counts as cut off.

        keeper = Keeper(desk, origin, measure)
        keeper.take(messages)  # as often as needed, in the order of the source
        keeper.scored(scores)  # of conversations that are through
        keeper.end()

    Attributes:
        note: Empty for a new source; `already` where all of it is there and nothing is kept;
            `rescored` where scores come in place of those before; `continued` where some of it
            was there.
        broken: Why it was not read to its end, the code of a `Left`; empty while nothing says so.
            Then the same source is read again the next time.
    """

    def __init__(self, desk: Desk, origin: Origin, measure: Measure) -> None:
        """Begin to keep a source.

        Raises:
            AccessError: who may not take conversations into this case.
            UsageError: the case cannot be worked on now, or the words of the week in which this
                source was begun are destroyed (code `shredded`).
        """
        self._desk, self._measure = desk, measure
        self._observed = origin.format == OBSERVED
        self._left: Counter[str] = Counter()
        self._rescoring: Keeping | None = None
        self.messages = self.conversations = self.alerts = 0
        self.note: Note = ""
        self.broken = ""
        with _writing(desk) as tx:
            self._keeping: Keeping | None = conversations.begin(
                tx, desk.words, desk.who, desk.case_id, origin, now()
            )
            if self._keeping is None and conversation_ending.outdated(
                tx, desk.case_id, origin.sha256, measure
            ):
                self._rescoring = conversations.known(
                    tx, desk.words, desk.who, desk.case_id, origin.sha256
                )
        if self._keeping is None:
            self.note = "rescored" if self._rescoring else "already"
        elif self._keeping.continued:
            self.note = "continued"

    @property
    def fresh(self) -> bool:
        """Whether messages of the source are kept, because not all of it was there before."""
        return self.note in {"", "continued"}

    @property
    def import_id(self) -> int | None:
        """The number of the import, None where there is none to do."""
        return None if self._keeping is None else self._keeping.import_id

    def take(self, some: Sequence[Message | Left], posts: Sequence[int | None] = ()) -> None:
        """Keep messages, and count what was left out.

        `posts` names for each message the post that has its words, where it was read of a site.

        Raises:
            ConflictError: what was observed is being kept by somebody else too.
        """
        spoken = []
        for place, one in enumerate(some):
            if isinstance(one, Left):
                self._left[one.reason] += one.count
                if one.reason in BROKEN:
                    self.broken = one.reason
            elif self._keeping is not None:
                spoken.append(_spoken(one, posts[place] if posts else None))
        if spoken and self._keeping is not None:
            with _writing(self._desk) as tx:
                self.messages += self._keeping.messages(tx, spoken)

    def scored(self, some: Sequence[ConversationScore]) -> None:
        """Keep what conversations add up to; each was taken before.

        Scores of a source that broke are not put in place of those of all of it.

        Raises:
            UsageError: code `not_found`: a conversation was not.
        """
        keeping = self._keeping or (None if self.broken else self._rescoring)
        if keeping is None or not some:
            return
        with _writing(self._desk) as tx:
            numbers = keeping.numbers(tx, _keys(some)) if self._observed else None
            kept = [score_kept(one, numbers) for one in some]
            self.conversations += keeping.scores(tx, kept, self._measure, now())
        self.alerts += sum(one.alert for one in some)

    def end(self) -> None:
        """Say that the source was read to its end: it will not be taken again, unless it broke.

        Raises:
            UsageError: the case was closed or deleted meanwhile.
        """
        if self._keeping is not None:
            with _writing(self._desk) as tx:
                if self.broken:
                    self._keeping.cut_off(tx, self._left)
                else:
                    self._keeping.end(tx, self._desk.who, self._left, self._measure, now())
        elif self._rescoring is not None and not self.broken:
            with _writing(self._desk) as tx:
                self._rescoring.rescored(tx, self._measure)
        self._keeping = self._rescoring = None


@contextlib.contextmanager
def _writing(desk: Desk) -> Iterator[Connection]:
    """Give a transaction that writes; keys are remembered only once it is committed."""
    try:
        with desk.database.write() as tx:
            yield tx
    except BaseException:
        desk.words.undone()
        raise
    desk.words.committed()


def rescored(desk: Desk, sha256: bytes, some: Iterable[ConversationScore], measure: Measure) -> int:
    """Keep other scores of a source that was read to its end; return of how many conversations.

    Raises:
        AccessError: who may not take conversations into this case.
        UsageError: code `not_found`: this source was not read to its end, or has no such
            conversation; or its words are destroyed (code `shredded`).
    """
    with _writing(desk) as tx:
        keeping = conversations.known(tx, desk.words, desk.who, desk.case_id, sha256)
        if keeping is None:
            raise UsageError("this source was not read to its end", code="not_found")
        return keeping.scores(tx, [score_kept(one) for one in some], measure, now())


def observed(tx: Connection, desk: Desk, host: str = "") -> Iterator[tuple[Message, int]]:
    """Yield what was read of sites as messages, thread by thread, each with its post's number.

    Before the first one the log says who reads how many, in a transaction of its own. A post whose
    words are destroyed is a deleted message. See `conversations_observed.said`.

    Args:
        tx: A transaction that only reads, open while this is gone through. Conversations may be
            kept meanwhile: what is read is what there was when it began.
        desk: Whose case, and who reads.
        host: Of a site; empty for all.

    Raises:
        AccessError: who may not take conversations into this case, or not see what was read.
        UsageError: code `authority`: the case's is not valid now.
    """
    with _writing(desk) as writing:
        cases.under_authority(writing, desk.case_id)
        log.record(
            writing,
            desk.who,
            "conversation.read",
            f"case:{desk.case_id}",
            case=int(desk.case_id),
            posts=conversations_observed.count(writing, desk.who, desk.case_id, host),
        )
    for one in conversations_observed.said(tx, desk.who, desk.case_id, desk.words.opened, host):
        yield (
            Message(
                conversation=f"{one.site} {one.thread}",
                id=one.key,
                author=one.author,
                name=one.handle,
                text=one.text or "",
                time=one.at,
                deleted=one.text is None,
                reply_to=one.replies_to[0] if one.replies_to else "",
            ),
            one.post,
        )


def score_kept(score: ConversationScore, numbers: Numbers | None = None) -> ScoreKept:
    """Return a score as it is kept: codes, points and places.

    `numbers` are those by which messages of posts are kept, where it is not their order.
    """
    return ScoreKept(
        conversation=score.conversation,
        points=score.points,
        pairs=tuple(_pair(one, score.conversation, numbers) for one in score.pairs),
        alert=score.alert,
    )


def _keys(some: Iterable[ConversationScore]) -> dict[str, set[str]]:
    """Return keys of the posts that scores rest on, by conversation."""
    return {
        one.conversation: {
            shown.message for pair in one.pairs for reason in pair.reasons for shown in reason.shown
        }
        for one in some
    }


def _pair(one: PairScore, conversation: str, numbers: Numbers | None) -> PairKept:
    return PairKept(
        author=one.author,
        other=one.other,
        points=one.points,
        reasons=tuple(_reason(reason, conversation, numbers) for reason in one.reasons),
        against=one.against,
        may_alert=one.may_alert,
        crossed_at=one.crossed_at,
        probability=one.probability,
    )


def _reason(one: Reason, conversation: str, numbers: Numbers | None) -> ReasonKept:
    shown = [
        _counted(place, place.number)
        if numbers is None
        else _counted(place, numbers.get((conversation, place.message)))
        for place in one.shown
    ]
    return ReasonKept(
        sign=one.sign.value,
        stage=stage(one.sign).value,
        points=one.points,
        count=one.count,
        shown=tuple(place for place in shown if place is not None),
    )


def _counted(one: Shown, number: int | None) -> Counted | None:
    if number is None:  # nobody could look it up
        return None
    return Counted(
        number=number, start=one.start, end=one.end, rule=one.rule, similarity=one.similarity
    )


def _spoken(one: Message, post: int | None) -> Spoken:
    return Spoken(
        conversation=one.conversation,
        id=one.id,
        author="" if one.system else one.author,
        text=one.text,
        name=one.name,
        at=one.time,
        deleted=one.deleted,
        system=one.system,
        files=tuple(map(_file, one.media)),
        replies_to=one.reply_to,
        to=one.to,
        age_band=one.age_band.value,
        troubles=tuple(trouble.value for trouble in one.troubles),
        post=post,
    )


def _file(one: MediaRef) -> FileNamed:
    return FileNamed(
        name=one.name, kind=one.kind.value, size_bytes=one.size_bytes, sha256=one.sha256
    )
