"""Seals the words of posts under keys that a clock destroys.

Each case, source (such as `crawl order 3`) and week has a key of 32 bytes of its own. It lies in
the vault's key books, which are in no backup of the database; once it is destroyed nobody reads the
words any more, from a backup either. AES-256-GCM with a random nonce of 12 bytes; what is sealed is
bound to its site, thread and post, so that no words can be put under another post.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from tutela.casework.among import among
from tutela.core.errors import IntegrityError, UsageError
from tutela.core.ids import CaseId
from tutela.evidence.vault.vault import Vault
from tutela.store.bulk import insert_rows
from tutela.store.tables.observation import Post, TextKey

NONCE_BYTES = 12
WEEK = timedelta(days=7)


class WeekKey(NamedTuple):
    """The key of one week; `id` is its row."""

    id: int
    cipher: AESGCM

    def seal(self, words: str, about: bytes) -> bytes:
        """Return words encrypted, bound to what they are about."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self.cipher.encrypt(nonce, words.encode(), about)


class Words:
    """Seals and opens words; one for a process, not for several threads."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._keys: dict[tuple[CaseId, str, datetime], WeekKey] = {}
        # Those of a transaction that may still be undone.
        self._asked: dict[tuple[CaseId, str, datetime], WeekKey] = {}

    def key(
        self, tx: Connection, case_id: CaseId, source: str, moment: datetime, keep: timedelta
    ) -> WeekKey:
        """Return the key of the week of a moment, which lasts `keep` from the week's end.

        A key that is not committed in the end only takes place in the vault. Two who make one at
        once agree: the database keeps one of them.

        Raises:
            UsageError: code `shredded`: the words of this week are destroyed already.
        """
        week = week_of(moment)
        if known := self._keys.get((case_id, source, week)):
            return known
        row = _row(tx, case_id, source, week)
        if row is None:
            object_id, _ = self._vault.new_key()
            made = {
                "case_id": case_id,
                "source": source,
                "week": week,
                "object_id": object_id,
                "expires_at": week + WEEK + keep,
                "shredded_at": None,
            }
            insert_rows(tx, TextKey, [made], ignore_existing=True)
            row = _row(tx, case_id, source, week)
            assert row is not None
        found = WeekKey(row[0], AESGCM(self._vault.key(row[1])))
        self._asked[case_id, source, week] = found
        return found

    def committed(self) -> None:
        """Remember the keys that were asked for, now that the transaction is committed."""
        self._keys |= self._asked
        self._asked.clear()

    def undone(self) -> None:
        """Forget the keys that were asked for in a transaction that was undone."""
        self._asked.clear()

    def opened(self, tx: Connection, post_ids: Iterable[int]) -> dict[int, str | None]:
        """Return the words of posts, None for those that were destroyed. Asks nobody's permission.

        Raises:
            IntegrityError: code `sealed`: words were changed, or are not those of their post.
        """
        rows = tx.execute(
            select(Post.id, Post.site_id, Post.thread, Post.key, Post.words, TextKey.object_id)
            .join(TextKey, TextKey.id == Post.text_key_id)
            .where(among(tx, Post.id, sorted(post_ids)))
        ).all()
        ciphers: dict[str, AESGCM | None] = {}
        for object_id in {row.object_id for row in rows if row.words is not None}:
            ciphers[object_id] = None
            with contextlib.suppress(UsageError):  # destroyed since
                ciphers[object_id] = AESGCM(self._vault.key(object_id))
        found: dict[int, str | None] = {}
        for row in rows:
            cipher = None if row.words is None else ciphers[row.object_id]
            place = about(row.site_id, row.thread, row.key)
            found[row.id] = None if cipher is None else _open(cipher, row.words, place)
        return found


def about(site_id: int, thread: str, key: str) -> bytes:
    """Return what words of a post are bound to."""
    return "\0".join((str(site_id), thread, key)).encode()


def week_of(moment: datetime) -> datetime:
    """Return the beginning of the week of a moment, a Monday in its time zone."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def _row(tx: Connection, case_id: CaseId, source: str, week: datetime) -> tuple[int, str] | None:
    row = tx.execute(
        select(TextKey.id, TextKey.object_id, TextKey.shredded_at).where(
            TextKey.case_id == case_id, TextKey.source == source, TextKey.week == week
        )
    ).one_or_none()
    if row is None:
        return None
    if row.shredded_at is not None:
        raise UsageError("the words of this week are destroyed already", code="shredded")
    return row.id, row.object_id


def _open(cipher: AESGCM, sealed: bytes, place: bytes) -> str:
    try:
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return cipher.decrypt(nonce, rest, place).decode()
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            "the words of a post do not open",
            code="sealed",
            hint="they were changed, or stand under another post",
        ) from error
