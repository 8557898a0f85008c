"""What people do in posts: offer, ask, link, answer, thank and post media.

From structure, and from words that the agency supplies: we ship no list of such words. Each event
says by what it was recognised, and none of them concludes anything.
"""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterator

import msgspec

from tutela.core.errors import SettingsError
from tutela.crawl.addressing import host_of
from tutela.observation.model import EventKind, EventSeen, MediaRole, MediaSeen

MAX_TERMS = 20_000  # of one list
MAX_EVENTS = 200  # of one post
_FEW = 24  # first words of terms
_WORD = re.compile(r"\w+")
# Scripts that put no spaces between words: there a term is found anywhere.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that say that somebody offers, asks or thanks, as an agency supplies them.

    A term is one word or several; they are found as whole words, in any case.

    Attributes:
        offer: Words of offers.
        request: Words of requests.
        thanks: Words of thanks.
    """

    offer: tuple[str, ...] = ()
    request: tuple[str, ...] = ()
    thanks: tuple[str, ...] = ()

    @classmethod
    def read(cls, toml: str) -> Terms:
        """Read a TOML file with the lists `offer`, `request` and `thanks`.

        Raises:
            SettingsError: code `terms`: it is no such file, or a list is too long.
        """
        try:
            terms = msgspec.convert(tomllib.loads(toml), cls)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise SettingsError(f"a list of terms cannot be read: {error}", code="terms") from None
        for name in cls.__struct_fields__:
            if len(getattr(terms, name)) > MAX_TERMS:
                raise SettingsError(f"more than {MAX_TERMS} terms of {name}", code="terms")
        return terms


class Matcher:
    """Finds terms in texts: by their first words, so that the number of terms costs nothing."""

    def __init__(self, terms: Terms) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], EventKind, int]]] = {}
        self._anywhere: list[tuple[str, EventKind, int]] = []
        for kind in (EventKind.OFFER, EventKind.REQUEST, EventKind.THANKS):
            for number, term in enumerate(getattr(terms, kind.value), 1):
                folded = _folded(term)
                if _UNSPACED.search(folded):
                    self._anywhere.append((folded, kind, number))
                elif words := tuple(_WORD.findall(folded)):
                    self._by_first.setdefault(words[0], []).append((words, kind, number))

    def find(self, text: str) -> Iterator[tuple[EventKind, int]]:
        """Yield each kind once, with the number of the first term that says it."""
        if not self._by_first and not self._anywhere:
            return
        folded = _folded(text)
        seen: set[EventKind] = set()
        few = len(self._by_first) <= _FEW
        # Few words are sooner looked for one by one than the text is cut into words.
        words = _WORD.findall(folded) if not few or any(w in folded for w in self._by_first) else []
        if not self._by_first.keys().isdisjoint(words):
            for at, word in enumerate(words):
                for wanted, kind, number in self._by_first.get(word, ()):
                    if kind not in seen and tuple(words[at : at + len(wanted)]) == wanted:
                        seen.add(kind)
                        yield kind, number
        for term, kind, number in self._anywhere:
            if kind not in seen and term in folded:
                seen.add(kind)
                yield kind, number


@functools.lru_cache(maxsize=16)
def matcher(terms: Terms) -> Matcher:
    """Return the matcher of terms, made once for each list."""
    return Matcher(terms)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def events(  # noqa: PLR0913 what a post holds
    text: str,
    *,
    host: str,
    replies: tuple[tuple[str, str], ...],
    links: tuple[str, ...],
    media: tuple[MediaSeen, ...],
    found: Matcher,
) -> tuple[EventSeen, ...]:
    """Return what the author of a post does in it.

    Args:
        text: The author's own words.
        host: Of the page: links elsewhere count.
        replies: Keys of the posts answered, and by what each was recognised.
        links: Given by the author.
        media: In the post; what is quoted or an avatar is nothing that the author did.
        found: Of the agency's terms.
    """
    seen = [
        EventSeen(kind, "", f"term: {kind.value} {number}") for kind, number in found.find(text)
    ]
    answered = replies[0][0] if replies else ""
    seen = [
        EventSeen(event.kind, answered, event.reason) if event.kind is EventKind.THANKS else event
        for event in seen
    ]
    own = (f"http://{host}/", f"https://{host}/")
    seen += [EventSeen(EventKind.REPLY, key, f"structure: {why}") for key, why in replies]
    for one in media:
        if one.role in {MediaRole.POSTED, MediaRole.LINKED}:
            seen.append(EventSeen(EventKind.MEDIA, one.url, f"structure: {one.role.value} media"))
    for url in links:
        if not url.startswith(own) and host_of(url) != host:
            seen.append(EventSeen(EventKind.LINK, url, "structure: link to another site"))
    return tuple(seen[:MAX_EVENTS])
