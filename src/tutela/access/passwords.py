"""Passwords: hashed by Argon2id, long rather than odd (NIST SP 800-63B, section 5.1.1).

The parameters are the second recommended ones of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from tutela.core.errors import UsageError

SHORTEST = 12
LONGEST = 256
FEWEST_DIFFERENT = 5
# Each takes 64 MiB: more at once wait, so that a flood of tries does not take the memory.
AT_ONCE = 4

# The commonest of twelve characters and more in published lists of leaked passwords.
_LEAKED = """
    password1234 password12345 password123456 passwordpassword password2024 password2025
    password2026 1q2w3e4r5t6y 1q2w3e4r5t6y7u8i qwertyuiop123 qwertyuiop[] qwerty123456 qwerty1234567
    1qaz2wsx3edc 1qaz2wsx3edc4rfv zaq12wsxcde3 q1w2e3r4t5y6 asdfghjkl123 zxcvbnm12345 administrator
    administrator1 changeme1234 changemeplease letmeinletmein welcome12345 iloveyou1234
    iloveyouforever abcdefghijkl abcdefghijklm abcdefgh1234 abcd12345678 abc123456789 1234567890ab
    123456789012 123456789abc 12345678910a 1234567891011 123123123123 121212121212 987654321987
    987654321098 098765432109 qazwsxedcrfv qazwsxedc123 monkeymonkey dragondragon trustno1trustno1
    superman1234 footballfootball sunshine1234 princess1234 unknownunknown correcthorsebatterystaple
"""
COMMONEST = frozenset(_LEAKED.split())

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_turn = threading.BoundedSemaphore(AT_ONCE)


def check(password: str, *about: str) -> None:
    """Refuse a password that is short, among the commonest, or says whose it is.

    Args:
        password: What was chosen.
        about: Names of the account, which must not be in it.

    Raises:
        UsageError: code `password`: it is not good enough; the sentence says why.
    """
    plain = _normal(password)
    folded = plain.casefold()
    words = {
        word.casefold() for name in about for word in [name, *name.replace("@", ".").split(".")]
    }
    if len(plain) < SHORTEST:
        wrong = UsageError(f"the password has fewer than {SHORTEST} characters")
    elif len(plain) > LONGEST:
        wrong = UsageError(f"the password has more than {LONGEST} characters")
    elif folded in COMMONEST or len(set(folded)) < FEWEST_DIFFERENT or _runs(folded):
        wrong = UsageError("the password is one of the first that anybody would try")
    elif any(
        word in folded for word in {*words, "tutela"} if len(word) >= 4
    ):  # shorter ones are in anything
        wrong = UsageError("the password holds a name that everybody here knows")
    else:
        return
    raise UsageError(
        wrong.message, code="password", hint="four or five words that you can remember do"
    )


def hashed(password: str) -> str:
    """Return what is kept of a password, in the encoded form that names its own parameters."""
    with _turn:
        return _hasher.hash(_normal(password))


def matches(kept: str | None, password: str) -> bool:
    """Tell whether `password` is the one that was kept; None takes as long and never matches."""
    if len(password) > LONGEST:
        return False
    with _turn:
        try:
            _hasher.verify(kept or _nobodys(), _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Tell whether a password was hashed with other parameters than those of today."""
    return _hasher.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """Let one password typed on two keyboards be one (NIST SP 800-63B: NFKC)."""
    return unicodedata.normalize("NFKC", password)


def _runs(folded: str) -> bool:
    """Tell whether each character is the one after (or before) the last, as in `abcdef`."""
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(folded)}
    return steps in ({1}, {-1}, {0})


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_hex())
