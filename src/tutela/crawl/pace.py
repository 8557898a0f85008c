"""The pace of workers, of the settings."""

from __future__ import annotations

from datetime import timedelta

from tutela.core.crawl_settings import CrawlSettings
from tutela.crawl.model import Pace


def of(settings: CrawlSettings, *, private_tor: bool = False) -> Pace:
    """Return at which pace workers crawl.

    Args:
        settings: Of the crawl.
        private_tor: The worker's tor knows a private network on loopback alone
            (`politeness.is_private`): then the switch is for its onion services too.
    """
    return Pace(
        interval=timedelta(seconds=settings.interval_seconds),
        in_flight=settings.in_flight,
        lease=timedelta(seconds=settings.lease_seconds),
        lift_loopback=settings.lift_on_loopback,
        lift_onion=settings.lift_on_loopback and private_tor,
    )
