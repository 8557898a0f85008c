"""E-mail addresses, also ones written around collectors: `name [at] example [dot] org`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

# Bounded on both sides, and begun only where no character of a name stands before: linear.
ADDRESS = re.compile(
    r"(?<![\w.+%-])([A-Za-z0-9_][\w.+%-]{0,63})(?:@|\s?[\[({]\s?at\s?[\])}]\s?)"
    r"((?:[a-z0-9][a-z0-9-]{0,62}(?:\.|\s?[\[({]\s?dot\s?[\])}]\s?)){1,6}[a-z]{2,63})(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_AT = re.compile(r"[\[({]\s?at\s?[\])}]", re.IGNORECASE)
_DOT = re.compile(r"\s?[\[({]\s?dot\s?[\])}]\s?", re.IGNORECASE)
_CHAT = re.compile(r"(?:xmpp|jabber|jid|otr|omemo)\W{0,12}(?:\w{1,12}\W{1,4})?$", re.IGNORECASE)
_CHAT_HOSTS = re.compile(r"(?:^|\.)(?:xmpp|jabber|conversations|jabb|chat)[.-]", re.IGNORECASE)
_BEFORE = 40  # characters in which a word says that an address is of XMPP


def addresses(text: str) -> Iterator[tuple[str, bool]]:
    """Yield addresses in normal form, and whether each is said to be one of XMPP."""
    for found in ADDRESS.finditer(text):
        name, host = found[1].rstrip("."), _DOT.sub(".", found[2]).lower()
        before = text[max(0, found.start() - _BEFORE) : found.start()]
        chat = _CHAT.search(before) is not None or _CHAT_HOSTS.search(host) is not None
        yield f"{name.lower()}@{host}", chat


class Email:
    """Finds addresses that nobody says are of XMPP. They have no checksum: their form is exact."""

    kind = EntityKind.EMAIL

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return "@" in text or _AT.search(text) is not None

    def find(self, text: str) -> Iterator[Name]:
        """Yield addresses in lower case."""
        for address, chat in addresses(text):
            if not chat:
                yield Name(address, checked=True)


FINDER = Email()
