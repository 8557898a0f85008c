"""The folders of a user that Tutela keeps things in (XDG base directory specification)."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Return where data live: `$XDG_DATA_HOME/tutela`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tutela"


def config_home() -> Path:
    """Return where settings live: `$XDG_CONFIG_HOME/tutela`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "tutela"


def state_home() -> Path:
    """Return where the state of running work lives: `$XDG_STATE_HOME/tutela`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tutela"
