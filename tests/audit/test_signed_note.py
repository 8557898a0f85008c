"""Signed notes, held against notes that another implementation has signed."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tutela.audit import note
from tutela.core.errors import InputError, IntegrityError, ServiceError, UsageError

# From the tests of Go's checksum database (golang.org/x/mod, package note).
GO_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWL"
    "ox33WWd1RvMc+QQ=\n"
)
OTHER_LINE = (
    "— another.example x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
# The first secret key of RFC 8032, section 7.1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNER = note.Signer("tutela.example/audit", note.ED25519, SEED)


def test_a_note_of_another_implementation_verifies():
    key = note.parse_verifier(GO_KEY)
    assert (key.name, key.key_id.hex(), str(key)) == ("EnochRoot", "af0cfe78", GO_KEY)
    parsed = note.parse(f"{GO_TEXT}\n{OTHER_LINE}{GO_LINE}{GO_LINE}")
    assert parsed.text == GO_TEXT
    assert note.verified(parsed, [SIGNER.verifier, key]) == [key]
    with pytest.raises(IntegrityError, match="no key that is trusted"):
        note.verified(parsed, [SIGNER.verifier])
    for wrong in (parsed.text.replace("y", "i"), parsed.text + "\n"):
        with pytest.raises(IntegrityError, match="EnochRoot is wrong"):
            note.verified(note.Note(wrong, parsed.signatures), [key])


def test_our_notes_verify_by_the_words_of_the_specification():
    assert SIGNER.verifier.public == PUBLIC
    line = SIGNER.sign("Ognuno sta solo\n")
    dash, name, encoded = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", "tutela.example/audit")
    signed = base64.b64decode(encoded)
    told = b"tutela.example/audit\n\x01" + PUBLIC
    assert signed[:4] == hashlib.sha256(told).digest()[:4]
    assert signed[4:] == Ed25519PrivateKey.from_private_bytes(SEED).sign(b"Ognuno sta solo\n")
    assert note.verified(note.parse(f"Ognuno sta solo\n\n{line}"), [SIGNER.verifier])


def test_a_cosignature_signs_its_time_too():
    witness = note.Signer("witness.example/w1", note.COSIGNATURE, SEED)
    line = witness.sign("a text\n", at_s=1_679_315_147)
    parsed = note.parse(f"a text\n\n{line}")
    (found,) = parsed.signatures
    assert found.key_id == hashlib.sha256(b"witness.example/w1\n\x04" + PUBLIC).digest()[:4]
    assert int.from_bytes(found.signed[:8]) == 1_679_315_147
    message = b"cosignature/v1\ntime 1679315147\na text\n"
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(found.signed[8:], message)
    assert note.verified(parsed, [witness.verifier]) == [witness.verifier]
    later = (1_679_315_148).to_bytes(8) + found.signed[8:]
    assert not witness.verifier.verifies("a text\n", later)
    assert not witness.verifier.verifies("a text\n", found.signed[8:])
    assert not witness.verifier.verifies("a text\n", b"")
    with pytest.raises(IntegrityError):
        note.verified(parsed, [note.Verifier("witness.example/w1", note.ED25519, PUBLIC)])


GOOD = f"{GO_TEXT}\n{GO_LINE}"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        GO_TEXT,
        GO_TEXT + "\n",
        GOOD[:-1],
        GOOD + "\n",
        "\x01" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD + "Unexpected line.\n",
        GOOD.replace("— Enoch", "- Enoch"),
        GOOD.replace("— Enoch", "—Enoch"),
        GOOD.replace("EnochRoot", "Enoch Root"),
        GOOD.replace("EnochRoot", "Enoch+Root"),
        GOOD.replace("EnochRoot", "Enoch\u00a0Root"),
        GOOD.replace("EnochRoot ", ""),
        GOOD.replace("+QQ=", "+QR="),
        GOOD.replace("+QQ=", "+QQ"),
        f"{GO_TEXT}\n— EnochRoot rwz+eA==\n",
        f"{GO_TEXT}\n{GO_LINE * 101}",
        "x" * note.LONGEST_NOTE + "\n\n" + GO_LINE,
    ],
)
def test_what_is_no_note_is_refused(wrong):
    for data in (wrong, wrong.encode()):
        with pytest.raises(InputError) as raised:
            note.parse(data)
        assert raised.value.code == "note"


@given(st.binary(max_size=200) | st.text(st.characters(codec="utf-8")).map(str.encode))
def test_hostile_notes_are_refused_and_harm_nothing(data):
    for whole in (data, GOOD.encode() + data, data + b"\n\n" + data):
        try:
            parsed = note.parse(whole)
        except InputError:
            continue
        assert parsed.text + "\n" in whole.decode()


def test_no_mangled_key_is_taken():
    for start in range(len(GO_KEY)):
        for end in range(start + 1, len(GO_KEY) + 1):
            if end - start < len(GO_KEY):
                with pytest.raises(UsageError):
                    note.parse_verifier(GO_KEY[start:end])
    for at in range(len(GO_KEY)):
        changed = GO_KEY[:at] + chr(ord(GO_KEY[at]) + 1) + GO_KEY[at + 1 :]
        with pytest.raises(UsageError):
            note.parse_verifier(changed)
    unknown = str(note.Verifier("EnochRoot", 0x02, PUBLIC))
    for text in (unknown, GO_KEY.replace("af0cfe78", "AF0CFE78"), "+" * 2000, ""):
        with pytest.raises(UsageError):
            note.parse_verifier(text)


def test_a_key_file_is_for_its_owner_only(tmp_path):
    path = tmp_path / "keys" / "audit.key"
    made = note.Signer.new("tutela.example/audit")
    note.create_key(path, made)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"PRIVATE+KEY+{made}+")
    assert note.read_key(path) == made
    with pytest.raises(ServiceError, match="cannot write"):
        note.create_key(path, note.Signer.new("tutela.example/audit"))
    assert note.read_key(path) == made
    path.chmod(0o640)
    with pytest.raises(UsageError, match="read by others"):
        note.read_key(path)


def test_what_is_no_key_file_is_refused(tmp_path):
    path = tmp_path / "audit.key"
    with pytest.raises(ServiceError) as raised:
        note.read_key(path)
    assert raised.value.code == "no_key"
    secret = SIGNER.secret_text()
    wrong = ["", "hello", GO_KEY, secret[:-1], secret.replace("audit", "other"), secret[12:]]
    for text in wrong:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        with pytest.raises(UsageError):
            note.read_key(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ServiceError):
        note.read_key(path)


def test_a_private_key_does_not_show_itself():
    shown = f"{SIGNER!r} {SIGNER} {[SIGNER]}"
    assert SIGNER.secret_text()[-30:] not in shown
    assert repr(SEED) not in shown
    for name in ("", "a b", "a+b", "a\u2003b", "a\nb"):
        with pytest.raises(UsageError):
            note.Signer.new(name)
