"""`tutela crawl stop` and `release`: the kill switch.

To stop must not take a second: what the database needs is loaded once the signal file stands.
"""

from __future__ import annotations

from pathlib import Path

from tutela.core import settings as core_settings
from tutela.crawl import signal_file


def stop(*, reason: str = "", break_glass: str = "", config: Path | None = None) -> int:
    """Stop all crawling, of every order, at once.

    The signal file of this machine is written first, whatever the database does; then the switch
    in the database is raised, which holds on all machines.

    Args:
        reason: Why; it can be said afterwards too.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    signal_file.write(core_settings.load(config).crawl.signal_file)
    print("workers on this machine ask for nothing more", flush=True)
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy
    from tutela.crawl import switch  # noqa: PLC0415 - likewise

    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        switch.stop(tx, office.who, reason)
    print("nothing is leased any more, on any machine")
    return 0


def release(*, reason: str, break_glass: str = "", config: Path | None = None) -> int:
    """Lower the kill switch: orders that are started go on. Run it on each machine.

    Args:
        reason: Why crawling may go on.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy
    from tutela.crawl import switch  # noqa: PLC0415 - likewise

    with opened(config, break_glass=break_glass) as office:
        with office.database.write() as tx:
            switch.release(tx, office.who, reason)
        signal_file.remove(office.settings.crawl.signal_file)
    print("the kill switch is lowered; tutela crawl status shows what goes on")
    return 0
