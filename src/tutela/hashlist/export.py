"""Writing a list out: what stands for nothing is left out, and what a format loses is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from tutela.core.entry import ListEntry
from tutela.core.media import PHOTODNA
from tutela.hashlist.format import ExportOptions, Format, Written
from tutela.hashlist.model import ListInfo


def export(
    info: ListInfo,
    entries: Iterable[ListEntry],
    form: Format,
    stream: BinaryIO,
    options: ExportOptions | None = None,
) -> Written:
    """Write `entries` of the list `info` to `stream`; return what was written and what was lost.

    Raises:
        UsageError: the format cannot be written, or not with these options.
    """
    options = options or ExportOptions()
    schemes = tuple(sorted({count.scheme for count in info.classifications}))
    dropped: Counter[str] = Counter()
    if info.placeholders:
        entries = _without_placeholders(entries, frozenset(info.placeholders), dropped)
    written = form.write(entries, stream, msgspec.structs.replace(options, schemes=schemes))
    written.lost.update(dropped)
    return written


def _without_placeholders(
    entries: Iterable[ListEntry], placeholders: frozenset[bytes], dropped: Counter[str]
) -> Iterator[ListEntry]:
    for entry in entries:
        kept = tuple(
            f for f in entry.fingerprints if f.algorithm != PHOTODNA or f.bits not in placeholders
        )
        if len(kept) < len(entry.fingerprints):
            dropped["PhotoDNA placeholder"] += 1
            yield msgspec.structs.replace(entry, fingerprints=kept)
        else:
            yield entry
