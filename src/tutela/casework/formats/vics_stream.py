"""What an import watches while it reads: that the file stays the same, and what its PhotoDNA is."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Final

from tutela.casework.formats.vics_record import Entry
from tutela.hashlist.placeholder import PLACEHOLDER_CONTENTS

# A constant that an exporter writes everywhere is among the first values.
_REMEMBERED: Final = 100_000


class Hashed:
    """A file that is read once from its beginning, and hashed on the way."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._hashed = 0

    def read(self, size: int = -1) -> bytes:
        """Read and hash."""
        at = self._stream.tell()
        data = self._stream.read(size)
        fresh = data[max(self._hashed - at, 0) :]
        self._digest.update(fresh)
        self._hashed += len(fresh)
        return data

    def seek(self, offset: int) -> int:
        """Go back; what was read once is not hashed again."""
        return self._stream.seek(offset)

    def finished(self) -> str:
        """Read what is left, and return the SHA-256 of the whole file."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()


class PhotoDNACount:
    """Counts PhotoDNA values, and those that stand on too many contents to name one."""

    def __init__(self) -> None:
        self.values = 0
        self.placeholders = 0
        self._contents: dict[str, set[bytes]] = {}

    def add(self, entry: Entry) -> None:
        """Count the value of a record."""
        value = entry.photodna
        if not value:
            return
        self.values += 1
        if value == "placeholder":
            self.placeholders += 1
            return
        content = entry.digests.get("md5") or next(iter(entry.digests.values()))
        known = self._contents.get(value)
        if known is None:
            if len(self._contents) < _REMEMBERED:
                self._contents[value] = {content}
            return
        if len(known) <= PLACEHOLDER_CONTENTS:
            known.add(content)
            if len(known) > PLACEHOLDER_CONTENTS:
                self.placeholders += len(known)
        elif content not in known:
            self.placeholders += 1
