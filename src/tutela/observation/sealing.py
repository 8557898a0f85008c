"""Seals the words of posts under keys that a clock destroys.

Each case, source (such as `crawl order 3`) and week has a key of 32 bytes of its own. It lies in
the vault's key books, which are in no backup of the database; once it is destroyed nobody reads the
words any more, from a backup either. AES-256-GCM with a random nonce of 12 bytes; what is sealed is
bound to its site, thread and post, so that no words can be put under another post. What is looked
up by a name that must not be read (a conversation, a speaker) has a tag: HMAC-SHA-256 of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
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
TAG_BYTES = 16
WEEK = timedelta(days=7)


class WeekKey(NamedTuple):
    """The key of one week; `id` is its row, `mac` is derived from it for tags."""

    id: int
    cipher: AESGCM
    mac: bytes

    def seal(self, words: str | bytes, about: bytes) -> bytes:
        """Return words encrypted, bound to what they are about."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        data = words.encode() if isinstance(words, str) else words
        return nonce + self.cipher.encrypt(nonce, data, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            IntegrityError: code `sealed`: it was changed, or is about something else.
        """
        return _open(self.cipher, sealed, about)

    def tag(self, value: str, about: bytes) -> bytes:
        """Return 16 bytes by which a value is found again, about one thing, while the key lasts."""
        data = value.encode("utf-8", "surrogatepass")  # no two values are made one
        return hmac.digest(self.mac, about + b"\0" + data, "sha256")[:TAG_BYTES]


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
        found = _week_key(row[0], self._vault.key(row[1]))
        self._asked[case_id, source, week] = found
        return found

    def lasting(self, tx: Connection, key_id: int) -> WeekKey | None:
        """Return a key by its row, None where it was destroyed. Asks nobody's permission."""
        asked = select(TextKey.object_id).where(TextKey.id == key_id, TextKey.shredded_at.is_(None))
        object_id = tx.execute(asked).scalar_one_or_none()
        if object_id is None:
            return None
        with contextlib.suppress(UsageError):  # destroyed since
            return _week_key(key_id, self._vault.key(object_id))
        return None

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
            found[row.id] = None if cipher is None else _text(_open(cipher, row.words, place))
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


def _week_key(key_id: int, key: bytes) -> WeekKey:
    mac = hmac.digest(key, b"tutela: tags", hashlib.sha256)
    return WeekKey(key_id, AESGCM(key), mac)


def _open(cipher: AESGCM, sealed: bytes, place: bytes) -> bytes:
    try:
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return cipher.decrypt(nonce, rest, place)
    except (InvalidTag, ValueError) as error:
        raise _changed() from error


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except ValueError as error:
        raise _changed() from error


def _changed() -> IntegrityError:
    return IntegrityError(
        "sealed words do not open",
        code="sealed",
        hint="they were changed, or stand in another place",
    )
