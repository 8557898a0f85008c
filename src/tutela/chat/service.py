"""Scores conversations for programs, message by message, and keeps no text.

What is known of a conversation is counts and places of signs, in memory, of the program that sent
it alone. It is forgotten when it was idle for the retention period, when the program says so, when
there is no more room, and when the server ends.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from tutela.audit import log
from tutela.chat import service_words as words
from tutela.chat.model import PairScore
from tutela.chat.scoring import Change, Scoring
from tutela.chat.training.heard import Heard
from tutela.core import chatting
from tutela.core.chat_settings import ChatSettings
from tutela.core.errors import AccessError, InputError, ServiceError
from tutela.core.ids import AccountId
from tutela.core.principal import SYSTEM, Principal

if TYPE_CHECKING:  # what it needs takes a second to load, and a server without a model needs none
    from tutela.chat.training.trained import Trained

# Messages that are scored at once; what crosses is told with what its batch showed.
BATCH: Final = 64
_DAY_S: Final = 86_400


def require_basis(settings: ChatSettings) -> None:
    """Refuse to score without what must be settled first.

    Raises:
        ServiceError: code `chat_off` or `chat_no_basis`; over HTTP 503.
    """
    if not settings.enabled:
        raise ServiceError(
            "this installation scores no conversations",
            code="chat_off",
            hint="the operator can enable it: [chat] enabled",
        )
    if len(settings.legal_basis.strip()) < 3 or not settings.retention_days:
        raise ServiceError(
            "conversations are scored with a recorded legal basis and retention period only",
            code="chat_no_basis",
            hint="the operator sets [chat] legal_basis and retention_days",
        )


@dataclass
class _Talk:
    """What is kept of a conversation beside the scorer's state."""

    last_s: float
    heard: dict[str, Heard] = field(default_factory=dict)


@dataclass
class _Program:
    """The conversations of one program, the longest idle first."""

    scoring: Scoring
    last_s: float
    talks: OrderedDict[str, _Talk] = field(default_factory=OrderedDict)
    heard: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Service:
    """Scores for several programs. Threads may share it.

    Args:
        settings: Limits, and the retention period.
        make: Gives a fresh scorer, one for each program.
        parts: Digest of what scorers work with.
        model: For probabilities, or None.
        clock: Gives seconds that only grow.

    Raises:
        ServiceError: as `require_basis`.
    """

    def __init__(
        self,
        settings: ChatSettings,
        make: Callable[[], Scoring],
        parts: bytes,
        *,
        model: Trained | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        require_basis(settings)
        self._settings, self._make, self._clock = settings, make, clock
        self._model = model
        self._made_by = words.MadeBy(parts.hex(), model.version if model else "")
        self._programs: dict[AccountId | None, _Program] = {}
        self._turn = threading.Lock()
        # Scorers are each program's own, but share what the encoder remembers.
        self._scorers = threading.Lock()

    def record(self, tx: Connection) -> None:
        """Write into the audit log that conversations are scored from now on, and on what basis."""
        log.record(
            tx,
            SYSTEM,
            "chat.service_started",
            "installation",
            texts={"legal_basis": self._settings.legal_basis.strip()},
            retention_days=self._settings.retention_days,
            parts=self._made_by.parts,
            model=self._made_by.model,
        )

    def take(
        self, who: Principal, messages: Sequence[chatting.Message]
    ) -> Iterator[Sequence[chatting.Answered]]:
        """Score messages in their order; yield answers for some after the other.

        Whoever stops asking for answers leaves the rest unscored.

        Raises:
            InputError: code `too_many_messages`, `twice` (two of one conversation have one id);
                nothing was scored.
            ServiceError: code `chat_full`: there are too many programs.
        """
        if len(messages) > self._settings.messages_per_request:
            raise InputError(
                f"more than {self._settings.messages_per_request:,} messages in one request",
                code="too_many_messages",
            )
        if len({(one.conversation, one.id) for one in messages}) < len(messages):
            raise InputError("two messages of a conversation have one id", code="twice")
        program = self._program(who)
        return self._answers(program, messages)

    def standing(self, who: Principal, conversation: str) -> chatting.Standing:
        """Return what a conversation of a program adds up to.

        Raises:
            AccessError: code `not_found`: nothing is known of it (any more).
        """
        program = self._known(who, conversation)
        with program.lock:
            self._expire(program)
            talk = program.talks.get(conversation)
            if talk is None:
                raise _unknown()
            score = program.scoring.score(conversation)
            heard = dict(talk.heard)
        if not score.messages:  # the scorer had no room for it
            raise _unknown()
        if self._model:
            score = self._model.applied(score, heard)
        return words.standing(score, self._made_by)

    def forget(self, who: Principal, conversation: str) -> None:
        """Forget a conversation of a program.

        Raises:
            AccessError: as `standing`.
        """
        program = self._known(who, conversation)
        with program.lock:
            if conversation not in program.talks:
                raise _unknown()
            self._drop(program, conversation)

    def sweep(self) -> None:
        """Forget what was idle for the retention period; call it now and then."""
        with self._turn:
            programs = list(self._programs.items())
        for account_id, program in programs:
            with program.lock:
                self._expire(program)
                idle = not program.talks and program.last_s <= self._clock() - _DAY_S
            if idle:
                with self._turn:
                    self._programs.pop(account_id, None)

    def _program(self, who: Principal) -> _Program:
        with self._turn:
            program = self._programs.get(who.account_id)
            if program is None:
                if len(self._programs) >= self._settings.programs:
                    raise ServiceError(
                        "too many programs have conversations here",
                        code="chat_full",
                        hint="the operator can allow more: [chat] programs",
                    )
                program = self._programs[who.account_id] = _Program(self._make(), self._clock())
            program.last_s = self._clock()
            return program

    def _known(self, who: Principal, conversation: str) -> _Program:
        with self._turn:
            program = self._programs.get(who.account_id)
        if program is None or not conversation:
            raise _unknown()
        return program

    def _answers(
        self, program: _Program, messages: Sequence[chatting.Message]
    ) -> Iterator[Sequence[chatting.Answered]]:
        for begin in range(0, len(messages), BATCH):
            with program.lock:
                answers = self._scored(program, messages[begin : begin + BATCH])
            yield answers

    def _scored(
        self, program: _Program, messages: Sequence[chatting.Message]
    ) -> Sequence[chatting.Answered]:
        self._expire(program)
        self._hear(program, messages)
        read = [words.message(one) for one in messages]
        with self._scorers:
            changes = program.scoring.take_many(read)
        by_message: dict[tuple[str, str], list[Change]] = {}
        for change in changes:
            by_message.setdefault((change.conversation, change.message), []).append(change)
        answers = []
        for message in read:
            for found in by_message.get((message.conversation, message.id), (None,)):
                pair = self._crossed(program.scoring, found) if found else None
                answers.append(words.answered(message, found, pair, self._made_by))
        return answers

    @staticmethod
    def _crossed(scoring: Scoring, change: Change) -> PairScore | None:
        """Return the pair that crossed, alone: a group may have a hundred thousand others."""
        if not change.crossed:
            return None
        return scoring.pair(change.conversation, change.author, change.other)

    def _hear(self, program: _Program, messages: Sequence[chatting.Message]) -> None:
        """Note that conversations go on; forget the longest idle ones where there is no room."""
        model = self._model
        weights = model.weigh([one.text for one in messages]) if model else None
        for place, one in enumerate(messages):
            talk = program.talks.get(one.conversation)
            if talk is None:
                while len(program.talks) >= self._settings.pairs:
                    self._drop(program, next(iter(program.talks)))
                talk = program.talks[one.conversation] = _Talk(0.0)
            talk.last_s = self._clock()
            program.talks.move_to_end(one.conversation)
            if weights is None:
                continue
            known = talk.heard.get(one.author)
            if known is None and program.heard >= self._settings.pairs:
                continue  # of so many speakers nothing more is kept; they have signs alone
            program.heard += known is None
            talk.heard[one.author] = (known or Heard()).and_(weights[place])

    def _expire(self, program: _Program) -> None:
        limit = self._clock() - self._settings.retention_days * _DAY_S
        while program.talks:
            conversation, talk = next(iter(program.talks.items()))
            if talk.last_s > limit:
                return
            self._drop(program, conversation)

    def _drop(self, program: _Program, conversation: str) -> None:
        program.heard -= len(program.talks.pop(conversation).heard)
        program.scoring.close(conversation)


def _unknown() -> AccessError:
    return AccessError(
        "nothing is known of this conversation",
        code="not_found",
        hint="it was not sent by this program, or it was forgotten",
    )
