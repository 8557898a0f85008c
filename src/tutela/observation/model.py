"""What a page shows, once it was read: frozen values, no I/O.

Readers of layouts make them (`tutela.crawl`), `observation.repo` keeps them, and what ranks
accounts (`tutela.actors`) works on what is kept.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Layout(enum.StrEnum):
    """What kind of page something is."""

    FORUM = "forum"
    IMAGEBOARD = "imageboard"
    CHAT_LOG = "chat_log"
    PASTE = "paste"
    GENERIC = "generic"


class EntityKind(enum.StrEnum):
    """What can name a person or an account across sites."""

    HANDLE = "handle"
    EMAIL = "email"
    PGP_KEY = "pgp_key"  # fingerprint, upper-case hexadecimal
    BITCOIN = "bitcoin"
    LITECOIN = "litecoin"
    ETHEREUM = "ethereum"
    MONERO = "monero"
    TELEGRAM = "telegram"
    SESSION = "session"
    TOX = "tox"
    XMPP = "xmpp"


class EventKind(enum.StrEnum):
    """What an exchange of material consists of."""

    OFFER = "offer"
    REQUEST = "request"
    LINK = "link"
    REPLY = "reply"
    THANKS = "thanks"
    MEDIA = "media"


class MediaRole(enum.StrEnum):
    """How a media stands on a page. What is quoted is not its quoter's."""

    POSTED = "posted"
    LINKED = "linked"
    AVATAR = "avatar"
    QUOTED = "quoted"


class Author(msgspec.Struct, frozen=True):
    """An account as a page names it.

    Attributes:
        handle: The name shown, as written; never empty.
        key: What the site itself tells accounts apart by (number of the profile, tripcode), empty
            where it shows none: then the handle has to do.
        role: What the site says the account is, such as `admin` or `moderator`; empty for nothing.
    """

    handle: str
    key: str = ""
    role: str = ""


class MediaSeen(msgspec.Struct, frozen=True):
    """A media that a page points at: its absolute URL, and how it stands there."""

    url: str
    role: MediaRole = MediaRole.POSTED


class EntitySeen(msgspec.Struct, frozen=True):
    """A name found in a post or on a page.

    Attributes:
        kind: What it is.
        value: In its normal form, by which two are compared.
        quoted: It stands in words of somebody else: it says nothing of the author.
        checked: Its checksum holds, or its kind has none and its form is exact.
        verified: Of a PGP key: it signed this very text, and the signature holds.
        names_author: Of a verified key: the signed text names the handle of its author. Without
            that anybody may have pasted it, and it says nothing of this account.
        statement: Of a verified key: the SHA-256 of the signed text, in hexadecimal.
    """

    kind: EntityKind
    value: str
    quoted: bool = False
    checked: bool = False
    verified: bool = False
    names_author: bool = False
    statement: str = ""


class EventSeen(msgspec.Struct, frozen=True):
    """Something that an author does in a post.

    Attributes:
        kind: What.
        about: The key of the post, or the URL, that it concerns; empty where there is none.
        reason: By what it was recognised, such as `structure: blockquote` or `term: offer 3`.
    """

    kind: EventKind
    about: str = ""
    reason: str = ""


class PostSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One post, message or paste.

    Attributes:
        key: What the page calls it, unique within the thread.
        author: Whose it is; None where the page does not say.
        posted_at: When, as the site says; None where it cannot be read.
        text: The author's own words; what they quote is left out.
        quotes: The words of others that it repeats.
        replies_to: Keys of the posts that it answers.
        links: Absolute URLs that its author gives, outside quotes.
        media: Media in it.
        entities: Names in it.
        events: What its author does.
        views: How often it was seen, where the site says.
    """

    key: str
    author: Author | None = None
    posted_at: datetime | None = None
    text: str = ""
    quotes: tuple[str, ...] = ()
    replies_to: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    media: tuple[MediaSeen, ...] = ()
    entities: tuple[EntitySeen, ...] = ()
    events: tuple[EventSeen, ...] = ()
    views: int | None = None


class PageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A page as a whole.

    Attributes:
        layout: What kind of page it was taken for.
        confidence: How sure that is, 0 to 1.
        why: What spoke for it, a few words each.
        title: Of the page.
        thread: What the site calls the thread, empty where the page is none.
        thread_title: Its title.
        posts: In the order of the page.
        links: Absolute URLs to follow, each once, fragments gone, in the order of the page.
        media: Media that stand in no post.
        entities: Names that stand in no post.
        views: How often the thread was seen, where the site says.
        text_hash: 64-bit simhash of all its words, signed; None where there are too few.
        truncated: What was left out because a limit was met, such as `posts` or `links`.
    """

    layout: Layout
    confidence: float
    why: tuple[str, ...] = ()
    title: str = ""
    thread: str = ""
    thread_title: str = ""
    posts: tuple[PostSeen, ...] = ()
    links: tuple[str, ...] = ()
    media: tuple[MediaSeen, ...] = ()
    entities: tuple[EntitySeen, ...] = ()
    views: int | None = None
    text_hash: int | None = None
    truncated: tuple[str, ...] = ()
