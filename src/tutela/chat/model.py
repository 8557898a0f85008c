"""Values of the chat room: messages as read, what one shows, and what a conversation adds up to.

A score says how many signs of risk one speaker showed towards another. It says nothing of what a
person is.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class MediaKind(StrEnum):
    """What an export says that a file is."""

    PICTURE = "picture"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    UNKNOWN = "unknown"


class AgeBand(StrEnum):
    """What a platform or an export says of a speaker's age."""

    UNKNOWN = ""
    MINOR = "minor"
    ADULT = "adult"


class Trouble(StrEnum):
    """What a reader repaired or left out; it is counted, and shown with the conversation."""

    CUT = "cut"  # a text longer than `limits.TEXT_CHARS`
    ENCODING = "encoding"  # bytes that are no text were replaced
    NO_TIME = "no_time"  # a time is missing, impossible or forged beyond belief
    TIME_BACK = "time_back"  # earlier than the message before it
    NAME_COLLISION = "name_collision"  # two speakers of one name; told apart by the export's id
    MALFORMED = "malformed"  # an entry that cannot be read


class MediaRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a message carries.

    Attributes:
        name: Relative to the export's folder or archive, as the export names it; may be "".
        kind: What it is said to be.
        size_bytes: As said; 0 where nothing is said.
        sha256: As said, 32 bytes, or empty; an export's word, not ours.
    """

    name: str = ""
    kind: MediaKind = MediaKind.UNKNOWN
    size_bytes: int = 0
    sha256: bytes = b""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message as an export has it.

    Attributes:
        conversation: By which the export knows the conversation; unique in its source.
        id: By which it knows the message; the reader numbers those that have none.
        author: By which it knows the speaker; unique in its conversation. "" for the system.
        text: What was written, at most `limits.TEXT_CHARS` characters.
        name: As the author is shown; may be shared by two.
        time: UTC; None where the export has none that can be believed.
        deleted: It says that a message was deleted here; `text` is what is left of it.
        system: Not spoken: somebody joined, a name was changed.
        media: Files that it carries.
        reply_to: The `id` of the message that it answers.
        to: Authors to whom alone it is addressed (mentions, recipients); empty means all.
        age_band: Of its author, as the platform says.
        troubles: What was repaired.
    """

    conversation: str
    id: str
    author: str
    text: str = ""
    name: str = ""
    time: datetime | None = None
    deleted: bool = False
    system: bool = False
    media: tuple[MediaRef, ...] = ()
    reply_to: str = ""
    to: tuple[str, ...] = ()
    age_band: AgeBand = AgeBand.UNKNOWN
    troubles: tuple[Trouble, ...] = ()


class Left(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a reader left out of a source, and why; counted like messages, so that totals add up.

    Attributes:
        reason: Which of the troubles, or the code of the error that ended the source.
        place: Where: a line, an element, a member; never its text.
        count: How many entries.
    """

    reason: str
    place: str = ""
    count: int = 1


class Stage(StrEnum):
    """Groups of signs (O'Connell 2003, Lorenzo-Dus 2016); in no fixed order, and none is proof."""

    ACCESS = "access"  # who is it, how old, who is near
    TRUST = "trust"  # praise, exclusivity, gifts
    ISOLATION = "isolation"  # secrecy, against parents, to a private channel
    APPROACH = "approach"  # pictures, camera, meeting
    PRESSURE = "pressure"  # persistence, threats


class Sign(StrEnum):
    """What a message may show; `stage` tells the group."""

    AGE = "age"  # asks for age or gender
    ALONE = "alone"  # asks who is at home, whether parents see the screen
    SECRECY = "secrecy"  # asks to keep or delete it
    ISOLATION = "isolation"  # speaks against parents or friends, "only I understand you"
    CHANNEL = "channel"  # asks to move to a private channel
    PICTURE = "picture"  # asks for a picture or the camera
    GIFT = "gift"  # offers money, credits, presents
    FLATTERY = "flattery"  # exclusivity, "so mature"
    THREAT = "threat"  # threatens with what was sent
    PRESSURE = "pressure"  # one more, prove it, trust
    MEETING = "meeting"  # proposes to meet
    # What the state of a pair shows, not a line by itself.
    PERSISTENCE = "persistence"  # asks again after a refusal
    MINOR = "minor"  # the other says, or is said, to be under 18
    ASYMMETRY = "asymmetry"  # asks far more than is asked
    NIGHT = "night"
    KNOWN_MEDIA = "known_media"  # a file that a hash list has


STAGES: dict[Sign, Stage] = {
    Sign.AGE: Stage.ACCESS,
    Sign.ALONE: Stage.ACCESS,
    Sign.MINOR: Stage.ACCESS,
    Sign.NIGHT: Stage.ACCESS,
    Sign.FLATTERY: Stage.TRUST,
    Sign.GIFT: Stage.TRUST,
    Sign.SECRECY: Stage.ISOLATION,
    Sign.ISOLATION: Stage.ISOLATION,
    Sign.CHANNEL: Stage.ISOLATION,
    Sign.PICTURE: Stage.APPROACH,
    Sign.MEETING: Stage.APPROACH,
    Sign.ASYMMETRY: Stage.APPROACH,
    Sign.KNOWN_MEDIA: Stage.APPROACH,
    Sign.THREAT: Stage.PRESSURE,
    Sign.PRESSURE: Stage.PRESSURE,
    Sign.PERSISTENCE: Stage.PRESSURE,
}


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sign in one message.

    Attributes:
        sign: Which.
        message: The `id` of the message.
        number: Its place in its conversation, from 0.
        rule: The rule of the lexicon or the prototype that says so, `en.picture.3`.
        start: First character of `Message.text` that counted.
        end: Behind the last one.
        similarity: To a prototype, 0 to 1; 0 where a rule of the lexicon says so.
    """

    sign: Sign
    message: str
    number: int
    rule: str = ""
    start: int = 0
    end: int = 0
    similarity: float = 0.0


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign contributed to a score.

    Attributes:
        sign: Which.
        points: How much; never below 0.
        count: How often it was shown.
        shown: The first and the strongest messages that showed it; at most `limits.SHOWN`.
    """

    sign: Sign
    points: float
    count: int
    shown: tuple[Shown, ...] = ()


class PairScore(msgspec.Struct, frozen=True, kw_only=True):
    """How many signs one speaker of a conversation showed towards another.

    Attributes:
        author: Who showed them.
        other: Towards whom.
        points: The sum of the reasons' points.
        reasons: What they were made of, the heaviest first.
        against: Codes of what speaks against it (`both_ask`, `other_adult`, `one_line`, ...).
        may_alert: Whether the rule holds that one line never alerts by itself.
        crossed_at: After how many messages of the conversation it reached the point; None if never.
        probability: Calibrated, of a trained model; None without one.
    """

    author: str
    other: str
    points: float
    reasons: tuple[Reason, ...] = ()
    against: tuple[str, ...] = ()
    may_alert: bool = False
    crossed_at: int | None = None
    probability: float | None = None


class ConversationScore(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in the order of work.

    Attributes:
        conversation: Which.
        points: Of its heaviest pair that may alert; of those that may not, at most just below the
            point.
        pairs: Those with any points, those that may alert first, of these the heaviest; at most
            `limits.PAIRS`.
        messages: How many were read.
        speakers: How many spoke.
        alert: Whether `points` reach the point, and the rule holds.
        forgotten: Whether its beginning was forgotten, as too much was open at once: then points,
            pairs and speakers are those of the rest alone, and `messages` are still all.
    """

    conversation: str
    points: float
    pairs: tuple[PairScore, ...]
    messages: int
    speakers: int
    alert: bool
    forgotten: bool = False


def stage(sign: Sign) -> Stage:
    """Return the group of a sign."""
    return STAGES[sign]
