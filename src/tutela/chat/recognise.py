"""Which format an export is of: the list of all of them, and recognition by content.

Everything that reading needs is loaded when this module is: a confined process imports it first.
"""

from __future__ import annotations

import io
from typing import Final

from tutela.chat.charset import utf8
from tutela.chat.format import HEAD_BYTES, Format
from tutela.chat.formats.csv import SeparatedValues
from tutela.chat.formats.discord import Discord
from tutela.chat.formats.instagram import Instagram
from tutela.chat.formats.irc import Irc
from tutela.chat.formats.jsonl import JsonLines
from tutela.chat.formats.pan import Pan
from tutela.chat.formats.telegram import Telegram
from tutela.chat.formats.ufdr import Ufdr
from tutela.chat.formats.whatsapp import WhatsApp

# In order: what says most clearly what it is comes first.
FORMATS: Final[tuple[Format, ...]] = (
    Ufdr(),
    Pan(),
    Discord(),
    Telegram(),
    Instagram(),
    JsonLines(),
    Irc(),
    WhatsApp(),
    SeparatedValues(),
)
NAMES: Final = tuple(one.name for one in FORMATS)

# What media begin with: so that a sidecar is said to be one, and no head is searched in vain.
_MEDIA: Final = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"),
    *(b"OggS", b"ID3", b"fLaC", b"RIFF", b"\x1aE\xdf\xa3", b"%PDF-", b"#!AMR"),
)
_ISO_MEDIA: Final = b"ftyp"


def recognise(head: bytes, file_name: str) -> str:
    """Return the name of the format of a file that begins with `head`; empty if it is of none."""
    if not head or is_media(head):
        return ""
    head = utf8(io.BufferedReader(io.BytesIO(head))).read(HEAD_BYTES)
    return next((one.name for one in FORMATS if one.looks_like(head, file_name)), "")


def is_media(head: bytes) -> bool:
    """Tell whether a file is a picture, a film, a recording or a PDF."""
    return head.startswith(_MEDIA) or head[4:8] == _ISO_MEDIA


def named(name: str) -> Format:
    """Return a format by its name.

    Raises:
        KeyError: there is none of this name.
    """
    return _BY_NAME[name]


_BY_NAME: Final = {one.name: one for one in FORMATS}
