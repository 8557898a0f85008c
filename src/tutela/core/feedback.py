"""What a member says of an entry, on the wire; service and client share it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of feedback; `algorithm` is that of the value that matched, if one did."""

    verdict: Literal["confirm", "dispute", "false_positive"]
    algorithm: str = ""
    reasons: tuple[str, ...] = ()
    note: str = ""
