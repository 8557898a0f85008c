"""Telegram accounts: links of t.me, and @names beside a word that says Telegram."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

_LINK = re.compile(
    r"(?<![\w.-])(?:t|telegram)\.(?:me|dog)/(?:s/)?@?([a-z][a-z0-9_]{3,31})(?![\w/])",
    re.IGNORECASE | re.ASCII,
)
_RESOLVE = re.compile(r"resolve\?domain=([a-z][a-z0-9_]{3,31})(?!\w)", re.IGNORECASE | re.ASCII)
_SAID = re.compile(
    r"(?<!\w)(?:telegram|tg|telega)(?!\w)[^\w@\n]{0,6}(?:(?:me|is|at|id|user(?:name)?|handle|channel)[^\w@\n]{1,4}){0,2}"
    r"@([a-z][a-z0-9_]{3,31})(?![\w.@])",
    re.IGNORECASE | re.ASCII,
)
# What t.me itself uses.
_OWN = frozenset(
    ["joinchat", "share", "addstickers", "addlist", "proxy", "socks", "login", "iv", "setlanguage"]
)


class Telegram:
    """Finds accounts. Names have no checksum: a link is exact, a name beside a word is not."""

    kind = EntityKind.TELEGRAM

    def hint(self, text: str) -> bool:
        """Whether a word says that there may be one."""
        small = text.lower()
        return "t.me/" in small or "telegram" in small or "tg" in small or "telega" in small

    def find(self, text: str) -> Iterator[Name]:
        """Yield names in lower case, without `@`."""
        for pattern, checked in ((_LINK, True), (_RESOLVE, True), (_SAID, False)):
            for found in pattern.finditer(text):
                name = found[1].lower()
                if name not in _OWN:
                    yield Name(name, checked)


FINDER = Telegram()
