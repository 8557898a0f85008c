"""The unmodified client of `threatexchange` 1.2.17 syncs from our StopNCII server."""

from __future__ import annotations

import api_support as support
import pytest
import requests
from threatexchange.exchanges.clients.stopncii.api import (
    StopNCIIAPI,
    StopNCIICSPFeedback,
    StopNCIICSPFeedbackValue,
    StopNCIIEndpoint,
    StopNCIISignalType,
)
from threatexchange.exchanges.collab_config import CollaborationConfigBase
from threatexchange.exchanges.impl.stop_ncii_api import (
    StopNCIICredentials,
    StopNCIISignalExchangeAPI,
)
from threatexchange.signal_type.md5 import VideoMD5Signal
from threatexchange.signal_type.pdq.signal import PdqSignal

from tutela.exchange import feedback
from tutela.exchange.model import Verdict

SIGNALS = [PdqSignal, VideoMD5Signal]


class Syncing:
    def __init__(self, base: str, member: support.Member) -> None:
        keys = f"{member.token},{member.name},{base}/stopncii/known"
        self.collab = CollaborationConfigBase(name="known", api="stopncii", enabled=True)
        self.api = StopNCIISignalExchangeAPI.for_collab(
            self.collab, StopNCIICredentials._from_str(keys)
        )
        self.checkpoint = None
        self.kept = {}

    def sync(self) -> int:
        pages = 0
        for delta in self.api.fetch_iter(SIGNALS, self.checkpoint):
            self.api.naive_fetch_merge(self.kept, delta.updates)
            self.checkpoint = delta.checkpoint
            pages += 1
        return pages

    @property
    def signals(self):
        return self.api.naive_convert_to_signal_type(SIGNALS, self.collab, self.kept)


def client_of(base: str, member: support.Member) -> StopNCIIAPI:
    more = dict.fromkeys(StopNCIIEndpoint, member.token)
    return StopNCIIAPI(member.name, member.token, more, f"{base}/stopncii/known")


def test_full_and_incremental_sync_and_what_this_client_cannot_delete(exchange):
    first, _, _ = exchange.add(support.image(1), support.image(2), support.video(3))
    exchange.date_back(60)
    with support.Serving(exchange) as base:
        platform = Syncing(base, exchange.members["platform"])
        assert platform.sync() == 1
        assert set(platform.signals[PdqSignal]) == {support.pdq(1), support.pdq(2)}
        assert set(platform.signals[VideoMD5Signal]) == {support.md5(3)}

        exchange.withdraw(first)
        exchange.add(support.image(4))
        exchange.date_back(2)
        platform.checkpoint.update_time -= 2
        platform.sync()
        # It was told of the withdrawal, and keeps the hash: it looks for the word in the hash.
        assert set(platform.signals[PdqSignal]) == {support.pdq(n) for n in (1, 2, 4)}
        got = client_of(base, exchange.members["platform"]).fetch_hashes(start_timestamp=11)
    assert {r.hashStatus.value for r in got.hashRecords if r.hashValue == support.pdq(1)} == {
        "Withdrawn"
    }


def test_it_turns_pages_by_token_and_resumes_without_one(exchange):
    exchange.add(*(support.image(number) for number in range(10)))
    exchange.date_back(60)
    exchange.add(*(support.image(number) for number in range(10, 20)))
    exchange.date_back(60)
    with support.Serving(exchange) as base:
        client = client_of(base, exchange.members["platform"])
        seen, token, pages = [], "", []
        while not pages or pages[-1].hasMoreRecords:
            pages.append(client.fetch_hashes(page_size=6, next_page=token))
            token = pages[-1].nextPageToken or ""
            seen += [record.hashValue for record in pages[-1].hashRecords]
        assert [page.count for page in pages] == [6, 6, 6, 2]
        assert sorted(seen) == sorted(support.pdq(number) for number in range(20))
        # Whoever stops in the middle goes on from the time of the last page: some come twice.
        rest = client.fetch_hashes(start_timestamp=pages[1].nextSetTimestamp)
        assert set(seen[12:]) <= {record.hashValue for record in rest.hashRecords}
        done = client.fetch_hashes(start_timestamp=pages[-1].nextSetTimestamp)
        assert (done.count, done.hasMoreRecords) == (0, False)


def test_a_value_that_another_entry_holds_is_not_told_as_withdrawn(exchange):
    one = support.image(1)
    twin = support.Candidate(
        digests=support.Digests(sha256=support.digest(99, "sha256")),
        fingerprints=one.fingerprints,
        codes=(support.B2,),
    )
    first, _ = exchange.add(one, twin)
    exchange.withdraw(first)
    exchange.date_back(60)
    with support.Serving(exchange) as base:
        client = client_of(base, exchange.members["platform"])
        records = client.fetch_hashes(start_timestamp=11).hashRecords
    assert {(r.hashValue, r.hashStatus.value) for r in records} == {(support.pdq(1), "Active")}


def test_feedback_comes_back_to_the_owner(exchange):
    first, _ = exchange.add(support.image(1), support.video(2))
    with support.Serving(exchange) as base:
        client = client_of(base, exchange.members["platform"])
        client.submit_feedback(
            StopNCIISignalType.ImagePDQ,
            support.pdq(1),
            StopNCIICSPFeedbackValue.NotBlocked,
            {"nothing to see"},
        )
        client.submit_feedbacks(
            {
                (StopNCIISignalType.VideoMD5, support.md5(2)): _said("Blocked"),
                (StopNCIISignalType.ImagePDQ, support.pdq(9)): _said("Blocked"),
                (StopNCIISignalType.ImagePDQ, support.pdq(1)): _said("PendingReview"),
            }
        )
        with pytest.raises(requests.HTTPError, match="404"):
            client.submit_hash(StopNCIISignalType.ImagePDQ, support.pdq(5))
    with exchange.database.read() as tx:
        (waiting,) = feedback.queue(tx, exchange.owner, exchange.list_id)
        counts = feedback.statistics(tx, exchange.owner, exchange.list_id)
    assert (waiting.entry_id, waiting.verdict) == (first, Verdict.DISPUTE)
    assert (waiting.algorithm, waiting.reasons) == ("pdq", ("nothing to see",))
    assert {(one.verdict, one.said) for one in counts} == {
        (Verdict.CONFIRM, 1),
        (Verdict.DISPUTE, 1),
    }


def _said(value: str):
    return StopNCIICSPFeedback(StopNCIICSPFeedbackValue(value))
