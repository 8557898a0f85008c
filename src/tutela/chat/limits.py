"""How much of anything is taken, in one place."""

from __future__ import annotations

from typing import Final

TEXT_CHARS: Final = 16_384  # of a message; what is beyond is cut, and said
NAME_CHARS: Final = 200
ENTRY_BYTES: Final = 64 << 20  # of a line, an element or an object of an export
MEDIA_REFS: Final = 100  # of a message
SHOWN: Final = 5  # messages kept for a reason
PAIRS: Final = 20  # told of a conversation
BATCH_MESSAGES: Final = 512
