"""The client of Meta's ThreatExchange (Graph API, JSON): the updates of one privacy group.

`start_time` is inclusive, so what was changed in the last second comes again, and pages may be
empty. An indicator without a descriptor that we may see is deleted. Deletions are told for 90 days
only, so whoever comes later begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, BinaryIO, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from tutela.core.entry import Classification, Role, State
from tutela.core.errors import FetchError, InputError, UsageError
from tutela.core.media import Digests
from tutela.exchange.clients.credential import ThreatExchangeCredential
from tutela.exchange.clients.role import Row, Said, Tail, Terms, classified, held
from tutela.exchange.clients.values import carried
from tutela.exchange.protocols.graph import REACTIONS
from tutela.fetch.http import Question, origin
from tutela.hashlist.format import RowError
from tutela.hashlist.formats.threatexchange import TYPES, said_of
from tutela.hashlist.value import values

KIND: Final = "threatexchange"
_PAGE = 500
_FIELDS = (
    "id,indicator,type,last_updated,should_delete,"
    "descriptors{id,owner{id},status,tags,reactions,added_on}"
)
_HARMLESS = "NON_MALICIOUS"
_PARTS_OF_TAG = 3

_Number = int | Annotated[str, msgspec.Meta(max_length=40)]


class _Tag(msgspec.Struct, frozen=True):
    text: str = ""


class _Tags(msgspec.Struct, frozen=True):
    data: list[_Tag] = []


class _Owner(msgspec.Struct, frozen=True):
    id: _Number = ""


class _Descriptor(msgspec.Struct, frozen=True):
    id: _Number = ""
    owner: _Owner = _Owner()
    status: str = ""
    tags: _Tags | list[str] = []


class _Descriptors(msgspec.Struct, frozen=True):
    data: list[_Descriptor] = []


class _Update(msgspec.Struct, frozen=True):
    id: _Number
    indicator: str = ""
    type: str = ""
    last_updated: int = 0
    should_delete: bool = False
    descriptors: _Descriptors = _Descriptors()


class _Paging(msgspec.Struct, frozen=True):
    next: str | None = None


class _Page(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    paging: _Paging = _Paging()


_page = msgspec.json.Decoder(_Page).decode
_update = msgspec.json.Decoder(_Update).decode


class ThreatExchange:
    """Asks for the updates of the privacy group `group`; `url` ends with the API's version."""

    kind = KIND
    windows = False
    zero = 0
    overlap_s = 15 * 60
    token_s = 12 * 3600
    full_s = 85 * 24 * 3600  # it tells deletions for 90 days

    def __init__(self, url: str, credential: ThreatExchangeCredential, group: str) -> None:
        self._url, self._group = url.rstrip("/"), group
        self._token = credential.app_token

    def page(self, since: int, until: int, token: str) -> Question:  # noqa: ARG002 the role's
        """Ask for what was changed from `since` on, or for the page at `token`.

        Raises:
            FetchError: the page lies on another server (code `redirected`).
        """
        if not token:
            asked: dict[str, str | int] = {"limit": _PAGE, "fields": _FIELDS}
            if since:
                asked["start_time"] = since
            return self._ask(f"{self._url}/{self._group}/threat_updates/?{urlencode(asked)}")
        if origin(token) != origin(self._url):
            raise FetchError(
                "the next page lies on another server, which is not asked", code="redirected"
            )
        return self._ask(token)

    def feedback(self, said: Said, ask: Callable[[Question], bytes]) -> None:
        """React to every descriptor of the indicator."""
        reaction = next(word for word, verdict in REACTIONS.items() if verdict is said.verdict)
        numbers = str(held(said.entry, KIND).get("descriptor_id", "")).split()
        if not numbers:
            raise UsageError("nobody's descriptor of this entry is known", code="no_entry")
        for number in numbers:
            ask(self._ask(f"{self._url}/{number}?{urlencode({'reactions': reaction})}", "POST"))

    def _ask(self, url: str, method: str = "GET") -> Question:
        return Question(f"{url}&{urlencode({'access_token': self._token})}", method)


def read(stream: BinaryIO, terms: Terms, take: Callable[[Row], None]) -> Tail:
    """Read a page; raise what msgspec raises where it is none."""
    page = _page(stream.read())
    latest = 0
    for raw in page.data:
        try:
            update = _update(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            bad = RowError("json", f"this is no update: {error}").at(0, bytes(raw))
            take(Row("", bad=(bad,)))
            continue
        latest = max(latest, update.last_updated)
        take(_row(update, terms))
    following = _without_token(page.paging.next) if page.paging.next else ""
    return Tail(following, bool(following), latest)


def _row(update: _Update, terms: Terms) -> Row:
    key = str(update.id)
    descriptors = update.descriptors.data
    if update.should_delete or not descriptors:
        return Row(key, gone=True)
    try:
        indicator, kind = update.indicator.strip(), update.type
        algorithm = TYPES.get(kind.upper(), "")
        found = (
            values(algorithm, indicator) if algorithm else (Digests(), (carried(kind, indicator),))
        )
    except RowError as error:
        return Row(key, bad=(error.at(0, f"{key} {update.type} {update.indicator}"),))
    tags = sorted({tag for one in descriptors for tag in _tags(one)})
    rest = {
        "key": key,
        "status": _status([one.status for one in descriptors]),
        "tags": " ".join(tags),
        "descriptor_id": " ".join(str(one.id) for one in descriptors),
        "owner": " ".join(sorted({str(one.owner.id) for one in descriptors})),
    }
    entry = said_of(found, kind, {k: v for k, v in rest.items() if v}, terms.received.provenance(0))
    if terms.received.role is not Role.ALERT:
        harmless = rest["status"] == _HARMLESS
        entry = msgspec.structs.replace(entry, state=State.ACTIVE if harmless else State.WITHDRAWN)
    coded = tuple(_coded(tags, terms.schemes))
    entry = msgspec.structs.replace(entry, classifications=coded)
    return Row(key, classified(entry, terms.received.role))


def _status(all_: list[str]) -> str:
    """Return what the descriptors come to: one that accuses outweighs those that do not."""
    accusing = [one for one in all_ if one != _HARMLESS]
    return accusing[0] if accusing else _HARMLESS


def _tags(one: _Descriptor) -> list[str]:
    return one.tags if isinstance(one.tags, list) else [tag.text for tag in one.tags.data]


def _coded(tags: list[str], schemes: tuple[str, ...]) -> list[Classification]:
    """Return the codes among tags, as our servers write them: `scheme:code:jurisdiction`."""
    parts = [tag.split(":") for tag in tags]
    found = [p for p in parts if len(p) == _PARTS_OF_TAG and p[0] in schemes and p[1]]
    return sorted({Classification(p[0], p[1]) for p in found}, key=lambda c: (c.scheme, c.code))


def _without_token(url: str) -> str:
    """Return the address of a page without the secret that the server wrote into it."""
    try:
        parts = urlsplit(url)
        origin(url)
    except (ValueError, UsageError):
        raise InputError("the next page is no address", code="page") from None
    kept = [(key, value) for key, value in parse_qsl(parts.query) if key != "access_token"]
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(kept)}"
