"""The unmodified client of `threatexchange` 1.2.17 syncs from our ThreatExchange server."""

from __future__ import annotations

import api_support as support
import pytest
import requests
from threatexchange.exchanges.clients.fb_threatexchange.api import (
    ThreatExchangeAPI,
    is_valid_app_token,
)
from threatexchange.exchanges.clients.fb_threatexchange.threat_updates import ThreatUpdatesDelta
from threatexchange.exchanges.fetch_state import SignalOpinionCategory
from threatexchange.exchanges.impl.fb_threatexchange_api import (
    FBThreatExchangeCollabConfig,
    FBThreatExchangeSignalExchangeAPI,
)
from threatexchange.signal_type.md5 import VideoMD5Signal
from threatexchange.signal_type.pdq.signal import PdqSignal

from tutela.api.credentials import graph_token
from tutela.core.entry import Role as ListRole
from tutela.exchange import feedback
from tutela.exchange.model import Verdict

SIGNALS = [PdqSignal, VideoMD5Signal]


class Syncing:
    def __init__(self, base: str, member: support.Member, list_id: int) -> None:
        token = graph_token(member.organisation_id, member.token)
        assert is_valid_app_token(token)
        self.client = ThreatExchangeAPI(token, endpoint_override=f"{base}/graph")
        self.collab = FBThreatExchangeCollabConfig(name="known", privacy_group=list_id)
        self.api = FBThreatExchangeSignalExchangeAPI(self.client, self.collab)
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


def test_full_and_incremental_sync_update_and_deletion(exchange):
    first, _, film = exchange.add(
        support.image(1), support.image(2, tags=("series-7",)), support.video(3)
    )
    exchange.date_back(60)
    with support.NamedServing(exchange) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        platform.sync()
        assert set(platform.signals[PdqSignal]) == {support.pdq(1), support.pdq(2)}
        assert set(platform.signals[VideoMD5Signal]) == {support.md5(3)}
        (opinion,) = platform.signals[PdqSignal][support.pdq(2)].opinions
        assert opinion.owner_app_id == exchange.owner_id
        assert opinion.category is SignalOpinionCategory.POSITIVE_CLASS
        assert {"series-7", "ncmec:A1:US"} <= opinion.tags

        # Nothing new: the page is not empty, and the client's assertion holds.
        assert platform.sync() == 1

        exchange.withdraw(first, film)
        exchange.add(support.image(4), support.image(2, support.B2))
        exchange.date_back(2)
        platform.checkpoint.update_time -= 2
        platform.sync()
        assert set(platform.signals[PdqSignal]) == {support.pdq(2), support.pdq(4)}
        assert VideoMD5Signal not in platform.signals
        (opinion,) = platform.signals[PdqSignal][support.pdq(2)].opinions
        assert {"ncmec:B2:US"} <= opinion.tags


def test_the_first_sync_of_an_empty_list(exchange):
    with support.NamedServing(exchange) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        assert platform.sync() == 1
        assert platform.signals == {}


def test_it_turns_pages_and_sends_a_second_once(exchange):
    exchange.add(*(support.image(number) for number in range(250)))
    exchange.date_back(60)
    with (serving := support.NamedServing(exchange)) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        assert platform.sync() == 3
        assert len(platform.signals[PdqSignal]) == 250
        before = len(serving.requests)
        platform.sync()
        assert len(serving.requests) == before + 1
        # The client that came before it, which keeps items by number.
        delta = ThreatUpdatesDelta(exchange.list_id, types=["HASH_PDQ"])
        delta.incremental_sync_from_threatexchange(platform.client)
        assert len({update.id for update in delta if not update.should_delete}) == 250
        assert {update.threat_type for update in delta if not update.should_delete} == {"HASH_PDQ"}


def test_a_value_that_another_entry_holds_is_not_deleted(exchange):
    one = support.image(1)
    twin = support.Candidate(
        digests=support.Digests(sha256=support.digest(99, "sha256")),
        fingerprints=one.fingerprints,
        codes=(support.B2,),
    )
    first, _ = exchange.add(one, twin)
    exchange.date_back(60)
    with support.NamedServing(exchange) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        platform.sync()
        exchange.withdraw(first)
        exchange.date_back(2)
        platform.checkpoint.update_time -= 2
        platform.sync()
        assert set(platform.signals[PdqSignal]) == {support.pdq(1)}
        assert ("HASH_MD5", support.md5(1)) not in platform.kept


def test_what_was_deleted_is_told_by_number(exchange):
    (first,) = exchange.add(support.image(1))
    exchange.date_back(60)
    with support.NamedServing(exchange) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        before = ThreatUpdatesDelta(exchange.list_id)
        before.incremental_sync_from_threatexchange(platform.client)
        exchange.remove(first)
        exchange.date_back(2)
        after = ThreatUpdatesDelta(exchange.list_id, start=before.end - 3)
        after.incremental_sync_from_threatexchange(platform.client)
    had = {update.id for update in before if not update.should_delete}
    assert had
    assert had <= {update.id for update in after if update.should_delete}


def test_other_reads_of_the_client(exchange):
    exchange.add(support.image(1), support.video(2))
    allowed = exchange.another_list("harmless", ListRole.ALLOW)
    exchange.add(support.image(5, support.Coded("INT", "ncmec", "none")), list_id=allowed)
    exchange.join(exchange.members["platform"], allowed)
    exchange.date_back(60)
    with support.NamedServing(exchange) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        client = platform.client
        assert client.get_privacy_group(exchange.list_id).name == "Known"
        groups = client.get_threat_privacy_groups_member()
        assert {group.name for group in groups} == {"Known", "Harmless"}
        assert client.get_threat_privacy_groups_owner() == []
        assert client.get_tag_id("series-7").isdigit()
        updates = client.get_threat_updates(exchange.list_id, fields=["id"]).next()
        (indicator,) = [one for one in updates if one["indicator"] == support.pdq(1)]
        (said,) = client.get_threat_descriptors_from_indicator(indicator["id"])
        (descriptor,) = client.get_threat_descriptors([said["id"]])
        assert descriptor["raw_indicator"] == support.pdq(1)
        assert descriptor["status"] == "MALICIOUS"
        assert "ncmec:A1:US" in descriptor["tags"]
        (found,) = client.search_threat_descriptors(text=support.pdq(1)).next()
        assert found["id"] == said["id"]
        assert client.search_threat_descriptors(text=support.pdq(3)).next() == []
        # What is harmless is not told as malicious.
        other = Syncing(base, exchange.members["platform"], allowed)
        other.sync()
        (opinion,) = other.signals[PdqSignal][support.pdq(5)].opinions
        assert opinion.category is SignalOpinionCategory.NEGATIVE_CLASS
        with pytest.raises(requests.HTTPError, match="404"):
            client.get_privacy_group(999)


def test_reactions_come_back_to_the_owner(exchange):
    _, second = exchange.add(support.image(1), support.image(2))
    exchange.date_back(60)
    with support.NamedServing(exchange) as base:
        platform = Syncing(base, exchange.members["platform"], exchange.list_id)
        platform.sync()
        descriptors = {
            value: record.opinions[0].descriptor_id
            for value, record in platform.signals[PdqSignal].items()
        }
        up = platform.client.react_upvote_threat_descriptor(descriptors[support.pdq(1)])
        down = platform.client.react_downvote_threat_descriptor(descriptors[support.pdq(2)])
        saw = platform.client.react_matched_threat_descriptor(descriptors[support.pdq(2)])
    assert up[2] == down[2] == {"success": True}
    assert saw[2]["code"] == "parameter"
    with exchange.database.read() as tx:
        (waiting,) = feedback.queue(tx, exchange.owner, exchange.list_id)
        counts = feedback.statistics(tx, exchange.owner, exchange.list_id)
    assert (waiting.entry_id, waiting.algorithm) == (second, "pdq")
    assert {(one.verdict, one.said) for one in counts} == {
        (Verdict.CONFIRM, 1),
        (Verdict.FALSE_POSITIVE, 1),
    }
