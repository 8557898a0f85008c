"""Bitcoin addresses: base58 (P2PKH, P2SH) and witness programs (BIP 173, BIP 350), main network only."""

from __future__ import annotations

from tutela.crawl.entities.coin import Coin
from tutela.observation.model import EntityKind

FINDER = Coin(EntityKind.BITCOIN, firsts="13", versions=bytes([0, 5]), prefix="bc")
