"""Who a node is: one key, a certificate that carries it, and the pin by which partners know it.

Nobody certifies nodes for one another. Each is trusted by its key, which a person compared over a
way of their own; names, dates and hosts in the certificate mean nothing.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from tutela.core import secretfile
from tutela.core.errors import InputError, ServiceError, SettingsError, UsageError
from tutela.core.settings import FederationSettings
from tutela.exchange.federation.message import PLAIN

FILE_BYTES = 16_384
PIN_BYTES = 32
_GROUP = 8  # digits of a pin that stand together, to be read aloud
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
# RFC 5280, section 4.1.2.5: a certificate that has no well-defined end.
_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.ExtensionNotFound,
)
_MARK = b"-----BEGIN CERTIFICATE-----"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=PLAIN)]


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node says of itself to a partner: no secret, and nothing to be believed but by pin."""

    v: Literal[1] = 1
    name: Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,31}\Z")]
    country: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{2}\Z")]
    url: Annotated[str, msgspec.Meta(pattern=r"\Ahttps://[^/?#\s]+\Z", max_length=300)]
    contact: Text
    certificate: Annotated[str, msgspec.Meta(max_length=FILE_BYTES)]

    @property
    def pin(self) -> bytes:
        """The pin of its certificate.

        Raises:
            InputError: there is none.
        """
        return pin_of(self.certificate)


class Identity:
    """The own key: a file with the private key and the certificate, both as PEM."""

    def __init__(self, path: Path, certificate: str) -> None:
        self.path = path
        self.certificate = certificate
        self.pin = pin_of(certificate)

    @classmethod
    def make(cls, path: Path) -> Identity:
        """Make a key where there is none.

        Raises:
            ServiceError: the file is there already (code `exists`), or cannot be written.
        """
        key = Ed25519PrivateKey.generate()
        name = _name(_digest(key.public_key()))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_BEGIN)
            .not_valid_after(_END)
            # It vouches for itself only: no other certificate is believed because of it.
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(key, None)
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secretfile.create(path, private + certificate.public_bytes(Encoding.PEM))
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> Identity:
        """Read the key.

        Raises:
            UsageError: there is none (code `no_key`), or others can read it.
            ServiceError: it cannot be read, or is no key of a node.
        """
        if not path.exists():
            raise UsageError(
                f"this node has no key at {path}", code="no_key", hint="tutela node key makes one"
            )
        _, mark, certificate = secretfile.read(path, FILE_BYTES).partition(_MARK)
        try:
            return cls(path, (mark + certificate).decode("ascii"))
        except (InputError, UnicodeDecodeError) as error:
            raise ServiceError(f"{path} is no key of a node") from error


def own_card(federation: FederationSettings, identity: Identity) -> Card:
    """Return the card of this node.

    Raises:
        SettingsError: what partners have to know of it is not set, or not so that it can be told.
    """
    made = Card(
        name=federation.name,
        country=federation.country,
        url=federation.url.rstrip("/"),
        contact=federation.contact,
        certificate=identity.certificate,
    )
    try:
        return msgspec.json.decode(msgspec.json.encode(made), type=Card)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"the [federation] settings make no card: {error}",
            hint="set name, country, url (https) and contact",
        ) from None


def card_of(text: bytes) -> Card:
    """Return what a partner's card says.

    Raises:
        InputError: it is none.
    """
    try:
        card = msgspec.json.decode(text, type=Card)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"this is no card of a node: {error}",
            code="card",
            hint="the partner makes it with: tutela node card",
        ) from None
    pin_of(card.certificate)
    return card


def pin_of(certificate: str | bytes) -> bytes:
    """Return the SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate, PEM or DER.

    Raises:
        InputError: it is no certificate with an Ed25519 key that signs itself only, and has the
            name of its pin: OpenSSL looks for certificates by name, so one with the name of
            another would stand in its way.
    """
    try:
        if isinstance(certificate, str):
            read = x509.load_pem_x509_certificate(certificate.encode("ascii"))
        else:
            read = x509.load_der_x509_certificate(certificate)
        key = read.public_key()
        read.verify_directly_issued_by(read)
        basic = read.extensions.get_extension_for_class(x509.BasicConstraints).value
    except _UNREADABLE as error:
        raise _no_certificate() from error
    if not isinstance(key, Ed25519PublicKey) or basic.ca or read.subject != _name(_digest(key)):
        raise _no_certificate()
    return _digest(key)


def one_certificate(text: str) -> str:
    """Return the first certificate of a PEM text, and nothing that may stand beside it.

    Raises:
        InputError: there is none.
    """
    try:
        read = x509.load_pem_x509_certificate(text.encode("ascii"))
    except ValueError as error:
        raise _no_certificate() from error
    return read.public_bytes(Encoding.PEM).decode("ascii")


def shown(pin: bytes) -> str:
    """Return a pin as people read it to one another: eight groups of eight digits."""
    digits = pin.hex()
    return " ".join(digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP))


def typed(text: str) -> bytes:
    """Return a pin that a person typed, with or without spaces between the digits.

    Raises:
        UsageError: it is none.
    """
    digits = re.sub(r"[\s:-]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise UsageError(
            "this is no pin: 64 digits, in groups or not",
            code="pin",
            hint="the partner reads it out from: tutela node key",
        )
    return bytes.fromhex(digits)


def _digest(key: Ed25519PublicKey) -> bytes:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _name(pin: bytes) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, pin.hex())])


def _no_certificate() -> InputError:
    return InputError("this is no certificate of a node", code="certificate")
