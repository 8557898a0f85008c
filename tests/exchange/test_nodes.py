"""Who a node is, and whom an installation trusts."""

from __future__ import annotations

import datetime as dt
import hashlib
import stat

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from federation_support import EVERYTHING, refused

from tutela.core.errors import AccessError, InputError, ServiceError, UsageError
from tutela.exchange.federation import nodes, trust
from tutela.exchange.federation.identity import Identity, card_of, pin_of, shown, typed
from tutela.exchange.federation.nodes import Allowed


def certificate(key, *, ca: bool = False, signed_by=None, name: str = "") -> str:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    called = name or hashlib.sha256(spki).hexdigest()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day.replace(year=2030))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signed_by or key, SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)
    )
    return made.public_bytes(Encoding.PEM).decode()


def test_a_key_is_made_once_and_is_for_its_owner_only(tmp_path):
    made = Identity.make(tmp_path / "node.key")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert Identity.read(made.path).pin == made.pin
    with pytest.raises(ServiceError, match="never overwritten"):
        Identity.make(made.path)
    made.path.chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        Identity.read(made.path)
    assert refused(lambda: Identity.read(tmp_path / "no.key")) == "no_key"


def test_a_pin_is_read_aloud_and_typed(tmp_path):
    pin = Identity.make(tmp_path / "node.key").pin
    said = shown(pin)
    assert len(said.split()) == 8
    assert typed(said) == typed(said.upper().replace(" ", "")) == typed(f"  {pin.hex()}\n") == pin
    for wrong in ("", said[:-1], said + "0", "g" + said[1:]):
        assert refused(lambda wrong=wrong: typed(wrong)) == "pin"


def test_only_a_key_that_vouches_for_itself_alone_is_a_node():
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    assert pin_of(certificate(key)) == pin_of(certificate(key))
    hostile = [
        certificate(rsa.generate_private_key(65537, 2048)),
        certificate(key, ca=True),
        certificate(key, signed_by=other),
        certificate(key)[:200],
        certificate(key, name="0" * 64),
        "",
        "é",
    ]
    for text in hostile:
        with pytest.raises(InputError, match="no certificate of a node"):
            pin_of(text)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"url": "http://plain.test"},
        {"url": "https://host.test/with/path"},
        {"url": "https://host.test\nX: y"},
        {"name": "No"},
        {"country": "Germany"},
        {"contact": ""},
        {"contact": "desk\x1b[2J"},
        {"contact": "desk\u202egnp"},
        {"contact": "d" * 201},
        {"certificate": "x"},
        {"more": 1},
    ],
)
def test_a_card_says_just_what_it_may(nation, change):
    card = msgspec.to_builtins(nation("aa").card)
    assert card_of(msgspec.json.encode(card)).name == "aa"
    with pytest.raises(InputError):
        card_of(msgspec.json.encode(card | change))


def test_a_node_is_trusted_by_the_pin_that_a_person_heard(nation):
    one, other = nation("aa"), nation("bb")
    who = one.office.person("administrator")
    with one.database.write() as tx:
        wrong = bytes(32)
        given = (who, other.card, wrong, EVERYTHING, one.identity.pin)
        assert refused(lambda: trust.add(tx, *given)) == "pin"
        assert nodes.all_(tx) == []
    node = one.trust(other)
    with one.database.read() as tx:
        assert nodes.by_pin(tx, other.identity.pin).name == "bb"
        assert nodes.organisations(tx) == {node.organisation_id}
    assert refused(lambda: one.trust(other)) == "node_exists"


def test_what_stands_beside_a_certificate_is_not_trusted_with_it(nation):
    one, other = nation("aa"), nation("bb")
    stranger = certificate(ed25519.Ed25519PrivateKey.generate())
    card = msgspec.structs.replace(other.card, certificate=other.card.certificate + stranger)
    with one.database.write() as tx:
        who = one.office.person("administrator")
        node = trust.add(tx, who, card, other.identity.pin, EVERYTHING, one.identity.pin)
    assert node.certificate.count("BEGIN") == 1
    assert pin_of(node.certificate) == other.identity.pin


def test_only_an_administrator_decides_about_nodes(nation):
    one, other = nation("aa"), nation("bb")
    one.trust(other)
    for name in ("grader", "examiner", "supervisor", "auditor", "member"):
        who = one.office.person(name)
        with one.database.write() as tx, pytest.raises(AccessError):
            trust.remove(tx, who, "bb", "no reason")
        with one.database.write() as tx, pytest.raises(AccessError):
            trust.change(tx, who, "bb", Allowed(may_ask=False))


def test_what_is_not_said_is_not_allowed_and_what_is_changed_is_logged(nation):
    one, other = nation("aa"), nation("bb")
    who = one.office.person("administrator")
    node = one.trust(other, Allowed())
    assert (node.may_ask, node.votes, node.hears, node.wants) == (False, False, False, ())
    with one.database.write() as tx:
        node = trust.change(tx, who, "bb", Allowed(may_ask=True, wants=("b", "a", "b")))
    assert (node.may_ask, node.votes, node.wants) == (True, False, ("a", "b"))
    (event,) = one.logged("node.changed")
    assert '"data":{"may_ask":true,"wants":["a","b"]}' in event
    with one.database.write() as tx:
        assert refused(lambda: trust.change(tx, who, "bb", Allowed(asks_per_day=-1))) == "usage"


def test_a_node_gets_another_key_and_the_old_one_is_nobodys(nation, tmp_path):
    one, other = nation("aa"), nation("bb")
    before = one.trust(other)
    old = other.identity.pin
    other.identity = Identity.make(tmp_path / "new.key")
    with one.database.write() as tx:
        who = one.office.person("administrator")
        assert refused(lambda: trust.replace(tx, who, other.card, old, one.identity.pin)) == "pin"
        after = trust.replace(tx, who, other.card, other.identity.pin, one.identity.pin)
    assert (after.id, after.organisation_id) == (before.id, before.organisation_id)
    with one.database.read() as tx:
        assert nodes.by_pin(tx, other.identity.pin).id == before.id
        assert refused(lambda: nodes.by_pin(tx, old)) == "unknown_node"


def test_a_removed_node_is_nobody_at_once_and_comes_back_only_by_being_added(nation):
    one, other = nation("aa"), nation("bb")
    before = one.trust(other)
    who = one.office.person("administrator")
    with one.database.write() as tx:
        assert refused(lambda: trust.remove(tx, who, "bb", " ")) == "reason"
        trust.remove(tx, who, "bb", "its key was lost")
        assert refused(lambda: nodes.by_pin(tx, other.identity.pin)) == "unknown_node"
        assert refused(lambda: nodes.trusted(tx, "bb")) == "removed"
        assert nodes.all_(tx) == []
    again = one.trust(other, Allowed())
    assert (again.id, again.organisation_id) == (before.id, before.organisation_id)
    assert (again.may_ask, again.removed_at) == (False, None)
    assert again.out_stream != before.out_stream


def test_names_of_nodes_are_not_in_leaves_of_the_log(nation):
    one, other = nation("aa"), nation("bb")
    one.trust(other)
    (event,) = one.logged("node.added")
    assert "bb.test" not in event
    assert other.identity.pin.hex() in event
