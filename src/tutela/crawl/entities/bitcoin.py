"""Bitcoin addresses of the main network: base58 and witness programs (BIP 173, BIP 350)."""

from __future__ import annotations

from tutela.crawl.entities.coin import Coin
from tutela.observation.model import EntityKind

FINDER = Coin(EntityKind.BITCOIN, firsts="13", versions=bytes([0, 5]), prefix="bc")
