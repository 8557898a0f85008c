"""What sealed words and names of conversations are bound to, so that none can be put elsewhere."""

from __future__ import annotations


def import_place(case_id: int, sha256: bytes) -> bytes:
    """Return what the name of a source is bound to."""
    return b"import\0%d\0%s" % (case_id, sha256.hex().encode())


def name_place(import_id: int, tag: bytes) -> bytes:
    """Return what the name of a conversation is bound to."""
    return b"conversation\0%d\0%s" % (import_id, tag.hex().encode())


def speaker_place(conversation_id: int, number: int) -> bytes:
    """Return what the name of a speaker is bound to."""
    return b"speaker\0%d\0%d" % (conversation_id, number)


def message_place(conversation_id: int, number: int) -> bytes:
    """Return what a message is bound to."""
    return b"message\0%d\0%d" % (conversation_id, number)
