"""Speaks with the agency's OpenID Connect provider: discovery, tokens, keys; all of it bounded."""

from __future__ import annotations

import stat
import threading
import time
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote_plus, urlsplit

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tutela.core.errors import ServiceError, SettingsError
from tutela.core.settings import WebSettings

TIMEOUT_S: Final = 10.0
KEPT_S: Final = 3_600
LARGEST_ANSWER: Final = 1 << 20
LONGEST_SECRET: Final = 4_096
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


_T = TypeVar("_T")


class Metadata(msgspec.Struct, frozen=True):
    """What discovery says (OpenID Connect Discovery 1.0, section 3), as far as it is needed."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Provider:
    """The provider of `[web] oidc_issuer`; threads may share it. What it says is kept an hour.

    Raises:
        SettingsError: the settings name no provider, or the secret's file is open to others.
    """

    def __init__(self, web: WebSettings) -> None:
        if not web.oidc_issuer or not web.oidc_client_id:
            raise SettingsError(
                "no agency is set up to sign in at", hint="[web] oidc_issuer and oidc_client_id"
            )
        self._web = web
        self._issuer = _safe(web.oidc_issuer)
        self._secret = _secret(web)
        # No proxy of the environment, no redirect: the agency is asked where the settings say.
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._turn = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def metadata(self) -> Metadata:
        """Return where the provider's endpoints are.

        Raises:
            ServiceError: it does not answer, or not for this issuer.
        """
        with self._turn:
            return self._found()

    def id_token(self, code: str, verifier: str, redirect_uri: str) -> str | None:
        """Exchange a code for an ID token, or return None where the provider refuses it.

        Raises:
            ServiceError: the provider does not answer as it should.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._web.oidc_client_id,
            "code_verifier": verifier,
        }
        # Both are form-encoded before they are put together (RFC 6749, section 2.3.1).
        names = (quote_plus(self._web.oidc_client_id), quote_plus(self._secret))
        auth = names if self._secret else None
        where = self.metadata().token_endpoint
        status, body = self._asked("POST", where, data=form, auth=auth)
        if 400 <= status < 500:
            return None
        return self._read(status, body, _Tokens).id_token

    def keys(self, *, again: bool = False) -> KeySet:
        """Return the provider's keys; `again` asks for them anew, as after a change of keys.

        Raises:
            ServiceError: the provider does not answer as it should.
        """
        with self._turn:
            if self._keys is None or again or self._keys[0] < time.monotonic():
                status, body = self._asked("GET", self._found().jwks_uri)
                found = self._read(status, body, dict[str, Any])
                try:
                    keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked there
                except (JoseError, ValueError, TypeError, LookupError) as error:
                    raise _broken() from error
                self._keys = (time.monotonic() + KEPT_S, keys)
            return self._keys[1]

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _found(self) -> Metadata:
        if self._metadata is None or self._metadata[0] < time.monotonic():
            where = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = self._read(*self._asked("GET", where), Metadata)
            if found.issuer != self._web.oidc_issuer:
                raise _broken()
            for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                _safe(endpoint)
            self._metadata = (time.monotonic() + KEPT_S, found)
        return self._metadata[1]

    def _asked(self, method: str, where: str, **rest: Any) -> tuple[int, bytes]:
        body = bytearray()
        try:
            with self._client.stream(method, where, **rest) as answer:
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise _broken()
                return answer.status_code, bytes(body)
        except httpx.HTTPError as error:
            raise _broken() from error

    def _read(self, status: int, body: bytes, kind: type[_T]) -> _T:
        try:
            if status != httpx.codes.OK:
                raise _broken()
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise _broken() from error


def _safe(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE):
        return url
    raise SettingsError(
        "the agency's sign-in is asked over https only", hint="http is accepted for localhost"
    )


def _secret(web: WebSettings) -> str:
    if web.oidc_secret_file is None:
        return ""
    try:
        with web.oidc_secret_file.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(web.oidc_secret_file.stat().st_mode)
            secret = stream.read(LONGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {web.oidc_secret_file}") from error
    if mode & 0o077:
        raise SettingsError(
            f"{web.oidc_secret_file} can be read by others",
            hint=f"chmod 600 {web.oidc_secret_file}",
        )
    return secret


def _broken() -> ServiceError:
    return ServiceError(
        "the agency's sign-in does not answer as it should",
        code="oidc",
        hint="password and code work meanwhile",
    )
