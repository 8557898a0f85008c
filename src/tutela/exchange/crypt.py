"""Encryption to members (age, "The age file encryption format", version 1), through pyrage."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyrage

from tutela.core import secretfile
from tutela.core.errors import IntegrityError, ServiceError, UsageError

_LEAST_RECIPIENTS = 8
_FILE_LIMIT = 64 << 10


class Identity:
    """The secret half of an age key; `recipient` is the public one.

    Raises:
        UsageError: `text` is none.
    """

    def __init__(self, text: str) -> None:
        try:
            self._secret: Any = pyrage.x25519.Identity.from_str(text)
        except pyrage.IdentityError:
            raise UsageError(
                "this is no age identity", hint="tutela list keys identity FILE makes one"
            ) from None
        self.recipient = str(self._secret.to_public())

    @classmethod
    def make(cls, path: Path) -> Identity:
        """Write a new identity to a file of mode 0600, as `age-keygen` does.

        Raises:
            ServiceError: it cannot be written, or something is there already.
        """
        text = str(pyrage.x25519.Identity.generate())
        made = cls(text)
        secretfile.create(path, f"# public key: {made.recipient}\n{text}\n".encode())
        return made

    @classmethod
    def read(cls, path: Path) -> Identity:
        """Return the identity in a file as `age-keygen` writes it.

        Raises:
            ServiceError: the file cannot be read.
            UsageError: it can be read by others, or holds no age identity.
        """
        lines = secretfile.read(path, _FILE_LIMIT).decode(errors="replace").splitlines()
        words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return cls(words[0] if words else "")

    def tag(self, purpose: str, *texts: str) -> str:
        """Return a name (32 hexadecimal digits) for texts that nobody else can make or check."""
        message = msgspec.json.encode([purpose, *texts])
        return hmac.new(str(self._secret).encode(), message, "sha256").hexdigest()[:32]

    def decrypt(self, source: BinaryIO, sink: BinaryIO) -> bool:
        """Decrypt what was encrypted to us; tell whether it was.

        Raises:
            IntegrityError: it is damaged.
            ServiceError: it cannot be written.
        """
        try:
            pyrage.decrypt_io(source, sink, [self._secret])
        except pyrage.DecryptError as error:
            if "No matching keys" in str(error):
                return False
            raise IntegrityError("an encrypted file is damaged", code="undecryptable") from None
        except OSError as error:
            if error.errno is not None:  # of the disk, not of the file's content
                raise ServiceError(f"cannot decrypt: {error.strerror}") from error
            raise IntegrityError("an encrypted file is damaged", code="undecryptable") from None
        return True


def encrypt(source: BinaryIO, sink: BinaryIO, recipients: Sequence[str]) -> None:
    """Encrypt to all recipients, and to as many that nobody is as hide how many there are.

    Their number is that of the next power of two, at least eight.

    Raises:
        UsageError: a recipient is none.
    """
    wanted = max(_LEAST_RECIPIENTS, 1 << (len(recipients) - 1).bit_length())
    try:
        keys = [pyrage.x25519.Recipient.from_str(one) for one in sorted(recipients)]
    except pyrage.RecipientError:
        raise UsageError("a member's age recipient is none") from None
    keys += [pyrage.x25519.Identity.generate().to_public() for _ in range(wanted - len(keys))]
    pyrage.encrypt_io(source, sink, keys)
