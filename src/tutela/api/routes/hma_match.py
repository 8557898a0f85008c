"""Matching and hashing as HMA has them: `/m` and `/h`, on the engine of `/v1/match`."""

from __future__ import annotations

from typing import Any

from litestar.datastructures import UploadFile
from litestar.params import FromQuery, JSONBody, MultipartBody

from tutela.access.model import Permission
from tutela.api.office import Asked, hasher, matching, who
from tutela.api.protocols import hma, hma_match
from tutela.api.protocols.paging import second_of
from tutela.core.errors import AccessError, UsageError
from tutela.core.matching import Answered, Known
from tutela.edge.routes import changes, reads

NEEDS = Permission.MATCH
# What HMA knows beside and is of no use here: every bank answers always.
Ignored = FromQuery[str | None]
Form = MultipartBody[dict[str, UploadFile]]


@reads("/m/raw_lookup", needs=NEEDS, remembers=True)
def raw_lookup(
    request: Asked,
    signal: FromQuery[str],
    signal_type: FromQuery[str],
    banks: FromQuery[str | None] = None,
    include_distance: FromQuery[str] = "false",
) -> dict[str, list[Any]]:
    """Give the numbers of the entries that a signal meets."""
    found = _asked(request, hma_match.content_of(signal_type, signal), banks)
    matches = hma_match.matches_of(found)
    if include_distance.lower() == "true":
        return {"matches": [hma_match.with_distance(match) for match in matches]}
    return {"matches": [match.entry for match in matches]}


@reads("/m/lookup", needs=NEEDS, remembers=True)
def lookup(  # noqa: PLR0913, PLR0917 the parameters of HMA
    request: Asked,
    signal: FromQuery[str | None] = None,
    signal_type: FromQuery[str | None] = None,
    url: FromQuery[str | None] = None,
    banks: FromQuery[str | None] = None,
    seed: Ignored = None,  # noqa: ARG001
    bypass_coinflip: Ignored = None,  # noqa: ARG001
) -> dict[str, list[dict[str, Any]]]:
    """Give the entries that a signal meets, by bank."""
    if url is not None:
        raise _no_fetch()
    if signal is None or signal_type is None:
        raise UsageError("a look-up needs signal and signal_type")
    return hma_match.banks(_asked(request, hma_match.content_of(signal_type, signal), banks))


@changes("/m/lookup", needs=NEEDS, remembers=True)
def lookup_file(
    request: Asked,
    data: Form,
    banks: FromQuery[str | None] = None,
    types: FromQuery[str | None] = None,
    bypass_coinflip: Ignored = None,  # noqa: ARG001
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Give the entries that a file meets, by signal type and bank."""
    content, content_type = _file(request, data)
    signals = hma_match.signals_of(content, content_type, types)
    # The whole file is asked about first, for it may be known to be harmless.
    whole = _asked(request, content, banks)
    harmless = bool(whole.matches) and not hma_match.matches_of(whole)
    return {
        name: {}
        if harmless or not value
        else hma_match.banks(_asked(request, hma_match.content_of(name, value), banks))
        for name, value in signals.items()
    }


@changes("/m/compare", needs=NEEDS, remembers=True)
def compare(data: JSONBody[dict[str, list[str]]]) -> dict[str, list[Any]]:
    """Tell whether two signals of each type match, and how far they are apart."""
    if any(len(pair) != 2 for pair in data.values()):
        raise UsageError("two signals of a type are compared")
    return {name: hma_match.compared(name, *pair) for name, pair in data.items()}


@reads("/m/index/status", needs=NEEDS)
def index_status(
    request: Asked, signal_type: FromQuery[str | None] = None
) -> dict[str, dict[str, object]]:
    """Tell how many values of each type a member is matched against, and since when."""
    rights = matching(request).rights.of(who(request)).by_name.values()
    if signal_type is not None and signal_type not in hma.SIGNALS:
        raise UsageError(f"No such signal type {signal_type[:40]!r}", code="signal_type")
    said: dict[str, dict[str, object]] = {}
    for name in hma.SIGNALS if signal_type is None else (signal_type,):
        space = name.removeprefix("video_")
        size = sum(right.info.compared.get(space, 0) for right in rights)
        built_to = max((second_of(right.info.received_at) for right in rights), default=-1)
        said[name] = {"present": bool(rights), "built_to": built_to, "size": size}
    return said


@reads("/h/hash", needs=NEEDS)
def hash_url(url: FromQuery[str | None] = None) -> dict[str, str]:
    """Refuse: nothing is fetched for members, whatever address they name."""
    if url is None:
        raise UsageError("url is required")
    raise _no_fetch()


@changes("/h/hash", needs=NEEDS)
def hash_file(request: Asked, data: Form, types: FromQuery[str | None] = None) -> dict[str, str]:
    """Give the signals of a file; the name of its field says what it is, `photo` or `video`."""
    content, content_type = _file(request, data)
    return hma_match.signals_of(content, content_type, types)


def _asked(request: Asked, content: Known, banks: str | None) -> Answered:
    asks = matching(request)
    rights = asks.rights.of(who(request))
    if banks is not None:
        names = {hma.list_name(bank.strip()) for bank in banks.split(",")}
        unknown = names - set(rights.by_name)
        if unknown:
            raise AccessError("there is no such bank for you", code="not_found")
        rights = rights.only(names)
    return asks.answer_within(who(request), [content], rights).contents[0]


def _file(request: Asked, data: dict[str, UploadFile]) -> tuple[Known, str]:
    reads = hasher(request)
    if len(data) != 1:
        raise UsageError("one file is hashed in a request", code="one_file")
    ((content_type, upload),) = data.items()
    content, _ = reads.known(upload.file.read())
    return content, content_type


def _no_fetch() -> AccessError:
    return AccessError(
        "this service fetches nothing", code="no_fetch", hint="send a signal, or the file itself"
    )


ROUTES = [
    raw_lookup,
    lookup,
    lookup_file,
    compare,
    index_status,
    hash_url,
    hash_file,
]
