"""Times as sites write them, and those that cannot be said for sure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.crawl.times import Clock
from tutela.crawl.tree import parse

NOW = "it is currently fri jan 05, 2024 3:10 pm\nall times are utc"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2024-01-03T10:20:30Z", "2024-01-03T10:20:30"),
        ("2024-01-03T10:20:30.123+02:00", "2024-01-03T08:20:30"),
        ("2024-01-03 10:20", "2024-01-03T10:20:00"),
        ("Wed, 03 Jan 2024 10:20:30 +0100", "2024-01-03T09:20:30"),
        ("Wed, 03 Jan 2024 10:20:30 GMT", "2024-01-03T10:20:30"),
        ("» Wed Jan 03, 2024 10:20 pm", "2024-01-03T22:20:00"),
        ("January 03, 2024, 12:20:30 AM", "2024-01-03T00:20:30"),
        ("3rd January 2024, 10:20", "2024-01-03T10:20:00"),
        ("3. Januar 2024 um 10:20", "2024-01-03T10:20:00"),
        ("Jan 3, 2024 at 10:20 AM", "2024-01-03T10:20:00"),
        ("01-03-2024, 10:20 PM", "2024-01-03T22:20:00"),
        ("03.01.2024, 10:20", "2024-01-03T10:20:00"),
        ("23-01-2024, 10:20", "2024-01-23T10:20:00"),
        ("01/03/24(Wed)10:20:30", "2024-01-03T10:20:30"),
        ("03/01/2024 (Wed) 10:20:30", "2024-01-03T10:20:30"),
        ("1704277230", "2024-01-03T10:20:30"),
        ("Today at 10:32", "2024-01-05T10:32:00"),
        ("yesterday, 10:32 pm", "2024-01-04T22:32:00"),
        ("5 minutes ago", "2024-01-05T15:05:00"),
        ("an hour ago", "2024-01-05T14:10:00"),
    ],
)
def test_times_are_read(text, wanted):
    assert Clock(NOW).read(text) == datetime.fromisoformat(wanted).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "01-03-2024, 10:20",  # January or March
        "01/03/2024",
        "03/01/2024 (Mon) 10:20",  # falls on no Monday either way
        "2024-13-40 10:20",
        "Feb 31, 2024",
        "99/99/9999",
        "yesterday",
        "1889-01-03",
        "10:20",
        "January 03, 2024, 29:99",
        "2024-01-03T10:20:30+99:99",
    ],
)
def test_what_cannot_be_said_for_sure_is_not_said(text):
    assert Clock(NOW).read(text) is None


def test_yesterday_needs_the_date_of_the_page():
    assert Clock().read("yesterday 10:32") is None


def test_the_zone_of_the_page_counts_where_a_time_has_none():
    clock = Clock("all times are gmt +2. the time now is 2024-01-05 01:00.")
    assert clock.read("2024-01-03 10:20") == datetime(2024, 1, 3, 8, 20, tzinfo=UTC)
    assert clock.read("2024-01-03 10:20 UTC") == datetime(2024, 1, 3, 10, 20, tzinfo=UTC)
    assert clock.read("yesterday 10:32") == datetime(2024, 1, 4, 8, 32, tzinfo=UTC)


def test_attributes_for_machines_come_first():
    tree = parse(
        '<i data-utc="1704277230">x</i><i title="2024-01-03 10:20:30">yesterday</i><i>2 ago</i>'
    )
    times = [Clock().of(node) for node in tree.tagged["i"]]
    assert times == [datetime(2024, 1, 3, 10, 20, 30, tzinfo=UTC)] * 2 + [None]


@given(st.text(alphabet="0123456789-:/. ,ajnpmto()+yesterdaygo", max_size=80))
def test_no_text_breaks_the_clock(text):
    moment = Clock(text).read(text)
    assert moment is None or moment.tzinfo is UTC
