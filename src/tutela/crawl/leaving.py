"""How a worker's requests leave: onion services through a tor of its own, the clear web straight.

The tor is started when the first request needs it, and belongs to this worker alone.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

from tutela.core.crawl_settings import CrawlSettings
from tutela.core.errors import FetchError, SettingsError
from tutela.core.ids import CaseId
from tutela.crawl import politeness
from tutela.crawl.model import Net
from tutela.fetch.tor import TorProcess, TorSettings
from tutela.fetch.way import Clear, Way

_AUTHORITY = re.compile(r"^\s*DirAuthority\s.*?\s(\d+\.\d+\.\d+\.\d+):\d+\s", re.IGNORECASE)
_OPTION_BYTES = 1 << 20


class OwnTor:
    """Ways of a worker whose tor is its own.

    Args:
        settings: Of the crawl.
        folder: Where its tor keeps what it knows; no other worker's.

    Raises:
        SettingsError: the file of more lines cannot be read.
    """

    def __init__(self, settings: CrawlSettings, folder: Path) -> None:
        self._lines = _lines(settings.tor_options)
        self._clear_through_tor = settings.clear_through_tor
        self._loopback = settings.lift_on_loopback
        self._tor = TorProcess(
            TorSettings(folder=folder, command=(settings.tor,), lines=self._lines)
        )
        self._turn = threading.Lock()
        self._stopped = False

    @property
    def is_private(self) -> bool:
        """Whether its tor knows a private network on loopback alone."""
        found = (_AUTHORITY.match(f"{line} ") for line in self._lines)
        return politeness.is_private([one[1] for one in found if one])

    def way(self, case_id: CaseId, net: Net) -> Way:
        """Return the way of a case's requests to a net; waits until tor can build circuits.

        Raises:
            FetchError: tor cannot be started, or was stopped.
        """
        if net is Net.CLEAR and not self._clear_through_tor:
            return Clear(allow_loopback=self._loopback)
        with self._turn:
            if self._stopped:
                raise FetchError("all requests were stopped", code="stopped")
            if not self._tor.is_running:
                self._tor.stop()  # what is left of one that ended by itself
                self._tor.start()
            return self._tor.way(
                str(case_id), clear=self._clear_through_tor, allow_loopback=self._loopback
            )

    def stop(self) -> None:
        """End tor, and with it every request through it."""
        self._stopped = True
        self._tor.stop()


def _lines(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    try:
        with file.open(encoding="utf-8") as stream:
            return tuple(stream.read(_OPTION_BYTES).splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the options of tor in {file}") from error
