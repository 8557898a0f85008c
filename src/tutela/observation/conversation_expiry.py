"""Takes words and names of conversations out of the database when their week is over."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, tuple_, update

from tutela.casework.among import among
from tutela.store import Database
from tutela.store.tables.chat import (
    ChatImport,
    Conversation,
    ConversationMessage,
    ConversationPair,
    ConversationSpeaker,
)

_MESSAGES = 5_000  # in one transaction
_CONVERSATIONS = 500  # likewise; their messages are gone then


def empty(database: Database, key_id: int) -> int:
    """Remove what is sealed under a key, and what was found in it; return how many messages.

    Points, the alert and what people decided stay: there is no word in them. So do rows of
    messages: that somebody spoke, when, and how many characters.
    """
    done = _messages(database, key_id)
    with database.write() as tx:
        tx.execute(update(ChatImport).where(ChatImport.text_key_id == key_id).values(name=None))
    while True:
        with database.write() as tx:
            some = list(
                tx.execute(
                    select(Conversation.id)
                    .where(Conversation.text_key_id == key_id, Conversation.name.is_not(None))
                    .order_by(Conversation.id)
                    .limit(_CONVERSATIONS)
                ).scalars()
            )
            these = among(tx, ConversationSpeaker.conversation_id, some)
            tx.execute(update(ConversationSpeaker).where(these).values(name=None, age_band=""))
            pairs = among(tx, ConversationPair.conversation_id, some)
            tx.execute(delete(ConversationPair).where(pairs))
            tx.execute(
                update(Conversation)
                .where(among(tx, Conversation.id, some))
                .values(name=None, signs=[])
            )
        if len(some) < _CONVERSATIONS:
            return done


def unreason(tx: Connection, post_ids: Sequence[int]) -> None:
    """Remove what was found in words of posts that go: reasons of their conversations."""
    of_posts = select(ConversationMessage.conversation_id).where(
        ConversationMessage.post_id.is_not(None), among(tx, ConversationMessage.post_id, post_ids)
    )
    ids = list(tx.execute(of_posts.distinct()).scalars())
    tx.execute(delete(ConversationPair).where(among(tx, ConversationPair.conversation_id, ids)))
    tx.execute(update(Conversation).where(among(tx, Conversation.id, ids)).values(signs=[]))


def _messages(database: Database, key_id: int) -> int:
    """Go through them by place: none is looked at twice, however long a conversation is."""
    place = tuple_(ConversationMessage.conversation_id, ConversationMessage.number)
    last: tuple[int, ...] = (0, -1)
    done = 0
    while True:
        with database.write() as tx:
            some = tx.execute(
                select(ConversationMessage.conversation_id, ConversationMessage.number)
                .join(Conversation, Conversation.id == ConversationMessage.conversation_id)
                .where(
                    Conversation.text_key_id == key_id,
                    ConversationMessage.sealed.is_not(None),
                    place > last,
                )
                .order_by(ConversationMessage.conversation_id, ConversationMessage.number)
                .limit(_MESSAGES)
            ).all()
            if some:
                first, last = tuple(some[0]), tuple(some[-1])
                ids = {row.conversation_id for row in some}
                tx.execute(
                    update(ConversationMessage)
                    .where(
                        among(tx, ConversationMessage.conversation_id, ids),
                        place >= first,
                        place <= last,
                    )
                    .values(sealed=None)
                )
            done += len(some)
        if len(some) < _MESSAGES:
            return done
