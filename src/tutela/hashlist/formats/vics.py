"""VICS (Project VIC) JSON, models 1.0 to 1.3 and 2.0: hash sets (`#Media`) and, to read, cases.

The official data model is not public; this follows what open tools read and write, so it is
VICS-compatible and not certified. A category number means different things by model, profile and
kind of file; it is kept as it came under a scheme that names all three (`vics-2.0-US-media`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import ijson
from ijson.common import IncompleteJSONError, JSONError

from tutela.core.entry import ListEntry
from tutela.hashlist.format import ExportOptions, Read, Received, Remark, RowError, Written
from tutela.hashlist.formats import vics_media, vics_write
from tutela.hashlist.formats.vics_model import CONTEXT_KEYS, UNKNOWN_MODEL
from tutela.hashlist.formats.vics_root import BLOCK_BYTES, broken, read_model, start_of


class Vics:
    """VICS JSON."""

    name = "vics"
    about = "VICS 1.x and 2.0 JSON (Project VIC, CAID); hash sets, and cases to read"
    takes_algorithm = False
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a JSON object with an OData context, or with the keys of a VICS root."""
        if not head.lstrip().startswith(b"{"):
            return False
        return any(f'"{key}"'.encode() in head for key in CONTEXT_KEYS) or (
            b'"value"' in head and b'"MD5"' in head
        )

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield one entry for each Media; `row` counts them from 1 over the whole file.

        Raises:
            ListFormatError: the JSON is broken (`broken_json`, with the byte), ends early
                (`truncated`), or is not VICS (`not_vics`).
        """
        start = start_of(stream)
        try:
            model = read_model(stream, start)
            if not model.known:
                yield Remark(UNKNOWN_MODEL)
            stream.seek(start)
            prefix = "value.item.Media.item" if model.kind == "cases" else "value.item"
            media = ijson.items(stream, prefix, buf_size=BLOCK_BYTES)
            for row, record in enumerate(media, 1):
                try:
                    yield from vics_media.read(record, model, received, row)
                except RowError as error:
                    yield error.at(row, vics_media.excerpt(record))
        except (JSONError, IncompleteJSONError) as error:
            raise broken(stream, start, error) from None

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write a hash set: model and profile as told, else as the list came, else 2.0 Default.

        Raises:
            UsageError: the model is not one that we write.
        """
        return vics_write.write(entries, stream, options)
