"""Implementations of the role in `tutela.evidence.container`, one file each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from tutela.evidence.container import (
    HEAD_BYTES,
    Budget,
    Container,
    ContainerLimits,
    Format,
    Source,
)
from tutela.evidence.containers import tar
from tutela.evidence.containers import zip as zip_
from tutela.evidence.stream import size_of

# In order: what says most clearly what it is comes first.
FORMATS: tuple[Format, ...] = (zip_.FORMAT, tar.FORMAT)


def recognise(stream: BinaryIO, size_bytes: int | None = None) -> str:
    """Return the kind of container that a seekable stream holds, or an empty string.

    A caller that has only the first `HEAD_BYTES` of a longer content gives them with the
    content's `size_bytes`: all kinds are found then, but a zip with something else before it.
    """
    found = _format(_source((stream,), b"", size_bytes))
    return found.kind if found else ""


def open_container(
    streams: Sequence[BinaryIO],
    limits: ContainerLimits,
    *,
    name: bytes = b"",
    budget: Budget | None = None,
) -> Container | None:
    """Open a container; return None if the content is not one.

    Args:
        streams: The seekable parts in order; one, but for segmented images.
        limits: How far it is followed.
        name: The file's own name; a lone compressed file inside is named after it.
        budget: What is left of the outermost container's budget, for a nested one.

    Raises:
        ContainerError: it is a container, but cannot be opened.
    """
    source = _source(tuple(streams), name, None)
    found = _format(source)
    if found is None:
        return None
    return found.open(source, limits, budget or limits.budget(source.size_bytes))


def _source(streams: tuple[BinaryIO, ...], name: bytes, size_bytes: int | None) -> Source:
    size = size_of(streams[0]) if size_bytes is None else size_bytes
    streams[0].seek(0)
    return Source(streams, size, streams[0].read(HEAD_BYTES), name)


def _format(source: Source) -> Format | None:
    for candidate in FORMATS:
        if candidate.recognises(source):
            return candidate
    return None
