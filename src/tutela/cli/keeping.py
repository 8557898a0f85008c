"""The vault as a command of a case needs it: opened once the workers are there, never before."""

from __future__ import annotations

import contextlib

from tutela.core.settings import Settings
from tutela.evidence.vault import Vault, master_key
from tutela.evidence.vault.keeper import VaultKeeper
from tutela.store import Database


class Keeping:
    """Opens the vault when the workers are forked, so that they never hold its key."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.vault: Vault | None = None

    def keeper(self, stack: contextlib.ExitStack) -> VaultKeeper:
        """Open vault and database until the stack ends, and return what keeps originals."""
        chosen = self._settings.vault
        self.vault = stack.enter_context(Vault(chosen.path, master_key(chosen)))
        database = stack.enter_context(Database(self._settings.database.url))
        return VaultKeeper(self.vault, database, originals=True)
