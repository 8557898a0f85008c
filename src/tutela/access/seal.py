"""Seals small secrets that the database keeps: what is read there is of no use without the key.

The key is 32 bytes in a file beside the other keys of the installation, never in the database. Each
purpose has a key of its own, derived by HKDF-SHA256 (RFC 5869); what is sealed is bound to what it
is about, so that one account's secret cannot be put into another's row.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tutela.core import secretfile
from tutela.core.errors import IntegrityError, ServiceError, SettingsError
from tutela.core.settings import AuditSettings

KEY_BYTES = 32
NONCE_BYTES = 12


class Sealer:
    """Seals and opens with AES-256-GCM; threads may share it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a seal key has 32 bytes")
        self._key = key
        self._cipher = AESGCM(self.derive("seal", b"", KEY_BYTES))

    def seal(self, secret: bytes, about: str) -> bytes:
        """Return `secret` encrypted, bound to `about`, such as `account:4 totp`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """Return what was sealed.

        Raises:
            IntegrityError: it was not sealed by this key, or not about this.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                "a sealed secret does not open",
                code="sealed",
                hint="is keys/seal.key the one that this database was made with?",
            ) from error

    def derive(self, purpose: str, about: bytes, length: int) -> bytes:
        """Return `length` bytes that only this key gives for this purpose and subject."""
        info = purpose.encode() + b"\x00" + about
        return HKDF(SHA256(), length, salt=b"tutela access 1", info=info).derive(self._key)


def place(settings: AuditSettings) -> Path:
    """Return where the seal key lies: beside the key that signs the log."""
    return settings.signing_key.with_name("seal.key")


def create_key(path: Path) -> None:
    """Make a new seal key at `path`, readable by this user only.

    Raises:
        ServiceError: something is there already, or it cannot be written.
    """
    secretfile.create(path, secrets.token_bytes(KEY_BYTES))


def load(path: Path) -> Sealer:
    """Return the sealer whose key lies at `path`.

    Raises:
        ServiceError: the file cannot be read.
        SettingsError: it holds no key, or others can read it.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            key = stream.read(KEY_BYTES + 1)
    except OSError as error:
        raise ServiceError(
            f"cannot read the seal key {path}: {error.strerror}", hint="`tutela init` makes one"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"the seal key {path} can be read by others", hint=f"chmod 600 {path}")
    if len(key) != KEY_BYTES:
        raise SettingsError(f"the seal key {path} does not have {KEY_BYTES} bytes")
    return Sealer(key)
