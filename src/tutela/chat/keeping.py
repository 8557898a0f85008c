"""Puts what was read and scored into a case: messages and scores as `observation` keeps them.

One `Keeper` keeps one source. It writes in transactions of its own, so that a source of millions of
messages never holds the database for long; a source that was cut off is begun anew.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import Connection

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
from tutela.observation import conversations, conversations_observed
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
from tutela.observation.conversations import Keeping
from tutela.observation.sealing import Words
from tutela.store import Database

OBSERVED = "observed"  # the format of what was read of sites


class Desk(msgspec.Struct, frozen=True):
    """Where conversations are kept, by whose hand, and what seals them."""

    database: Database
    words: Words
    who: Principal
    case_id: CaseId


class Keeper:
    """Keeps one source in a case; not for several threads.

    `fresh` is false where all of the source is in the case already: then nothing is kept, whatever
    is given. Without `end`, or after an error, the source counts as cut off.

        keeper = Keeper(desk, origin, measure)
        keeper.take(messages)  # as often as needed, in the order of the source
        keeper.scored(scores)  # of conversations that are through
        keeper.end()
    """

    def __init__(self, desk: Desk, origin: Origin, measure: Measure) -> None:
        """Begin to keep a source.

        Raises:
            AccessError: who may not take conversations into this case.
            UsageError: the case cannot be worked on now, or the words of the week in which this
                source was begun are destroyed (code `shredded`).
        """
        self._desk, self._measure = desk, measure
        self._left: Counter[str] = Counter()
        self.messages = self.conversations = self.alerts = 0
        with _writing(desk) as tx:
            self._keeping: Keeping | None = conversations.begin(
                tx, desk.words, desk.who, desk.case_id, origin, now()
            )

    @property
    def fresh(self) -> bool:
        """Whether the source is kept now, because it was not before."""
        return self._keeping is not None

    @property
    def import_id(self) -> int | None:
        """The number of the import, None where there is none to do."""
        return None if self._keeping is None else self._keeping.import_id

    def take(self, some: Sequence[Message | Left], posts: Sequence[int | None] = ()) -> None:
        """Keep messages, and count what was left out.

        `posts` names for each message the post that has its words, where it was read of a site.
        """
        if self._keeping is None:
            return
        spoken = []
        for place, one in enumerate(some):
            if isinstance(one, Left):
                self._left[one.reason] += one.count
            else:
                spoken.append(_spoken(one, posts[place] if posts else None))
        if spoken:
            with _writing(self._desk) as tx:
                self.messages += self._keeping.messages(tx, spoken)

    def scored(self, some: Sequence[ConversationScore]) -> None:
        """Keep what conversations add up to; each was taken before.

        Raises:
            UsageError: code `not_found`: a conversation was not.
        """
        if self._keeping is None or not some:
            return
        with _writing(self._desk) as tx:
            kept = [score_kept(one) for one in some]
            self.conversations += self._keeping.scores(tx, kept, self._measure, now())
        self.alerts += sum(one.alert for one in some)

    def end(self) -> None:
        """Say that the source was read to its end: it will not be taken again.

        Raises:
            UsageError: the case was closed or deleted meanwhile.
        """
        if self._keeping is None:
            return
        with _writing(self._desk) as tx:
            self._keeping.end(tx, self._desk.who, self._left, self._measure, now())
        self._keeping = None


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

    A post whose words are destroyed is a deleted message. See `conversations_observed.said`.

    Raises:
        AccessError: who may not take conversations into this case, or not see what was read.
    """
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


def score_kept(score: ConversationScore) -> ScoreKept:
    """Return a score as it is kept: codes, points and places."""
    return ScoreKept(
        conversation=score.conversation,
        points=score.points,
        pairs=tuple(map(_pair, score.pairs)),
        alert=score.alert,
    )


def _pair(one: PairScore) -> PairKept:
    return PairKept(
        author=one.author,
        other=one.other,
        points=one.points,
        reasons=tuple(map(_reason, one.reasons)),
        against=one.against,
        may_alert=one.may_alert,
        crossed_at=one.crossed_at,
        probability=one.probability,
    )


def _reason(one: Reason) -> ReasonKept:
    return ReasonKept(
        sign=one.sign.value,
        stage=stage(one.sign).value,
        points=one.points,
        count=one.count,
        shown=tuple(map(_counted, one.shown)),
    )


def _counted(one: Shown) -> Counted:
    return Counted(
        number=one.number,
        start=one.start,
        end=one.end,
        rule=one.rule,
        similarity=one.similarity,
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
