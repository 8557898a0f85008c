"""What a person is told of a list."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tutela.core.entry import Role
from tutela.core.media import Digests
from tutela.hashlist.report import counted, notes, warnings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"rows": 4, "quarantined": 3}, ["3 of 4 rows could not be read"]),
        ({"rows": 1, "quarantined": 1}, ["1 of 1 row could not be read"]),
        ({"compared": {}}, ["no entry can be compared"]),
        ({"compared": {"photodna": 0}}, ["no entry can be compared"]),
        (
            {"rows": 2000, "quarantined": 1999, "compared": {}},
            ["1,999 of 2,000 rows could not be read", "no entry can be compared"],
        ),
    ],
)
def test_what_a_scan_should_say_of_a_list(change, said, add, entry, samples):
    info = add(entry(samples.digests(1))).info
    assert warnings(msgspec.structs.replace(info, **change)) == said


def test_one_is_singular_and_more_are_not(add, entry, samples):
    info = msgspec.structs.replace(add(entry(samples.digests(1))).info, rows=4, quarantined=1)
    file = Path("q.jsonl")
    first, second = notes(info, file)
    assert first == "1 of 4 rows is in quarantine, with its reason, in q.jsonl"
    assert second.startswith("1 alert entry without")
    info = msgspec.structs.replace(info, quarantined=2, unclassified=2)
    first, second = notes(info, file)
    assert first == "2 of 4 rows are in quarantine, with their reasons, in q.jsonl"
    assert second.startswith("2 alert entries without")
    assert counted(1000, "row") == "1,000 rows"


def test_a_list_that_finds_nothing_says_so(add, entry, samples):
    report = add(entry(Digests(md5=samples.digest("md5", 1))), role=Role.ALLOW)
    assert "no entry can be compared, so this list finds nothing" in report.notes
