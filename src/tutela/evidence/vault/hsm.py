"""A master key inside a PKCS#11 token, which it never leaves.

The token encrypts and decrypts the keys of objects by CKM_AES_GCM (PKCS#11 3.1, section 6.13);
`pkcs11:MODULE?token=LABEL&key=LABEL&pin=env:NAME` names it. Tokens that insist on making the nonce
themselves are not supported.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn

from tutela.core.errors import IntegrityError, ServiceError, SettingsError
from tutela.evidence.vault.master import FINGERPRINT_WORDS, NONCE_BYTES, fresh_nonce, key_id

_TAG_BITS = 128
# The answers that a token gives to a ciphertext that is not its own; SoftHSM gives the first.
_REFUSALS = ("GeneralError", "EncryptedDataInvalid", "EncryptedDataLenRange", "FunctionFailed")
_HINT = "pkcs11:MODULE?token=LABEL&key=LABEL&pin=env:NAME"


class TokenKey:
    """An AES key in a token, through one session that threads take turns at."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self._turn = threading.Lock()
        self.key_id = key_id(self._encrypt(bytes(NONCE_BYTES), b"", FINGERPRINT_WORDS))

    def wrap(self, key: bytes, object_id: bytes) -> bytes:
        """See `MasterKey`."""
        nonce = fresh_nonce()
        return nonce + self._encrypt(nonce, key, object_id)

    def unwrap(self, wrapped: bytes, object_id: bytes) -> bytes:
        """See `MasterKey`."""
        how = GCMParams(wrapped[:NONCE_BYTES], object_id, _TAG_BITS)
        try:
            with self._turn:
                opened: bytes = self._key.decrypt(
                    wrapped[NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=how
                )
        except PKCS11Error as error:
            if type(error).__name__ in _REFUSALS:
                raise IntegrityError(
                    "a wrapped key does not verify under the master key", code="wrapped_key"
                ) from error
            raise _unanswered(error) from error
        return opened

    def _encrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        how = GCMParams(nonce, associated, _TAG_BITS)
        with _explained(), self._turn:
            sealed: bytes = self._key.encrypt(
                data, mechanism=Mechanism.AES_GCM, mechanism_param=how
            )
        return sealed


def opened(address: str) -> TokenKey:
    """Sign in at the token that `address` names (what follows `pkcs11:`) and find the key.

    Raises:
        SettingsError: the address cannot be read, or the PIN's variable is not set.
        ServiceError: the module, token or key is not there, or the PIN is wrong.
    """
    module, parts = _parsed(address)
    with _explained():
        session = _session(module, parts["token"], _pin(parts["pin"]))
        return TokenKey(
            session.get_key(
                object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, label=parts["key"]
            )
        )


def create(address: str) -> None:
    """Make a new AES-256 key in the token, which it cannot leave.

    Raises:
        SettingsError: as `opened`.
        ServiceError: as `opened`, or a key of this label is there.
    """
    module, parts = _parsed(address)
    with _explained():
        session = _session(module, parts["token"], _pin(parts["pin"]))
        if list(session.get_objects({Attribute.LABEL: parts["key"]})):
            raise ServiceError("the token has a key of this label already", code="exists")
        session.generate_key(
            KeyType.AES,
            256,
            label=parts["key"],
            store=True,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )


def _session(module: str, label: str, pin: str) -> Any:
    token = pkcs11.lib(module).get_token(token_label=label)
    try:
        return token.open(rw=True, user_pin=pin)
    except UserAlreadyLoggedIn:  # signing in counts for the whole process
        return token.open(rw=True)


def _parsed(address: str) -> tuple[str, dict[str, str]]:
    module, _, query = address.partition("?")
    parts = {name: values[-1] for name, values in parse_qs(query).items()}
    if not module or set(parts) != {"token", "key", "pin"}:
        raise SettingsError("the address of the token cannot be read", hint=_HINT)
    return module, parts


def _pin(where: str) -> str:
    name = where.removeprefix("env:")
    pin = os.environ.get(name, "") if name != where else ""
    if not pin:
        raise SettingsError("the PIN of the token comes from a variable, pin=env:NAME", hint=_HINT)
    return pin


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except PKCS11Error as error:
        raise _unanswered(error) from error


def _unanswered(error: PKCS11Error) -> ServiceError:
    detail = str(error) or type(error).__name__
    return ServiceError(
        f"the PKCS#11 token does not give the master key: {detail}",
        code="master_key",
        hint="is the token there, and are its label, the key's label and the PIN right?",
    )
