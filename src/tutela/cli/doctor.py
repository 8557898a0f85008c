"""`tutela doctor`."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from tutela.core import settings as core_settings
from tutela.sandbox import status

OLDEST_PYTHON = (3, 11)


def doctor(*, config: Path | None = None) -> int:
    """Say what protects this machine from hostile files, and what is missing.

    Each protection is tried out in a process of its own, not looked up. Exit status 1 when one is
    missing: scans then run with less protection.

    Args:
        config: Settings file.
    """
    settings = core_settings.load(config)
    print(f"tutela {version('tutela')}, Python {platform.python_version()}, {platform.platform()}")
    print(f"cores {len(os.sched_getaffinity(0))}")
    healthy = sys.platform == "linux" and sys.version_info >= OLDEST_PYTHON
    for protection in status():
        word = "active" if protection.active else "MISSING"
        print(f"{protection.name:<24}{word:<9}{protection.detail}")
        healthy = healthy and protection.active
    for name, folder in (("state", settings.scan.state), ("library", settings.library.path)):
        usable = _usable(folder)
        print(f"{name + ' folder':<24}{'ok' if usable else 'MISSING':<9}{folder}")
        healthy = healthy and usable
    return 0 if healthy else 1


def _usable(folder: Path) -> bool:
    """Tell whether a folder can be written, or made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
