"""Back-off, Retry-After, and the only places where limits may be lifted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tutela.core.crawl_settings import CrawlSettings
from tutela.crawl import pace, politeness

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_overloaded_host_is_left_alone_for_longer_and_longer_up_to_an_hour():
    waits = [politeness.backed_off(count, 0) for count in range(1, 100)]
    assert waits[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=1)
    assert politeness.backed_off(1, 77) == timedelta(seconds=77)
    assert politeness.backed_off(1, 1e300) == timedelta(days=1)
    assert politeness.retried(1) == timedelta(seconds=30)
    assert politeness.retried(99) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("9" * 400, 86_400),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2126 11:00:00 GMT", 86_400),
        ("-5", 0),
        ("1e9", 0),
        ("nan", 0),
        ("\u0663", 0),
        ("", 0),
        ("soon", 0),
    ],
    ids=map(str, range(13)),
)
def test_retry_after_is_seconds_or_a_date_and_bounded(value, seconds):
    assert politeness.retry_after(value, NOON) == seconds


def test_a_tor_network_is_private_only_where_all_its_authorities_are_loopback():
    assert politeness.is_private(["127.0.0.1", "127.0.0.2", "::1"])
    assert not politeness.is_private([])
    assert not politeness.is_private(["127.0.0.1", "192.0.2.1"])
    assert not politeness.is_private(["localhost"])


def test_the_switch_of_the_settings_lifts_loopback_and_onions_of_a_private_network_only():
    off, on = CrawlSettings(), CrawlSettings(lift_on_loopback=True)
    assert not pace.of(off, private_tor=True).lifts
    assert (pace.of(on).lift_loopback, pace.of(on).lift_onion) == (True, False)
    assert pace.of(on, private_tor=True).lift_onion
    assert pace.of(off).interval == timedelta(seconds=2)
    assert pace.of(off).in_flight == 2
