"""Signed notes (C2SP signed-note): text that one or more keys have signed with Ed25519.

A key is written in one line. Its public half, the verifier key, is `name+id+base64`; the private
half is `PRIVATE+KEY+name+id+base64`, as Go's checksum database has it. The id is four bytes of a
hash over the name, the kind of signature and the public key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tutela.core import secretfile
from tutela.core.errors import InputError, IntegrityError, ServiceError, UsageError

# Kinds of signatures (signed-note, "Signature types").
ED25519 = 0x01
COSIGNATURE = 0x04  # by a witness, with the time (C2SP tlog-cosignature)

DASH = "\u2014"
PRIVATE = "PRIVATE+KEY+"
KEY_BYTES = 32
ID_BYTES = 4
TIME_BYTES = 8
# The specification asks for 16 signatures at least; those of other kinds may take 5 kB each.
MOST_SIGNATURES = 100
LONGEST_NOTE = 1024 * 1024
LONGEST_KEY = 1024


class Verifier(msgspec.Struct, frozen=True):
    """The public half of a key: whose signature it is, of which kind, and how to check it."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        told = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(told).digest()[:ID_BYTES]

    def __str__(self) -> str:
        """Return the verifier key as text."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([self.kind]) + self.public)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Tell whether this key has signed the text of a note."""
        at_s = None
        if self.kind == COSIGNATURE:
            at_s, signature = int.from_bytes(signature[:TIME_BYTES]), signature[TIME_BYTES:]
        try:
            key = Ed25519PublicKey.from_public_bytes(self.public)
            key.verify(signature, _message(text, at_s))
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(msgspec.Struct, frozen=True):
    """The private half of a key; `seed` is the 32 bytes of RFC 8032."""

    name: str
    kind: int
    seed: bytes

    @classmethod
    def new(cls, name: str, kind: int = ED25519) -> Signer:
        """Make a key.

        Raises:
            UsageError: the name is none that a key may have.
        """
        if not _is_name(name):
            raise UsageError(
                "the name of a key has no space and no plus", hint="such as police.example/audit"
            )
        return cls(name, kind, os.urandom(KEY_BYTES))

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        return Verifier(self.name, self.kind, key.public_key().public_bytes_raw())

    def __str__(self) -> str:
        """Return name and id; never the secret, which a log or a traceback might keep."""
        return f"{self.name}+{self.verifier.key_id.hex()}"

    __repr__ = __str__

    def secret_text(self) -> str:
        """Return the private key as text."""
        secret = _base64(bytes([self.kind]) + self.seed)
        return f"{PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{secret}"

    def sign(self, text: str, at_s: int | None = None) -> str:
        """Return a signature line for the text of a note, with its newline.

        Args:
            text: What is signed; it ends in a newline.
            at_s: Seconds since 1970 in UTC, which a cosignature states.
        """
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        signed = key.sign(_message(text, at_s))
        if at_s is not None:
            signed = at_s.to_bytes(TIME_BYTES) + signed
        return f"{DASH} {self.name} {_base64(self.verifier.key_id + signed)}\n"


class Signature(msgspec.Struct, frozen=True):
    """One signature line: whose, and the bytes after the key id."""

    name: str
    key_id: bytes
    signed: bytes


class Note(msgspec.Struct, frozen=True):
    """A text and who says to have signed it; nothing of it is to be believed until `verified`."""

    text: str
    signatures: tuple[Signature, ...]


def parse(data: str | bytes) -> Note:
    """Read a signed note.

    Raises:
        InputError: code `note`: it is no signed note, or larger than one may be.
    """
    try:
        whole = data if isinstance(data, str) else data[: LONGEST_NOTE + 1].decode()
    except UnicodeDecodeError:
        raise InputError("a signed note is UTF-8", code="note") from None
    text, gap, lines = whole.rpartition("\n\n")
    if (
        not gap
        or not lines.endswith("\n")
        or len(whole) > LONGEST_NOTE
        or any(mark < " " and mark != "\n" for mark in whole)
    ):
        raise InputError("this is no signed note", code="note")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > MOST_SIGNATURES:
        raise InputError("a signed note of too many signatures", code="note")
    return Note(text + "\n", tuple(map(_signature, signatures)))


def verified(note: Note, keys: Iterable[Verifier]) -> list[Verifier]:
    """Return which of these keys have signed a note; signatures of others count for nothing.

    Raises:
        IntegrityError: code `signature`: none of them has, or a signature of one is wrong.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None or key in found:
            continue
        if not key.verifies(note.text, signature.signed):
            raise IntegrityError(f"the signature of {key.name} is wrong", code="signature")
        found.append(key)
    if not found:
        raise IntegrityError(
            "no key that is trusted has signed this note",
            code="signature",
            hint="`tutela audit key` prints the verifier key of an installation",
        )
    return found


def parse_verifier(text: str) -> Verifier:
    """Read a verifier key.

    Raises:
        UsageError: it is none, or of a kind that is not used here.
    """
    name, key_id, kind, public = _parse_key(text.strip(), "a verifier key is name+id+base64")
    key = Verifier(name, kind, public)
    if key.key_id != key_id:
        raise UsageError("the id of this verifier key is not that of its name and key")
    return key


def create_key(path: Path, key: Signer) -> None:
    """Write a new private key to a file that only this user may read (0600).

    Raises:
        ServiceError: it cannot be written, or something is there already.
    """
    secretfile.create(path, f"{key.secret_text()}\n".encode())


def read_key(path: Path) -> Signer:
    """Read a private key from its file.

    Raises:
        ServiceError: the file cannot be read.
        UsageError: it is no private key, or others may read it.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(LONGEST_KEY).strip()
    except FileNotFoundError as error:
        raise ServiceError(
            f"there is no signing key {path}", code="no_key", hint="`tutela init` makes one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"cannot read the signing key {path}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"the signing key {path} can be read by others", hint=f"chmod 600 {path}")
    wrong = f"{path} is no signing key"
    if not text.startswith(PRIVATE):
        raise UsageError(wrong)
    name, key_id, kind, seed = _parse_key(text.removeprefix(PRIVATE), wrong)
    key = Signer(name, kind, seed)
    if key.verifier.key_id != key_id:
        raise UsageError(wrong)
    return key


def _message(text: str, at_s: int | None) -> bytes:
    """Return what is signed: the text, or for a cosignature the text under its time."""
    head = "" if at_s is None else f"cosignature/v1\ntime {at_s}\n"
    return (head + text).encode()


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        signed = from_base64(encoded)
    except ValueError:
        signed = b""
    if dash != DASH or not _is_name(name) or len(signed) <= ID_BYTES:
        raise InputError("this is no signed note", code="note")
    return Signature(name, signed[:ID_BYTES], signed[ID_BYTES:])


def _parse_key(text: str, wrong: str) -> tuple[str, bytes, int, bytes]:
    parts: Sequence[str] = text.split("+", 2)
    if len(text) > LONGEST_KEY or len(parts) != 3 or not _is_name(parts[0]):
        raise UsageError(wrong)
    try:
        key_id, key = bytes.fromhex(parts[1]), from_base64(parts[2])
    except ValueError:
        raise UsageError(wrong) from None
    if (
        key_id.hex() != parts[1]
        or len(key_id) != ID_BYTES
        or len(key) != 1 + KEY_BYTES
        or key[0] not in {ED25519, COSIGNATURE}
    ):
        raise UsageError(wrong, hint="only Ed25519 keys of kinds 1 and 4 are used here")
    return parts[0], key_id, key[0], key[1:]


def _is_name(name: str) -> bool:
    return bool(name) and not any(mark.isspace() or mark < " " or mark == "+" for mark in name)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Decode base64 of RFC 4648, section 4, and nothing that is only nearly that.

    Raises:
        ValueError: it is not what encoding its bytes would give.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    if _base64(data) != text:
        raise ValueError("no base64 as it is written")
    return data
