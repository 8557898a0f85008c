"""Fields of a message in formats of ours and of others: names that mean the same, and values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from tutela.chat.model import AgeBand, MediaKind

# Ours first; others are what platforms and tools call the same.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "conversation": ("conversation", "conversation_id", "thread", "thread_id", "channel", "room"),
    "id": ("id", "message_id", "msg_id"),
    "author": ("author", "author_id", "sender", "sender_id", "from", "user", "user_id"),
    "name": ("name", "author_name", "sender_name", "display_name", "username"),
    "time": ("time", "timestamp", "date", "sent_at", "created_at", "ts"),
    "text": ("text", "body", "content", "message"),
    "deleted": ("deleted", "is_deleted"),
    "system": ("system", "is_system"),
    "media": ("media", "attachments", "files"),
    "reply_to": ("reply_to", "in_reply_to", "reply_to_id"),
    "to": ("to", "recipients", "mentions"),
    "age_band": ("age_band", "author_age_band"),
}

_KINDS: Final = {
    MediaKind.PICTURE: "jpg jpeg jpe png gif webp heic heif avif bmp tif tiff picture image photo",
    MediaKind.VIDEO: "mp4 m4v mov mkv webm 3gp avi mpg mpeg wmv video",
    MediaKind.AUDIO: "mp3 ogg opus oga wav m4a aac amr flac caf audio voice",
    MediaKind.FILE: "pdf doc docx xls xlsx ppt pptx txt csv zip 7z rar apk vcf file document",
}
_KIND_OF: Final = {word: kind for kind, words in _KINDS.items() for word in words.split()}

_MINOR: Final = frozenset(("minor", "child", "teen", "under18", "u18", "under13", "u13"))
_ADULT: Final = frozenset(("adult", "over18", "18+", "18plus"))
_TRUE: Final = frozenset(("true", "yes", "1", "y", "t"))
_LARGEST: Final = 1 << 128
_WORD_CHARS: Final = 32


def word_of(value: str | float | None) -> str:
    """Return a value of JSON as a word, as ids may be numbers; empty for one beyond any id."""
    if isinstance(value, str):
        return value
    return "" if value is None or abs(value) >= _LARGEST else str(value)


def kind_of(said: str, name: str = "") -> MediaKind:
    """Return what a file is by what is said of it (`image/jpeg`, `photo`), else by its name."""
    word = said[:64].lower().partition("/")[0]
    known = _KIND_OF.get(word)
    if known is None:
        known = _KIND_OF.get(PurePosixPath(name[-64:]).suffix[1:].lower())
    return known or (MediaKind.FILE if word in {"application", "text"} else MediaKind.UNKNOWN)


def age_band_of(said: str) -> AgeBand:
    """Return the age band that a word means; unknown where it means none."""
    word = said[:_WORD_CHARS].strip().lower().replace("_", "").replace("-", "").replace(" ", "")
    if word in _MINOR:
        return AgeBand.MINOR
    return AgeBand.ADULT if word in _ADULT else AgeBand.UNKNOWN


def truth_of(said: str) -> bool:
    """Return whether a word says yes."""
    return said[:_WORD_CHARS].strip().lower() in _TRUE


def digest_of(said: str) -> bytes:
    """Return a SHA-256 written in hex as bytes; empty where it is none."""
    try:
        digest = bytes.fromhex(said) if len(said) == 64 else b""
    except ValueError:
        return b""
    return digest if len(digest) == 32 else b""
