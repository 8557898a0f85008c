"""Keys: a list number and the number of an entry in that list, in one 64-bit word."""

from __future__ import annotations

from tutela.core.errors import UsageError

ENTRY_BITS = 48
ENTRY_MASK = (1 << ENTRY_BITS) - 1
LIST_NUMBER_MAXIMUM = (1 << 16) - 1


def pack_key(list_number: int, entry_number: int) -> int:
    """Return the key of an entry.

    Raises:
        UsageError: the list number is not below 2**16, or the entry number not below 2**48.
    """
    if not (0 <= list_number <= LIST_NUMBER_MAXIMUM and 0 <= entry_number < 1 << ENTRY_BITS):
        raise UsageError(f"no key holds entry {entry_number} of list {list_number}")
    return list_number << ENTRY_BITS | entry_number


def unpack_key(key: int) -> tuple[int, int]:
    """Return (list number, entry number) of a key."""
    return int(key) >> ENTRY_BITS, int(key) & ENTRY_MASK
