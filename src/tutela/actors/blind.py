"""A list of people not to harm that does not say who is on it.

Those who know of an undercover officer, a victim, a researcher or a stolen account hand over keyed
tokens (HMAC-SHA-256 under a key that both sides hold), never handles. We make the tokens of an
account's own names and look whether one is there; nobody who works on leads can tell why.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from tutela.actors.model import Account, Post

MIN_KEY_BYTES = 16


def token(key: bytes, kind: str, value: str, site: str = "") -> str:
    """Return the token of a name, hexadecimal. `site` counts for handles and keys of one site only.

    Raises:
        ValueError: the key is shorter than 16 bytes.
    """
    if len(key) < MIN_KEY_BYTES:
        raise ValueError("the key of a blind list has at least 16 bytes")
    folded = unicodedata.normalize("NFKC", value).casefold().strip()
    message = f"{kind}\0{site}\0{folded}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def tokens(key: bytes, account: Account, posts: list[Post]) -> frozenset[str]:
    """Return the tokens of all names of an account: its own, and checked ones in its own words."""
    site = str(account.site)
    made = {token(key, "handle", account.handle, site)}
    if account.key:
        made.add(token(key, "key", account.key, site))
    for post in posts:
        for named in post.named:
            if named.checked and not named.quoted:
                made.add(token(key, named.kind.value, named.value))
    return frozenset(made)
