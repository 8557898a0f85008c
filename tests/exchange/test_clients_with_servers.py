"""Our clients follow our servers, and hold what the field's clients get from them."""

from __future__ import annotations

from types import SimpleNamespace

import api_support as support
import pytest
from clients_support import Follower
from threatexchange.exchanges.clients.fb_threatexchange.api import ThreatExchangeAPI
from threatexchange.exchanges.collab_config import CollaborationConfigBase
from threatexchange.exchanges.impl.fb_threatexchange_api import (
    FBThreatExchangeCollabConfig,
    FBThreatExchangeSignalExchangeAPI,
)
from threatexchange.exchanges.impl.ncmec_api import NCMECCollabConfig, NCMECSignalExchangeAPI
from threatexchange.exchanges.impl.stop_ncii_api import (
    StopNCIICredentials,
    StopNCIISignalExchangeAPI,
)
from threatexchange.signal_type.md5 import VideoMD5Signal
from threatexchange.signal_type.pdq.signal import PdqSignal

from tutela.api.credentials import graph_token
from tutela.core.entry import Classification, Role
from tutela.core.media import PDQ
from tutela.exchange import feedback
from tutela.exchange.clients.role import held
from tutela.exchange.model import Verdict
from tutela.hashlist.library import Library
from tutela.hashlist.model import UNCLASSIFIED

KINDS = ("ncmec", "stopncii", "threatexchange")
SIGNALS = [PdqSignal, VideoMD5Signal]


@pytest.fixture
def exchange(database, tmp_path):
    return support.build(database, tmp_path)


@pytest.fixture
def served(exchange):
    """The exchange while it serves, and its address."""
    with support.NamedServing(exchange) as base:
        yield exchange, base


def follower(served, tmp_path, kind, **options) -> Follower:
    exchange, base = served
    member = exchange.members["platform"]
    if kind == "threatexchange":
        secret = graph_token(member.organisation_id, member.token)
        options.setdefault("wanted", (str(exchange.list_id),))
        return Follower(tmp_path / kind, kind, f"{base}/graph", secret, **options)
    return Follower(tmp_path / kind, kind, f"{base}/{kind}/known", member.token, **options)


def theirs(served, kind):
    """Return the values that the field's client gets on a first sync: PDQ, and MD5 of videos."""
    exchange, base = served
    member = exchange.members["platform"]
    if kind == "ncmec":
        collab = NCMECCollabConfig(
            name="known", environment=SimpleNamespace(value=f"{base}/ncmec/known")
        )
        api = NCMECSignalExchangeAPI(collab, member.name, member.token)
    elif kind == "stopncii":
        keys = f"{member.token},{member.name},{base}/stopncii/known"
        collab = CollaborationConfigBase(name="known", api="stopncii", enabled=True)
        api = StopNCIISignalExchangeAPI.for_collab(collab, StopNCIICredentials._from_str(keys))
    else:
        token = graph_token(member.organisation_id, member.token)
        collab = FBThreatExchangeCollabConfig(name="known", privacy_group=exchange.list_id)
        client = ThreatExchangeAPI(token, endpoint_override=f"{base}/graph")
        api = FBThreatExchangeSignalExchangeAPI(client, collab)
    kept = {}
    for delta in api.fetch_iter(SIGNALS, None):
        api.naive_fetch_merge(kept, delta.updates)
    signals = api.naive_convert_to_signal_type(SIGNALS, collab, kept)
    return {value for values in signals.values() for value in values}


def signals(one: Follower) -> set[str]:
    """Return of what a follower holds that which the field's clients can hold."""
    found = set()
    for entry in one.entries():
        found |= {print_.bits.hex() for print_ in entry.fingerprints if print_.algorithm == PDQ}
        said = held(entry, one.kind)
        video = "video" in str(said.get("kind", "")) or "VIDEO" in str(said.get("type", ""))
        if video or one.kind == "stopncii":
            found |= {entry.digests.md5.hex()} if entry.digests.md5 else set()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_full_incremental_update_and_deletion(served, tmp_path, kind):
    exchange, _ = served
    first, _, film = exchange.add(
        support.image(1), support.image(2, tags=("series-7",)), support.video(3)
    )
    exchange.date_back(60)
    one = follower(served, tmp_path, kind)
    done = one.sync()
    assert (done.by, done.quarantined) == ("pages", 0)
    assert signals(one) == theirs(served, kind)
    assert {support.pdq(1), support.pdq(2), support.md5(3)} <= one.values()
    assert one.matches(pdq=support.pdq(1))
    assert one.matches(md5=support.md5(3))
    generation = Library.open(one.library).generation
    again = one.sync()
    assert (again.by, again.added, again.replaced, again.removed) == ("nothing", 0, 0, 0)
    assert Library.open(one.library).generation == generation

    watching = Library.open(one.library)
    exchange.withdraw(first, film)
    exchange.add(support.image(4), support.image(2, support.B2))
    exchange.date_back(20)
    one.earlier(60)
    done = one.sync()
    assert done.added >= 1
    assert done.removed >= 2
    assert signals(one) == {support.pdq(2), support.pdq(4)}
    if kind != "stopncii":  # their client keeps what it was told of as withdrawn
        assert signals(one) == theirs(served, kind)
    assert not one.matches(pdq=support.pdq(1))
    # A reader that was open all the time sees it too.
    assert watching.find(support.image(1).digests, support.image(1).fingerprints) == []


@pytest.mark.parametrize("kind", KINDS)
def test_codes_tags_and_times_of_the_source_stay_with_the_entry(served, tmp_path, kind):
    exchange, _ = served
    exchange.add(support.image(1, tags=("series-7",)), support.image(2, support.UK_A))
    exchange.date_back(60)
    one = follower(served, tmp_path, kind)
    one.sync()
    by_pdq = {e.fingerprints[0].bits.hex(): e for e in one.entries() if e.fingerprints}
    first, second = by_pdq[support.pdq(1)], by_pdq[support.pdq(2)]
    assert first.provenance.received_from == "127.0.0.1"
    match kind:
        case "ncmec":
            assert first.classifications == (Classification("ncmec", "A1"),)
            assert second.classifications == (UNCLASSIFIED,)
            said = held(first, kind)
            assert (said["member"], said["kind"]) == (str(exchange.owner_id), "image")
            assert said["timestamp"].endswith("Z")
            assert first.digests.md5 == support.digest(1, "md5")
        case "stopncii":
            assert first.classifications == (UNCLASSIFIED,)
            assert held(first, kind)["hashStatus"] == "Active"
        case "threatexchange":
            assert first.classifications == (Classification("ncmec", "A1"),)
            assert second.classifications == (Classification("uk-abc", "A"),)
            assert "series-7" in held(first, kind)["tags"].split()


@pytest.mark.parametrize("kind", KINDS)
def test_many_pages_by_hundreds(served, tmp_path, kind, monkeypatch):
    exchange, _ = served
    exchange.add(*(support.image(number) for number in range(250)))
    exchange.date_back(60)
    monkeypatch.setattr("tutela.exchange.clients.stopncii._PAGE", 60)
    monkeypatch.setattr("tutela.exchange.clients.threatexchange._PAGE", 60)
    monkeypatch.setattr("tutela.api.routes.ncmec.PAGE", 60)
    one = follower(served, tmp_path, kind)
    assert one.sync().by == "pages"
    assert {support.pdq(number) for number in range(250)} == signals(one)
    assert one.mark.place.token == ""
    assert not one.mark.place.full


def test_of_two_entries_with_one_value_the_withdrawn_one_goes(served, tmp_path):
    exchange, _ = served
    one = support.image(1)
    twin = support.Candidate(
        digests=support.Digests(sha256=support.digest(99, "sha256")),
        fingerprints=one.fingerprints,
        codes=(support.B2,),
    )
    first, second = exchange.add(one, twin)
    exchange.date_back(60)
    ours = follower(served, tmp_path, "threatexchange")
    ours.sync()
    for number, there in ((first, True), (second, False)):
        exchange.withdraw(number)
        exchange.date_back(20)
        ours.earlier(60)
        ours.sync()
        assert ours.matches(pdq=support.pdq(1)) is there
    assert ours.entries() == []


def test_a_list_of_what_is_harmless_is_followed_as_such(served, tmp_path):
    exchange, _ = served
    allowed = exchange.another_list("harmless", Role.ALLOW)
    exchange.add(support.image(5, support.Coded("INT", "ncmec", "none")), list_id=allowed)
    exchange.join(exchange.members["platform"], allowed)
    exchange.date_back(60)
    one = follower(served, tmp_path, "threatexchange", wanted=(str(allowed),), role=Role.ALLOW)
    one.sync()
    (hit,) = Library.open(one.library).find(support.image(5).digests)
    assert (hit.role, hit.algorithm) == (Role.ALLOW, "sha256")


@pytest.mark.parametrize("kind", KINDS)
def test_feedback_goes_back_to_the_source(served, tmp_path, kind):
    exchange, _ = served
    first, second = exchange.add(support.image(1), support.image(2))
    exchange.date_back(60)
    one = follower(served, tmp_path, kind)
    one.sync()
    assert one.report(support.pdq(1), Verdict.CONFIRM) == 1
    reasons = ("Classified otherwise than it should be",) if kind == "ncmec" else ()
    assert one.report(support.pdq(2), Verdict.DISPUTE, *reasons) == 1
    with exchange.database.read() as tx:
        counts = feedback.statistics(tx, exchange.owner, exchange.list_id)
        (waiting,) = feedback.queue(tx, exchange.owner, exchange.list_id)
    assert {(c.verdict, c.said) for c in counts} == {(Verdict.CONFIRM, 1), (Verdict.DISPUTE, 1)}
    assert (waiting.entry_id, waiting.algorithm) == (second, "pdq")
    assert first != second


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_kept_or_told(served, tmp_path, kind, caplog, capfd):
    caplog.set_level("DEBUG")
    exchange, _ = served
    exchange.add(*(support.image(number) for number in range(30)))
    exchange.date_back(60)
    one = follower(served, tmp_path, kind)
    one.sync()
    token = exchange.members["platform"].token
    one.credential.write_text(one.credential.read_text().replace(token, token[::-1]))
    one.sync(refused="status")
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("uvicorn")]
    told = "".join([*ours, *capfd.readouterr()])
    for secret in (token, token[::-1]):
        assert secret.encode() not in one.everything_kept()
        assert secret not in told
