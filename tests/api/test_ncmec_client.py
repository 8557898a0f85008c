"""The unmodified client of `threatexchange` 1.2.17 syncs from our NCMEC server."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from types import SimpleNamespace

import api_support as support
import pytest
from threatexchange.exchanges.clients.ncmec.hash_api import (
    FeedbackType,
    FingerprintType,
    NCMECHashAPI,
)
from threatexchange.exchanges.impl.ncmec_api import NCMECCollabConfig, NCMECSignalExchangeAPI
from threatexchange.signal_type.md5 import VideoMD5Signal
from threatexchange.signal_type.pdq.signal import PdqSignal

from tutela.api.routes import ncmec
from tutela.exchange import feedback
from tutela.exchange.model import Verdict

SIGNALS = [PdqSignal, VideoMD5Signal]


class Syncing:
    """A platform that keeps what the client gives it, as `tx fetch` and HMA do."""

    def __init__(self, base: str, member: support.Member) -> None:
        self.environment = SimpleNamespace(value=f"{base}/ncmec/known")
        self.collab = NCMECCollabConfig(name="known", environment=self.environment)
        self.api = NCMECSignalExchangeAPI(self.collab, member.name, member.token)
        self.client = NCMECHashAPI(member.name, member.token, self.environment)
        self.checkpoint = None
        self.kept = {}

    def sync(self, *, to_a_page: bool = False) -> None:
        for delta in self.api.fetch_iter(SIGNALS, self.checkpoint):
            self.api.naive_fetch_merge(self.kept, delta.updates)
            self.checkpoint = delta.checkpoint
            if to_a_page and delta.checkpoint.paging_info:
                return

    def later(self, exchange: support.Exchange, seconds: int) -> None:
        """Let time pass: what happened is longer ago, also to the client."""
        exchange.date_back(seconds)
        self.checkpoint.get_entries_max_ts -= seconds
        if self.checkpoint.paging_info:
            raise AssertionError("a page's address holds times that cannot be moved")

    @property
    def signals(self):
        return self.api.naive_convert_to_signal_type(SIGNALS, self.collab, self.kept)


def test_the_client_is_the_one_that_the_field_uses():
    assert importlib.metadata.version("threatexchange") == "1.2.17"


def test_full_and_incremental_sync_update_and_deletion(exchange):
    first, second, film = exchange.add(
        support.image(1), support.image(2, support.UK_A), support.video(3)
    )
    exchange.date_back(60)
    with support.Serving(exchange) as base:
        platform = Syncing(base, exchange.members["platform"])
        platform.sync()
        assert set(platform.signals[PdqSignal]) == {support.pdq(1), support.pdq(2)}
        assert set(platform.signals[VideoMD5Signal]) == {support.md5(3)}
        owner = exchange.owner_id
        assert platform.kept[f"{owner}-{first}"].classification == "A1"
        # A code of another scheme is not NCMEC's.
        assert platform.kept[f"{owner}-{second}"].classification is None
        assert platform.kept[f"{owner}-{film}"].classification == "B2"
        assert platform.kept[f"{owner}-{first}"].fingerprints == {
            "md5": support.md5(1),
            "sha1": support.digest(1, "sha1").hex(),
            "pdq": support.pdq(1),
        }

        exchange.add(support.image(4), support.image(2, support.B2))  # new, and one more code
        exchange.withdraw(first)
        exchange.remove(film)
        platform.later(exchange, 30)
        platform.sync()
        assert set(platform.kept) == {f"{owner}-{second}", f"{owner}-{film + 1}"}
        assert platform.kept[f"{owner}-{second}"].classification == "B2"
        assert set(platform.signals[PdqSignal]) == {support.pdq(2), support.pdq(4)}


def test_nothing_of_a_second_is_missed(exchange):
    """What is changed in the very second that a client was told all of is dated later."""
    exchange.add(support.image(0))
    member = exchange.members["platform"]
    seen, begin = set(), 0
    with support.Serving(exchange) as base:
        client = NCMECHashAPI(member.name, member.token, Syncing(base, member).environment)
        for number in range(1, 25):
            time.sleep(0.05)
            end = int(time.time())
            got = client.get_entries(start_timestamp=begin, end_timestamp=end)
            assert not seen & {update.id for update in got.updates}
            seen |= {update.id for update in got.updates}
            begin = end
            exchange.add(support.image(number))
        time.sleep(1.5)  # what was added last is dated in the second to come
        latest = client.get_entries(start_timestamp=begin, end_timestamp=int(time.time()))
    assert not seen & {update.id for update in latest.updates}
    assert len(seen) + len(latest.updates) == 25


def test_an_empty_range_costs_no_entry(exchange):
    exchange.add(*(support.image(number) for number in range(3)))
    exchange.date_back(60)
    with support.Serving(exchange) as base:
        platform = Syncing(base, exchange.members["platform"])
        assert platform.client.get_entries(start_timestamp=1, end_timestamp=1_000).updates == []
        # From the beginning, which is later than `to` where clocks changed: nothing, no error.
        got = platform.client.get_entries(start_timestamp=2_000, end_timestamp=1_000)
        assert (got.updates, got.next) == ([], "")


AWAY = """
import sys, time, types
from threatexchange.exchanges.impl.ncmec_api import NCMECCollabConfig, NCMECSignalExchangeAPI
from threatexchange.signal_type.pdq.signal import PdqSignal
time.tzset()
base, name, token = sys.argv[1:]
collab = NCMECCollabConfig(name="known", environment=types.SimpleNamespace(value=base))
api = NCMECSignalExchangeAPI(collab, name, token)
kept, checkpoint = {}, None
for line in sys.stdin:
    for delta in api.fetch_iter([PdqSignal], checkpoint):
        api.naive_fetch_merge(kept, delta.updates)
        checkpoint = delta.checkpoint
    print(",".join(sorted(kept)), flush=True)
"""


@pytest.mark.parametrize(
    ("zone", "late_s"),
    [("UTC0", 0), ("Asia/Tokyo", 0), ("Pacific/Kiritimati", 0), ("America/New_York", 5 * 3600)],
)
def test_a_client_that_calls_its_local_time_utc_loses_nothing(small, zone, late_s):
    """The client's `_date_format` writes local time with a Z.

    East of Greenwich it asks for a future and gets what there is now, each time with the last hour
    once more. West of it, it lags by its zone: all comes, hours late.
    """
    owner = small.owner_id
    (first,) = small.add(support.image(1))
    small.date_back(late_s + 60)
    member = small.members["platform"]
    with support.Serving(small) as base:
        command = [sys.executable, "-c", AWAY, f"{base}/ncmec/known", member.name, member.token]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"TZ": zone, "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        ) as child:

            def sync() -> set[str]:
                child.stdin.write("sync\n")
                child.stdin.flush()
                return set(child.stdout.readline().strip().split(",")) - {""}

            assert sync() == {f"{owner}-{first}"}
            (second,) = small.add(support.image(2))
            small.withdraw(first)
            small.date_back(late_s)
            # The client asks up to five seconds ago, and makes no request where nothing went by.
            deadline = time.monotonic() + 20
            while (found := sync()) != {f"{owner}-{second}"} and time.monotonic() < deadline:
                time.sleep(0.5)
            child.stdin.close()
    assert found == {f"{owner}-{second}"}


def test_feedback_comes_back_to_the_owner(exchange):
    first, second = exchange.add(support.image(1), support.image(2))
    member = exchange.members["platform"]
    with support.Serving(exchange) as base:
        client = NCMECHashAPI(member.name, member.token, Syncing(base, member).environment)
        assert client.status().esp_id == member.organisation_id
        assert client.status().esp_name == "Example Platform"
        assert {one.esp_id for one in client.members()} == {exchange.owner_id}
        given = client.feedback_reasons(FingerprintType.pdq)
        (guid,) = [guid for guid, name in given.items() if "resemble" in name]
        client.submit_upvote(exchange.owner_id, first, FingerprintType.md5)
        client.submit_feedback(
            exchange.owner_id, second, FingerprintType.pdq, FeedbackType.downvote, guid
        )
        with pytest.raises(Exception, match="404"):
            client.submit_upvote(member.organisation_id, first, FingerprintType.md5)
    with exchange.database.read() as tx:
        (waiting,) = feedback.queue(tx, exchange.owner, exchange.list_id)
        counts = feedback.statistics(tx, exchange.owner, exchange.list_id)
    assert (waiting.entry_id, waiting.verdict) == (second, Verdict.FALSE_POSITIVE)
    assert (waiting.algorithm, waiting.reasons) == ("pdq", ("unrelated",))
    assert {(one.verdict, one.said) for one in counts} == {
        (Verdict.CONFIRM, 1),
        (Verdict.FALSE_POSITIVE, 1),
    }


def test_pages_are_stable_and_resume(exchange, monkeypatch):
    monkeypatch.setattr(ncmec, "PAGE", 7)
    ids = exchange.add(*(support.image(number) for number in range(30)))
    exchange.date_back(60)
    with support.Serving(exchange) as base:
        platform = Syncing(base, exchange.members["platform"])
        # All changed in one second: the client narrows down to it and then turns pages.
        platform.sync(to_a_page=True)
        assert 0 < len(platform.kept) < 30
        assert platform.checkpoint.paging_info.paging_url.startswith("/v2/entries?")
        exchange.withdraw(ids[29])  # moves to the end of the order: it is told after this range
        platform.sync()
        platform.later(exchange, 30)
        platform.sync()
        assert len(platform.kept) == 29
        assert f"{exchange.owner_id}-{ids[29]}" not in platform.kept
