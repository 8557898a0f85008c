"""StopNCII: what its documents and ours are made of.

Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/stopncii/api.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tutela.exchange.model import Verdict

IMAGE_PDQ: Final = "ImagePDQ"
VIDEO_MD5: Final = "VideoMD5"
ACTIVE: Final = "Active"
WITHDRAWN: Final = "Withdrawn"
DELETED: Final = "Deleted"
# Where clients begin.
ZERO: Final = 10
# None of the other values says whether an entry is right.
VERDICTS: Final[Mapping[str, Verdict]] = {
    "Blocked": Verdict.CONFIRM,
    "NotBlocked": Verdict.DISPUTE,
}
