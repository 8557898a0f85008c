"""Subscriptions: which publications are followed, with which key, and how far that came."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import msgspec

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.fetch.http import origin
from tutela.hashlist.store import write_durable

PUBLICATION = "publication"
_FILE = "subscription.json"
_ROOT = "root.json"
_ROOT_LIMIT = 512_000


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A list of a subscription: its name there and in our library, and what was last heard of it.

    `refused` is the code of the last refusal, empty since it last went well.
    """

    local: str
    role: str = ""
    title: str = ""
    owner: str = ""
    radius_bits: int = 0
    generation: int = 0
    synced_at: datetime | None = None
    refused: str = ""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Lists of others that are followed, each `kind` by its protocol.

    Of a publication `wanted` are the lists that are followed, empty for all that the key opens;
    `lists` those that were found so far, by their name there. A server of another kind is one list.
    """

    v: int = 1
    name: str
    url: str
    kind: str = PUBLICATION
    identity: str = ""  # path of the age key file, of a publication
    credential: str = ""  # path of the file with the credential, of others
    wanted: tuple[str, ...] = ()
    prefix: str = ""
    lists: dict[str, Followed] = {}
    refused: str = ""


class Subscriptions:
    """The subscriptions in a folder, one below it for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, subscription: Subscription) -> Path:
        """Return the folder of one."""
        return self._folder / subscription.name

    def add(self, subscription: Subscription, root: bytes = b"") -> None:
        """Begin to follow lists of others.

        Args:
            subscription: What to follow.
            root: The root metadata of a publication, from a source that can be trusted.

        Raises:
            UsageError: the address is none, or one of that name is followed already.
        """
        origin(subscription.url)
        folder = self.folder(subscription)
        if len(root) > _ROOT_LIMIT:
            raise UsageError("this root metadata is too long to be one")
        if (folder / _FILE).exists():
            raise UsageError(
                f"{subscription.name} is followed already",
                code="subscribed",
                hint="--as NAME gives another name; tutela list unsubscribe ends it",
            )
        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            if subscription.kind == PUBLICATION:
                write_durable(folder / _ROOT, root)
            self.save(subscription)
        except OSError as error:
            raise ServiceError(f"cannot write {folder}: {error.strerror}") from error

    def save(self, subscription: Subscription) -> None:
        """Keep what was heard."""
        body = msgspec.json.format(msgspec.json.encode(subscription), indent=1)
        write_durable(self.folder(subscription) / _FILE, body)

    def remove(self, name: str) -> Subscription:
        """Follow lists no more; lists that came of it stay in the library."""
        gone = self.one(name)
        shutil.rmtree(self.folder(gone))
        return gone

    def one(self, name: str) -> Subscription:
        """Return one; raise UsageError where there is none of that name."""
        for subscription in self.all():
            if subscription.name == name:
                return subscription
        raise UsageError(f"{name!r} is not followed", hint="tutela list subscribe")

    def all(self) -> list[Subscription]:
        """Return all, by name.

        Raises:
            IntegrityError: one cannot be read.
        """
        found = []
        for path in sorted(self._folder.glob(f"*/{_FILE}")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Subscription))
            except msgspec.DecodeError as error:
                raise IntegrityError(f"{path} cannot be read: {error}", code="info") from None
        return found

    def root(self, subscription: Subscription) -> bytes:
        """Return the root metadata that a subscription began with."""
        try:
            return (self.folder(subscription) / _ROOT).read_bytes()
        except OSError as error:
            raise ServiceError(f"cannot read the root of {subscription.name}") from error
