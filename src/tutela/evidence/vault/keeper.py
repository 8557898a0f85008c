"""Keeps what a scan hands on: thumbnails, and originals where the case keeps media."""

from __future__ import annotations

from tutela.evidence.vault.objects import of_content
from tutela.evidence.vault.vault import Vault
from tutela.evidence.vault.writer import Writer
from tutela.store import Database

# Contents of this run that are remembered, until the database knows them.
_REMEMBERED = 100_000


class VaultKeeper:
    """Puts into the vault what a scan keeps, once for each content (the role `scan.keeper.Keeper`).

    Args:
        vault: Where it is put.
        database: Knows what was kept before.
        originals: Whether the pictures are kept beside their thumbnails.
    """

    def __init__(self, vault: Vault, database: Database, *, originals: bool) -> None:
        self.originals = originals
        self.name = str(vault.path)
        self._vault = vault
        self._database = database
        self._kept: dict[tuple[str, bytes], str] = {}

    def known(self, kind: str, sha256: bytes) -> str | None:
        """Return the id of what was kept of this content before, or None."""
        if found := self._kept.get((kind, sha256)):
            return found
        with self._database.read() as tx:
            return of_content(tx, sha256, kind)

    def begin(self, kind: str, sha256: bytes) -> Keeping:
        """Begin an object; it ends with `close` or with `abandon`."""
        return Keeping(self, self._vault.begin(kind), kind, sha256)

    def remember(self, kind: str, sha256: bytes, object_id: str) -> None:
        """Remember what was kept, so that a copy in the same scan is not kept again."""
        if len(self._kept) >= _REMEMBERED:
            self._kept.clear()
        self._kept[kind, sha256] = object_id

    def flush(self) -> None:
        """Make durable all that was closed."""
        self._vault.flush()


class Keeping:
    """One object of a scan on its way into the vault."""

    def __init__(self, keeper: VaultKeeper, writer: Writer, kind: str, sha256: bytes) -> None:
        self._keeper = keeper
        self._writer = writer
        self._content = (kind, sha256)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._writer.write(data)

    def close(self) -> str:
        """Keep the object, and return its id."""
        object_id = self._writer.close()
        self._keeper.remember(*self._content, object_id)
        return object_id

    def abandon(self) -> None:
        """Remove what was written."""
        self._writer.abandon()
