"""The master key, which wraps the keys of objects: from a file, the environment or a PKCS#11 token.

Every kind wraps by AES-256-GCM with a random nonce and the object's id as associated data, so a
wrapped key opens no other object.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tutela.core import secretfile
from tutela.core.errors import IntegrityError, ServiceError, SettingsError
from tutela.core.settings import VaultSettings

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_ID_BYTES: Final = 8
# A key is told by what it makes of these words under the all-zero nonce. Nothing else is ever
# encrypted under that nonce, and of the tag only a hash is kept.
FINGERPRINT_WORDS: Final = b"tutela vault master key id 1"
_HINT = "see [vault] master_key in docs/reference/settings.md"


class MasterKey(Protocol):
    """Wraps and unwraps keys of objects; threads may share it."""

    @property
    def key_id(self) -> bytes:
        """8 bytes that tell this key from others and say nothing of it."""

    def wrap(self, key: bytes, object_id: bytes) -> bytes:
        """Return `key` (32 bytes) encrypted for one object.

        Raises:
            ServiceError: the token does not answer.
        """

    def unwrap(self, wrapped: bytes, object_id: bytes) -> bytes:
        """Return the key that was wrapped.

        Raises:
            IntegrityError: code `wrapped_key`: it was not wrapped by this key for this object.
            ServiceError: the token does not answer.
        """


class LocalKey:
    """A master key that this process holds; 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._cipher = AESGCM(key)
        self.key_id = key_id(self._cipher.encrypt(bytes(NONCE_BYTES), b"", FINGERPRINT_WORDS))

    def wrap(self, key: bytes, object_id: bytes) -> bytes:
        """See `MasterKey`."""
        nonce = fresh_nonce()
        return nonce + self._cipher.encrypt(nonce, key, object_id)

    def unwrap(self, wrapped: bytes, object_id: bytes) -> bytes:
        """See `MasterKey`."""
        nonce, rest = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        with refused():
            return self._cipher.decrypt(nonce, rest, object_id)


def key_id(tag: bytes) -> bytes:
    """Return the id of the key that gave `tag` to `FINGERPRINT_WORDS`."""
    return hashlib.sha256(tag).digest()[:KEY_ID_BYTES]


def fresh_nonce() -> bytes:
    """Return a random nonce that is not the one by which keys are told."""
    nonce = bytes(NONCE_BYTES)
    while nonce == bytes(NONCE_BYTES):
        nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Say in our words that a wrapped key does not verify."""
    try:
        yield
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            "a wrapped key does not verify under the master key", code="wrapped_key"
        ) from error


def master_key(settings: VaultSettings) -> MasterKey:
    """Return the master key that the settings name.

    Raises:
        SettingsError: the setting cannot be read, or a file or variable holds no key.
        ServiceError: the file or token does not answer.
    """
    return named(settings.master_key)


def named(where: str) -> MasterKey:
    """Return the master key at `file:...`, `env:...` or `pkcs11:...`; see `master_key`."""
    kind, _, rest = where.partition(":")
    if kind == "file" and rest:
        return LocalKey(_from_file(Path(rest).expanduser()))
    if kind == "env" and rest:
        return LocalKey(_from_variable(rest))
    if kind == "pkcs11" and rest:
        from tutela.evidence.vault import hsm  # noqa: PLC0415 - loads a library few need

        return hsm.opened(rest)
    raise SettingsError("the master key is named by file:, env: or pkcs11:", hint=_HINT)


def create_file(path: Path) -> None:
    """Make a new master key at `path`, readable by this user only.

    Raises:
        ServiceError: something is there already, or it cannot be written.
    """
    secretfile.create(path, secrets.token_bytes(KEY_BYTES))


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            key = stream.read(KEY_BYTES + 1)
    except OSError as error:
        raise ServiceError(
            f"cannot read the master key {path}: {error.strerror}",
            code="master_key",
            hint="`tutela init` makes one; a lost master key cannot be replaced",
        ) from error
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise SettingsError(
            f"the master key {path} can be read by others", hint=f"chmod 600 {path}"
        )
    if len(key) != KEY_BYTES:
        raise SettingsError(f"the master key {path} does not have {KEY_BYTES} bytes", hint=_HINT)
    return key


def _from_variable(name: str) -> bytes:
    try:
        key = bytes.fromhex(os.environ[name])
    except KeyError:
        raise SettingsError(f"the variable {name} is not set", hint=_HINT) from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        # What it holds is not said: it may be a secret all the same.
        raise SettingsError(f"the variable {name} does not hold 64 hexadecimal digits", hint=_HINT)
    return key
