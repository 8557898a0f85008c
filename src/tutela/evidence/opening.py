"""Which container a content is, and opening it: the list of all implementations.

Everything that reading needs is loaded when this module is: a confined process imports it first.
"""

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
from tutela.evidence.containers import compressed, ewf, image, tar
from tutela.evidence.containers import zip as zip_
from tutela.evidence.stream import size_of

# In order: what says most clearly what it is comes first.
FORMATS: tuple[Format, ...] = (
    ewf.FORMAT,
    zip_.FORMAT,
    *compressed.FORMATS,
    tar.FORMAT,
    image.FORMAT,
)

# For the head of a content whose length is not known yet.
UNKNOWN_BYTES = 1 << 62


def source_of(
    streams: Sequence[BinaryIO], name: bytes = b"", size_bytes: int | None = None
) -> Source:
    """Return seekable streams as a source.

    Args:
        streams: The parts in order; one, but for segmented images.
        name: The file's own name.
        size_bytes: The length, where the stream holds only the first `HEAD_BYTES` of a longer
            content (`UNKNOWN_BYTES` if that is not known); all kinds are recognised by their head,
            but for a zip with something else before it.
    """
    size = size_of(streams[0]) if size_bytes is None else size_bytes
    streams[0].seek(0)
    return Source(tuple(streams), size, streams[0].read(HEAD_BYTES), name)


def recognise(source: Source) -> Format | None:
    """Return what a content is by what it holds, never by its name; None if no container."""
    for candidate in FORMATS:
        if candidate.recognises(source):
            return candidate
    return None


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
    source = source_of(streams, name)
    found = recognise(source)
    if found is None:
        return None
    return found.open(source, limits, budget or limits.budget(source.size_bytes))
