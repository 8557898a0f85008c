"""Litecoin addresses: L..., M... and ltc1...; the old form 3... counts as Bitcoin's."""

from __future__ import annotations

from tutela.crawl.entities.coin import Coin
from tutela.observation.model import EntityKind

FINDER = Coin(EntityKind.LITECOIN, firsts="LM", versions=bytes([48, 50]), prefix="ltc")
