"""Meta's ThreatExchange (Graph API): what its documents and ours are made of.

Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/fb_threatexchange/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tutela.exchange.model import Verdict

REACTIONS: Final[Mapping[str, Verdict]] = {
    "HELPFUL": Verdict.CONFIRM,
    "NOT_HELPFUL": Verdict.FALSE_POSITIVE,
    "DISAGREE_WITH_TAGS": Verdict.DISPUTE,
}
