"""XMPP addresses: of the form of e-mail, and said to be of XMPP by a word or by their host."""

from __future__ import annotations

from collections.abc import Iterator

from tutela.crawl.entities import email
from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

_WORDS = ("xmpp", "jabber", "jid", "otr", "omemo", "conversations", "jabb", "chat")


class Xmpp:
    """Finds addresses. They have no checksum: their form is exact."""

    kind = EntityKind.XMPP

    def hint(self, text: str) -> bool:
        """Whether a word says that there may be one, and there is anything of the form."""
        if not email.FINDER.hint(text):
            return False
        small = text.lower()
        return any(word in small for word in _WORDS)

    def find(self, text: str) -> Iterator[Name]:
        """Yield addresses in lower case, without resource."""
        for address, chat in email.addresses(text):
            if chat:
                yield Name(address, checked=True)


FINDER = Xmpp()
