"""Names: their checksums against values made here, and texts made to slow the search down."""

from __future__ import annotations

import hashlib
import time

import pysequoia
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.crawl.entities import (
    base58,
    bech32,
    bitcoin,
    ethereum,
    litecoin,
    monero,
    session,
    tox,
)
from tutela.crawl.entities.finding import FINDERS, Names
from tutela.crawl.entities.keccak import keccak_256
from tutela.observation import handles
from tutela.observation.model import EntityKind, EntitySeen

KEYS = st.binary(min_size=20, max_size=20)


def names(text: str, **how: object) -> list[EntitySeen]:
    return list(Names([text]).find(text, quoted=False, **how))


def found(text: str) -> set[tuple[EntityKind, str, bool]]:
    return {(entity.kind, entity.value, entity.checked) for entity in names(text)}


def test_keccak_is_that_of_ethereum():
    # The hash of nothing, and the topic of ERC-20's Transfer: known to every node of Ethereum.
    assert (
        keccak_256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )
    topic = keccak_256(b"Transfer(address,address,uint256)").hex()
    assert topic == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def test_keccak_differs_from_sha3_only_by_its_padding():
    for size in (0, 1, 135, 136, 137, 300):
        assert keccak_256(b"a" * size) != hashlib.sha3_256(b"a" * size).digest()


def test_ethereum_checksums_are_those_of_the_specification():
    for address in (
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    ):
        assert ethereum.mixed(address.lower()) == address
        assert found(f"0x{address}") == {(EntityKind.ETHEREUM, f"0x{address.lower()}", True)}
    assert not found("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    assert found("0x" + "ab" * 20) == {(EntityKind.ETHEREUM, "0x" + "ab" * 20, False)}


@given(KEYS, st.sampled_from([0, 5]))
def test_bitcoin_addresses_are_found(key, version):
    address = base58.encode(bytes([version]) + key)
    assert [name.value for name in bitcoin.FINDER.find(f"to {address}.")] == [address]


@given(KEYS, st.integers(0, 33), st.sampled_from(base58.ALPHABET))
def test_a_changed_character_is_no_bitcoin_address(key, place, character):
    address = base58.encode(b"\0" + key)
    place %= len(address)
    changed = address[:place] + character + address[place + 1 :]
    wanted = [address] if changed == address else []
    assert [name.value for name in bitcoin.FINDER.find(changed)] == wanted


def test_witness_addresses_are_those_of_bip_173_and_350():
    program = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")
    assert bech32.encode("bc", 0, program) == "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    assert found("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4") == {
        (EntityKind.BITCOIN, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", True)
    }
    taproot = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
    written = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
    assert bech32.encode("bc", 1, taproot) == written
    assert bech32.is_address(written, "bc")


@given(st.binary(min_size=32, max_size=32), st.integers(0, 16), st.data())
def test_a_changed_witness_address_is_none(program, version, data):
    address = bech32.encode("bc", version, program)
    assert bech32.is_address(address, "bc")
    place = data.draw(st.integers(3, len(address) - 1))
    other = data.draw(st.sampled_from(bech32.ALPHABET.replace(address[place], "")))
    assert not bech32.is_address(address[:place] + other + address[place + 1 :], "bc")


@given(KEYS)
def test_litecoin_addresses_are_found_and_are_no_bitcoin(key):
    for address in (base58.encode(b"\x30" + key), bech32.encode("ltc", 0, key)):
        assert [name.value for name in litecoin.FINDER.find(address)] == [address]
        assert not list(bitcoin.FINDER.find(address))


@given(st.binary(min_size=64, max_size=64), st.sampled_from([18, 42]), st.data())
def test_monero_addresses_are_found_and_changed_ones_are_not(keys, network, data):
    address = monero.encode(bytes([network]) + keys)
    assert len(address) == 95
    assert [name.value for name in monero.FINDER.find(address)] == [address]
    place = data.draw(st.integers(1, 94))
    other = data.draw(st.sampled_from(base58.ALPHABET.replace(address[place], "")))
    assert not list(monero.FINDER.find(address[:place] + other + address[place + 1 :]))


def test_integrated_monero_addresses_are_found():
    address = monero.encode(bytes([19]) + bytes(range(72)))
    assert len(address) == 106
    assert found(address) == {(EntityKind.MONERO, address, True)}


@given(st.binary(min_size=36, max_size=36), st.integers(0, 303))
def test_tox_ids_hold_by_their_checksum(key, bit):
    data = key + tox.checksum(key)
    assert [name.value for name in tox.FINDER.find(data.hex())] == [data.hex().upper()]
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    assert not list(tox.FINDER.find(bytes(changed).hex()))


def test_session_ids_have_an_exact_form():
    value = "05" + hashlib.sha256(b"somebody").hexdigest()
    assert found(f"write me: {value.upper()}") == {(EntityKind.SESSION, value, True)}
    assert not list(session.FINDER.find("05" + "0" * 64))
    assert not list(session.FINDER.find(value + "a"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mail Anna.B@Example.ORG now", {(EntityKind.EMAIL, "anna.b@example.org", True)}),
        ("anna [at] example [dot] org", {(EntityKind.EMAIL, "anna@example.org", True)}),
        ("xmpp: anna@talk.example", {(EntityKind.XMPP, "anna@talk.example", True)}),
        ("my jabber is anna@jabber.example", {(EntityKind.XMPP, "anna@jabber.example", True)}),
        ("https://t.me/anna_stamps", {(EntityKind.TELEGRAM, "anna_stamps", True)}),
        ("Telegram: @Anna_Stamps", {(EntityKind.TELEGRAM, "anna_stamps", False)}),
        ("thanks @Anna!", {(EntityKind.HANDLE, "anna", False)}),
        ("https://t.me/joinchat/abcd", set()),
        ("nothing @ all", set()),
    ],
)  # fmt: skip
def test_contacts_are_found_in_their_normal_form(text, wanted):
    assert found(text) == wanted


def test_handles_are_compared_by_what_a_person_would_type():
    assert handles.normal("  An\u200bna\u202e ") == handles.normal("ANNA") == "anna"
    assert handles.normal("\uff21\uff4e\uff4e\uff41") == "anna"
    assert handles.normal("\u200b\u202e") == ""


def test_handles_that_look_alike_stay_apart_but_share_a_skeleton():
    cyrillic = "\u0410nn\u0430"
    assert handles.normal(cyrillic) != handles.normal("Anna")
    assert handles.skeleton(cyrillic) == handles.skeleton("Anna")
    assert handles.skeleton("b0b_ill") == handles.skeleton("bob.i11")
    assert handles.skeleton("Anna") != handles.skeleton("Bert")


@given(st.text(max_size=60))
def test_normal_forms_are_normal(text):
    assert handles.normal(handles.normal(text)) == handles.normal(text)


@pytest.fixture(scope="module")
def key() -> pysequoia.Tsk:
    return pysequoia.Tsk.generate("Anna <anna@example.org>")


def _armored(key: pysequoia.Tsk) -> str:
    return str(key.extract_certificate())


def _signed(key: pysequoia.Tsk, text: str) -> str:
    mode = pysequoia.SignatureMode.CLEAR
    return pysequoia.sign(key.signer(), text.encode(), mode=mode).decode()


def _keys(text: str, author: str = "Anna") -> list[EntitySeen]:
    return [e for e in names(text, author=author) if e.kind is EntityKind.PGP_KEY]


def test_a_pasted_key_verifies_nothing(key):
    (entity,) = _keys(f"my key\n{_armored(key)}")
    assert entity.value == key.extract_certificate().fingerprint.upper()
    assert entity.checked
    assert not entity.verified


def test_a_signature_by_a_key_of_the_page_is_verified(key):
    (entity,) = _keys(f"{_signed(key, 'This is Anna of board.test')}\n{_armored(key)}")
    assert entity.verified
    assert entity.names_author


def test_a_signed_text_that_somebody_else_pastes_does_not_speak_of_them(key):
    text = f"{_signed(key, 'This is Anna of board.test')}\n{_armored(key)}"
    (entity,) = _keys(text, author="Bert")
    assert entity.verified
    assert not entity.names_author


def test_a_changed_text_is_not_verified(key):
    text = _signed(key, "This is Anna").replace("This is Anna", "This is Bert")
    (entity,) = _keys(f"{text}\n{_armored(key)}")
    assert not entity.verified


def test_a_signature_is_verified_by_a_key_that_the_caller_knows(key):
    text = _signed(key, "This is Anna")
    known = Names([text], [bytes(key.extract_certificate())])
    entities = list(known.find(text, quoted=False, author="Anna"))
    assert [entity.verified for entity in entities] == [True]
    assert not list(Names([text]).find(text, quoted=False))


def test_what_is_quoted_is_never_verified(key):
    text = f"{_signed(key, 'This is Anna')}\n{_armored(key)}"
    entities = list(Names([text]).find(text, quoted=True, author="Anna"))
    assert {(e.quoted, e.verified) for e in entities if e.kind is EntityKind.PGP_KEY} == {
        (True, False)
    }


HOSTILE = {
    "at signs": "@" * (1 << 20),
    "dots": "a." * (1 << 19),
    "an endless host": "a@" + "a." * (1 << 19),
    "an endless name": "a" * (1 << 20) + "@",
    "dashes": "-----BEGIN PGP PUBLIC KEY BLOCK-----" * (1 << 15),
    "signed": "-----BEGIN PGP SIGNED MESSAGE-----\n" * (1 << 15),
    "hexadecimal": "05" + "a" * (1 << 20),
    "base 58": "1" * (1 << 20),
    "short base 58": "1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa " * (1 << 14),
    "monero": ("4" + "a" * 94 + " ") * (1 << 13),
    "telegram": "telegram me me " * (1 << 16),
    "words at": "a [at] " * (1 << 17),
    "spaces": " " * (1 << 20),
    "chat": "xmpp" + " a@b.cc" * (1 << 17),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_slows_the_search_down(name):
    text = HOSTILE[name]
    begin = time.process_time()
    search = Names([text])
    list(search.find(text, quoted=False))
    assert time.process_time() - begin < 1.0


def test_a_bomb_of_names_is_cut():
    text = " ".join(f"a{number}@example.org" for number in range(50_000))
    assert len(names(text)) <= 100


def test_each_kind_has_a_finder():
    assert {finder.kind for finder in FINDERS} == set(EntityKind)
