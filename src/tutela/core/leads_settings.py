"""Settings of leads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec


class LeadsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By what accounts are put in order; both files are the agency's own."""

    weights: Annotated[
        Path | None,
        msgspec.Meta(description="File of the weights of the lead score; none for those shipped."),
    ] = None
    severity: Annotated[
        Path | None,
        msgspec.Meta(description="File that says how grave each code is; none for that shipped."),
    ] = None
