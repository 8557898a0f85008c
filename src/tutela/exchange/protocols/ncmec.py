"""NCMEC hash sharing v2: what its documents and ours are made of.

Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/ncmec/hash_api.py`) and the
namespace's documentation that it names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from tutela.core.errors import UsageError
from tutela.core.media import PDQ, PHOTODNA

NAMESPACE: Final = "https://hashsharing.ncmec.org/hashsharing/v2"
HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
SCHEME: Final = "ncmec"
CODES: Final = frozenset({"A1", "A2", "B1", "B2"})

# What feedback may be about: NCMEC's names, and ours for the same.
FINGERPRINTS: Final[Mapping[str, str]] = {
    "MD5": "md5",
    "SHA1": "sha1",
    "PDNA": PHOTODNA,
    "PDQ": PDQ,
    "NETCLEAN": "netclean",
    "VIDENTIFIER": "videntifier",
    "TMK_PDQF": "tmk-pdqf",
    "SSVH_PDNA": "ssvh-pdna",
    "SSVH_SAFER_HASH": "ssvh-safer-hash",
}
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?Z")


def moment(text: str) -> datetime:
    """Read a time as the protocol has it, `YYYY-MM-DDTHH:MM:SSZ`, with or without a fraction.

    Raises:
        UsageError: it is none.
    """
    found = _MOMENT.fullmatch(text)
    try:
        return datetime.fromisoformat(f"{found[1] if found else ''}+00:00")
    except ValueError:
        raise UsageError(
            "from and to are times such as 2026-11-26T12:00:00Z", code="parameter"
        ) from None
