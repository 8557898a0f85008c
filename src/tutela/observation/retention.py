"""The clock of words: when the time of a week is over, its key is destroyed and its words go.

What stays are rows without words: that an account posted, when, in which thread, and how many
characters. Names that were found in the words go with them, and so do the events. Of a conversation
its points stay, and what people decided; names of speakers, words, files and reasons go.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from tutela.audit.log import Event, record_many
from tutela.casework.among import among
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.evidence.vault.vault import Vault
from tutela.observation import conversation_expiry
from tutela.store import Database
from tutela.store.tables.casework import Case
from tutela.store.tables.chat import (
    ChatFeedback,
    ChatImport,
    Conversation,
    ConversationMessage,
    ConversationPair,
    ConversationSpeaker,
)
from tutela.store.tables.observation import (
    Entity,
    ExchangeEvent,
    MediaPlace,
    Mention,
    Notice,
    Post,
    SeenHit,
    SeenMedia,
    Site,
    SiteAccount,
    SitePage,
    TextKey,
)

# Everything but keys, what names others before what is named.
OF_A_CASE = (
    *(ChatFeedback, ConversationPair, ConversationMessage, ConversationSpeaker),
    *(Conversation, ChatImport),
    *(Notice, MediaPlace, SeenHit, SeenMedia, ExchangeEvent, Mention, Entity),
    *(Post, SiteAccount, SitePage, Site),
)
_TOGETHER = 5_000  # posts in one transaction


class Expired(msgspec.Struct, frozen=True):
    """How much went: weeks, and posts and messages whose words they held.

    `held` weeks wait for a legal hold.
    """

    weeks: int
    posts: int
    held: int
    messages: int = 0


def expire(database: Database, who: Principal, vault: Vault, moment: datetime) -> Expired:
    """Destroy the keys of weeks whose time is over, of cases that are under no legal hold.

    The database is committed before a key is destroyed. Run again after a crash, it destroys what
    is left.
    """
    with database.read() as tx:
        due = select(TextKey.id, TextKey.object_id, Case.legal_hold)
        due = due.join(Case, Case.id == TextKey.case_id).where(TextKey.expires_at <= moment)
        rows = tx.execute(due.where(TextKey.shredded_at.is_(None)).order_by(TextKey.id)).all()
    posts = messages = 0
    for row in rows:
        if not row.legal_hold:
            read, spoken = _empty(database, who, row.id, moment)
            posts, messages = posts + read, messages + spoken
            vault.shred([row.object_id])
    _again(database, vault)
    held = sum(row.legal_hold for row in rows)
    return Expired(len(rows) - held, posts, held, messages)


def forget_case(tx: Connection, case_id: CaseId, moment: datetime) -> list[str]:
    """Remove all that was read for a case; return ids of keys, for `Vault.shred` after the commit.

    Rows of keys stay, as destroyed: a restored backup of the vault's books is found out by them.
    """
    live = TextKey.case_id == case_id, TextKey.shredded_at.is_(None)
    keys = list(tx.execute(select(TextKey.object_id).where(*live)).scalars())
    tx.execute(update(TextKey).where(*live).values(shredded_at=moment))
    for table in OF_A_CASE:
        tx.execute(delete(table).where(table.case_id == case_id))
    return keys


def _empty(database: Database, who: Principal, key_id: int, moment: datetime) -> tuple[int, int]:
    """Take the words of a week out of the database, some thousands at a time; return how many.

    First those of posts, then those of messages.
    """
    done = 0
    with database.write() as tx:
        tx.execute(update(TextKey).where(TextKey.id == key_id).values(shredded_at=moment))
    messages = conversation_expiry.empty(database, key_id)
    while True:
        with database.write() as tx:
            some = list(
                tx.execute(
                    select(Post.id)
                    .where(Post.text_key_id == key_id, Post.words.is_not(None))
                    .order_by(Post.id)
                    .limit(_TOGETHER)
                ).scalars()
            )
            for table in (Mention, ExchangeEvent):
                tx.execute(delete(table).where(among(tx, table.post_id, some)))
            tx.execute(update(Post).where(among(tx, Post.id, some)).values(words=None))
            conversation_expiry.unreason(tx, some)
            done += len(some)
            if len(some) < _TOGETHER:
                _unmentioned(tx, key_id)
                facts = {"posts": done, "messages": messages}
                record_many(tx, who, [Event("words.destroyed", f"words:{key_id}", facts)])
                return done, messages


def _unmentioned(tx: Connection, key_id: int) -> None:
    """Remove names that stand nowhere any more."""
    case_id = select(TextKey.case_id).where(TextKey.id == key_id).scalar_subquery()
    mentioned = select(func.count()).where(Mention.entity_id == Entity.id).scalar_subquery()
    tx.execute(delete(Entity).where(Entity.case_id == case_id, mentioned == 0))


def _again(database: Database, vault: Vault) -> None:
    """Destroy keys that a crash, or a restored backup of the vault's books, left."""
    with database.read() as tx:
        gone = select(TextKey.object_id).where(TextKey.shredded_at.is_not(None))
        left = [one for one in tx.execute(gone).scalars() if vault.has_key(one)]
    vault.shred(left)
