"""What was read of sites: pages, threads, posts, accounts there, names in them, places of media.

Everything is of one case. Words stand only sealed, under a key of their case, source and week that
lies in the vault's key books: `text_keys`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class TextKey(Table):
    """The key of the words that were read in one week under one source, such as `crawl order 3`.

    `object_id` names the key in the vault's books. After `expires_at` it is destroyed.
    """

    __tablename__ = "text_keys"
    __table_args__ = (UniqueConstraint("case_id", "source", "week"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    source: Mapped[str]
    week: Mapped[datetime]
    object_id: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    shredded_at: Mapped[datetime | None]


class Site(Table):
    """A site; `net` is `clear` or `onion`. The log calls it by its number.

    `mirror_of` is the site that it was found to be a copy of, and `mirror_why` by what; `judged_by`
    the person who said so, null while it is a guess.
    """

    __tablename__ = "sites"
    __table_args__ = (UniqueConstraint("case_id", "host"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    net: Mapped[str]
    host: Mapped[str]
    title: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    mirror_of: Mapped[int | None] = mapped_column(ForeignKey("sites.id"))
    mirror_why: Mapped[str]
    judged_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))


class SitePage(Table):
    """A page as it was read last.

    `place` is the SHA-256 of its URL, `confidence` of the layout in thousandths, `text_hash` the
    64-bit simhash of its words as bytes, `changed` how often it was found changed.
    """

    __tablename__ = "site_pages"
    __table_args__ = (UniqueConstraint("site_id", "place"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    place: Mapped[bytes]
    url: Mapped[str]
    layout: Mapped[str]
    confidence: Mapped[int]
    thread: Mapped[str]
    body_sha256: Mapped[bytes]
    text_hash: Mapped[bytes]
    posts: Mapped[int]
    truncated: Mapped[list[Any]]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    changed: Mapped[int]


class SiteAccount(Table):
    """An account on a site. Not a person: several may be one's, and one several persons'.

    `identity` tells it from others of the site: `key:` and what the site calls it, or `handle:` and
    the handle's normal form. `skeleton` is the handle as it looks, whatever letters it is made of.
    """

    __tablename__ = "site_accounts"
    __table_args__ = (
        UniqueConstraint("site_id", "identity"),
        Index("ix_site_accounts_skeleton", "case_id", "skeleton"),
    )

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    identity: Mapped[str]
    handle: Mapped[str]
    skeleton: Mapped[str]
    role: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class Post(Table):
    """A post. `words` are sealed, null once their week is over; `characters` is how many they were.

    `replies_to` are keys of posts of its thread. `posted_at` is what the site says, `seen_at` when
    it was first read.
    """

    __tablename__ = "posts"
    __table_args__ = (UniqueConstraint("site_id", "thread", "key"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    page_id: Mapped[int] = mapped_column(info=refers("site_pages.id"))
    thread: Mapped[str]
    key: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(info=refers("site_accounts.id"), index=True)
    posted_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]
    views: Mapped[int | None]
    replies_to: Mapped[list[Any]]
    characters: Mapped[int]
    words: Mapped[bytes | None]
    text_key_id: Mapped[int] = mapped_column(info=refers("text_keys.id"), index=True)


class Entity(Table):
    """A name that was found, in its normal form; one row however often it is mentioned."""

    __tablename__ = "entities"
    __table_args__ = (UniqueConstraint("case_id", "kind", "value"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]
    value: Mapped[str]


class Mention(Table):
    """A name in a post: `quoted` where it stands in words of somebody else.

    `verified` is a key that signed a text here: `statement` is the SHA-256 of that text, in
    hexadecimal, and `names_author` says that it names the author's handle; anybody can paste what
    another signed. A mention goes when the words of its post do.
    """

    __tablename__ = "mentions"

    post_id: Mapped[int] = mapped_column(primary_key=True, info=refers("posts.id"))
    entity_id: Mapped[int] = mapped_column(primary_key=True, info=refers("entities.id"), index=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    quoted: Mapped[bool]
    checked: Mapped[bool]
    verified: Mapped[bool]
    names_author: Mapped[bool]
    statement: Mapped[str]


class ExchangeEvent(Table):
    """What the author of a post did: offer, request, link, reply, thanks or media."""

    __tablename__ = "exchange_events"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    post_id: Mapped[int] = mapped_column(info=refers("posts.id"), index=True)
    kind: Mapped[str]
    about: Mapped[str]
    reason: Mapped[str]


class SeenMedia(Table):
    """A content that was hashed and dropped. There is no picture of it here, nor can there be.

    `trouble` says why it has no perceptual hash. `listed` tells whether an alert list had it when
    it was last compared, at `compared_at` with the library of `generation`.
    """

    __tablename__ = "seen_media"
    __table_args__ = (UniqueConstraint("case_id", "sha256"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    sha256: Mapped[bytes]
    sha1: Mapped[bytes]
    md5: Mapped[bytes]
    size_bytes: Mapped[int]
    kind: Mapped[str]
    pdq: Mapped[bytes | None]
    pdq_quality: Mapped[int | None]
    trouble: Mapped[str]
    listed: Mapped[bool]
    generation: Mapped[int]
    compared_at: Mapped[datetime]
    first_seen_at: Mapped[datetime]


class SeenHit(Table):
    """An entry of a hash list that a seen content meets, and the codes that the entry has."""

    __tablename__ = "seen_hits"
    __table_args__ = (Index("ix_seen_hits_entry", "case_id", "list_name", "entry"),)

    media_id: Mapped[int] = mapped_column(primary_key=True, info=refers("seen_media.id"))
    list_name: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    role: Mapped[str]
    strength: Mapped[str]
    algorithm: Mapped[str]
    distance_bits: Mapped[int]
    variant: Mapped[str]
    codes: Mapped[list[Any]]
    at: Mapped[datetime]


class MediaPlace(Table):
    """A place where a media stands: a page points at it, in a post or outside of any.

    `place` is the SHA-256 of its URL. `media_id` is null until it was fetched and hashed; of one
    that could not be, `trouble` says why; `moved_to` is where it redirects to, empty for nowhere.
    `raised_at` is when a known one was raised from here.
    """

    __tablename__ = "media_places"
    __table_args__ = (
        UniqueConstraint("page_id", "post", "place", "role"),
        Index("ix_media_places_place", "case_id", "place"),
        Index(
            "ix_media_places_waiting",
            "case_id",
            "place",
            sqlite_where=text("media_id IS NULL AND trouble = ''"),
            postgresql_where=text("media_id IS NULL AND trouble = ''"),
        ),
    )

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"), index=True)
    page_id: Mapped[int] = mapped_column(info=refers("site_pages.id"))
    post: Mapped[int] = mapped_column(index=True)  # 0 where it stands in no post
    place: Mapped[bytes]
    url: Mapped[str]
    role: Mapped[str]
    media_id: Mapped[int | None] = mapped_column(info=refers("seen_media.id"), index=True)
    trouble: Mapped[str]
    moved_to: Mapped[str]
    seen_at: Mapped[datetime]
    raised_at: Mapped[datetime | None]


class Notice(Table):
    """A page with known media that somebody outside has to hear of: drafted, a person sends it.

    `kind` is `hotline` or `police`, by the policy of the installation. `state` is `open`, `passed`
    (then `reference` is what the receiver calls it) or `dismissed`. `media` counts the known media
    of the page, `exact` those among them that an exact match knows.
    """

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("page_id", "kind"),
        Index("ix_notices_state", "case_id", "state"),
    )

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    page_id: Mapped[int] = mapped_column(info=refers("site_pages.id"))
    kind: Mapped[str]
    state: Mapped[str]
    media: Mapped[int]
    exact: Mapped[int]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]
    reference: Mapped[str]
