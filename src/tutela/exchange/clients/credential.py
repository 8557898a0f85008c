"""Credentials for servers of others: one TOML file each, which only its user can read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from tutela.core import secretfile
from tutela.core.errors import UsageError

_LONGEST = 16_384
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000, pattern=r"^[!-~]+( [!-~]+)*$")]


class NcmecCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks NCMEC."""

    user: _Word
    password: _Word


class StopNciiCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks StopNCII: one key for the subscription, and one for each function."""

    subscription_key: _Word
    fetch_key: _Word
    feedback_key: _Word | None = None


class ThreatExchangeCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks ThreatExchange: the number of an app and its secret, as `NUMBER|SECRET`."""

    app_token: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{8,20}\|[A-Za-z0-9_-]{20,500}$")]


_C = TypeVar("_C", NcmecCredential, StopNciiCredential, ThreatExchangeCredential)


def read(path: Path, kind: type[_C]) -> _C:
    """Read a credential.

    Raises:
        ServiceError: the file cannot be read.
        UsageError: others can read it, or it is no such credential. Nothing of it is told.
    """
    body = secretfile.read(path, _LONGEST)
    try:
        return msgspec.convert(tomllib.loads(body.decode()), kind)
    except (ValueError, msgspec.ValidationError):
        names = ", ".join(one.name for one in msgspec.structs.fields(kind) if one.required)
        raise UsageError(
            f"{path} is no credential for this server",
            code="credential",
            hint=f'lines such as name = "value"; it needs {names}',
        ) from None
