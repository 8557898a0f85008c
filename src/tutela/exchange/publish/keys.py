"""Signing keys as files: Ed25519, PKCS #8 in PEM, mode 0600; the public half beside it as JSON.

Root and targets keys are needed seldom: they may lie on another machine, and only the public half
here. Keys of snapshot, timestamp and lists are needed for every publication.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from tutela.core import secretfile
from tutela.core.errors import ServiceError, UsageError
from tutela.hashlist.store import write_durable

PRIVATE = ".pem"
PUBLIC = ".pub"
_LIMIT = 16 << 10


def make(path: Path) -> Key:
    """Make a key: the private half in `path`, the public one in `path`.pub.

    Raises:
        ServiceError: they cannot be written, or something is there already.
    """
    signer = CryptoSigner(Ed25519PrivateKey.generate())
    secretfile.create(path, signer.private_bytes)
    key = signer.public_key
    public = {"keyid": key.keyid} | key.to_dict()
    write_durable(path.with_name(path.name + PUBLIC), json.dumps(public, indent=1).encode() + b"\n")
    return key


def public(path: Path) -> Key:
    """Return the public half in a file.

    Raises:
        ServiceError: the file cannot be read.
        UsageError: it holds no public key.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise UsageError(f"{path} is too long for a key")
        fields = json.loads(path.read_bytes())
        return SSlibKey.from_dict(fields.pop("keyid"), fields)
    except OSError as error:
        raise ServiceError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path} holds no public key", hint="name a file .pub") from None


def signer(path: Path) -> CryptoSigner:
    """Return the signer of a private key in a file.

    Raises:
        ServiceError: the file cannot be read.
        UsageError: others can read it, or it holds no such key.
    """
    try:
        private = load_pem_private_key(secretfile.read(path, _LIMIT), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(
            f"{path} holds no signing key", hint="tutela list keys make FILE makes one"
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError(f"{path} holds a key of another kind", hint="Ed25519 is used")
    return CryptoSigner(private)


class Keyring:
    """The private keys in a folder and in `offline` below it; which role one has, metadata says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offline = folder / "offline"
        self._signers: dict[str, CryptoSigner] = {}
        for path in sorted([*folder.glob(f"*{PRIVATE}"), *self.offline.glob(f"*{PRIVATE}")]):
            found = signer(path)
            self._signers[found.public_key.keyid] = found

    def having(self, keyids: Iterable[str]) -> list[CryptoSigner]:
        """Return the signers of those keys that are here."""
        return [self._signers[keyid] for keyid in keyids if keyid in self._signers]

    def new(self, role: str, *, offline: bool = False) -> Key:
        """Make a key that is to sign for a role, and return its public half."""
        folder = self.offline if offline else self.folder
        path = folder / f"{role}-{secrets.token_hex(4)}{PRIVATE}"
        key = make(path)
        self._signers[key.keyid] = signer(path)
        return key

    def forget(self, used: Iterable[str]) -> None:
        """Remove the keys for publishing that are not `used` any more; offline ones stay."""
        kept = set(used)
        for path in self.folder.glob(f"*{PRIVATE}"):
            if signer(path).public_key.keyid not in kept:
                path.unlink()
                path.with_name(path.name + PUBLIC).unlink(missing_ok=True)
