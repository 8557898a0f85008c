"""`tutela list keys`: the keys that sign a publication, here or on another machine."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App, Parameter

from tutela.cli.list_publish import ceremony_of
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.errors import UsageError
from tutela.exchange.crypt import Identity
from tutela.exchange.publish import ceremony, keys
from tutela.exchange.publish.ceremony import Standing
from tutela.exchange.publish.custody import Custody
from tutela.exchange.publish.repository import last_root, locked

WAITS = 1

app = App(
    name="keys",
    help="Make, rotate and use the keys of a publication.",
    default_parameter=Parameter(negative=()),
)


@app.command
def init(
    *,
    root: list[Path] | None = None,
    targets: list[Path] | None = None,
    threshold: int = 1,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Begin a publication: its first root, and the keys that sign it.

    Without options all keys are made here, those of root and targets in the folder `offline`. They
    are needed for new lists and other keys only: move that folder to a machine of its own, or make
    the keys there (`tutela list keys make`) and give their public halves here.

    Examples:
        tutela list keys init

        tutela list keys init --root a.pub --root b.pub --root c.pub --targets t.pub --threshold 2

    Args:
        root: Public halves of root keys that are elsewhere.
        targets: Public halves of targets keys that are elsewhere.
        threshold: How many of each have to sign.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with _custody(config, break_glass) as custody:
        lacking = custody.begin(
            [keys.public(path) for path in root or []],
            [keys.public(path) for path in targets or []],
            threshold,
        )
        return _say(lacking, custody.ceremony.ring.folder)


@app.command
def make(file: Path) -> int:
    """Make a key on this machine: FILE for whoever signs, FILE.pub to be given away.

    Args:
        file: Where to write it; nothing is overwritten.
    """
    key = keys.make(file)
    print(f"{key.keyid}  {file}{keys.PUBLIC}")
    return 0


@app.command
def identity(file: Path) -> int:
    """Make an age identity, with which a member opens what was encrypted to it.

    Prints the recipient, which the publisher has to be given.

    Args:
        file: Where to write it; nothing is overwritten.
    """
    print(Identity.make(file).recipient)
    return 0


@app.command
def sign(file: Path, *, key: Path) -> int:
    """Sign a draft, on whichever machine has the key.

    Args:
        file: The draft: root.json or targets.json of the folder `proposed`.
        key: File of the private key.
    """
    print(f"{ceremony.sign(file, key)} signed")
    return 0


@app.command
def accept(*, break_glass: str = "", config: Path | None = None) -> int:
    """Publish drafts that enough keys have signed.

    Args:
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with _custody(config, break_glass) as custody:
        custody.accept()
    print("published")
    return 0


@app.command
def rotate(
    role: str,
    *,
    to: list[Path] | None = None,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Replace the keys of a role; those before sign nothing any more.

    Args:
        role: root, targets, snapshot, timestamp, or the name of a list.
        to: Public halves of the keys that take over; made here if left out.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with _custody(config, break_glass) as custody:
        lacking = custody.rotate(role, [keys.public(path) for path in to or []])
        return _say(lacking, custody.ceremony.ring.folder)


@app.command
def renew(*, break_glass: str = "", config: Path | None = None) -> int:
    """Let root and targets run for another year, with the same keys.

    Args:
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with _custody(config, break_glass) as custody:
        return _say(custody.renew(), custody.ceremony.ring.folder)


@app.command
def show(*, config: Path | None = None) -> int:
    """Say until when the publication runs, who signs, and what waits for a signature.

    Args:
        config: Settings file.
    """
    settings = core_settings.load(config).exchange
    here = ceremony_of(settings)
    if last_root(settings.publication) is not None:
        found = here.repository()
        signed = found.root.signed
        print(f"root       version {signed.version}, until {signed.expires:%Y-%m-%d}")
        for role, at in (("targets", found.targets), ("timestamp", found.timestamp)):
            print(
                f"{role:<11}version {at.signed.version}, until {at.signed.expires:%Y-%m-%d %H:%M}"
            )
        print(f"lists      {len(found.lists)}")
        for role, known in signed.roles.items():
            have = len(here.ring.having(known.keyids))
            print(f"{role:<11}{known.threshold} of {len(known.keyids)} keys sign, {have} are here")
    return _say(here.standing(), settings.keys)


@app.command(name="root")
def root_(*, config: Path | None = None) -> int:
    """Print the first root of the publication, which members need to have from you directly.

    Args:
        config: Settings file.
    """
    path = core_settings.load(config).exchange.publication / "metadata" / "1.root.json"
    if not path.exists():
        raise UsageError("there is no publication", hint="tutela list keys init")
    sys.stdout.buffer.write(path.read_bytes())
    return 0


@contextlib.contextmanager
def _custody(config: Path | None, break_glass: str) -> Iterator[Custody]:
    with opened(config, break_glass=break_glass) as office:
        settings = office.settings.exchange
        with locked(settings.keys):
            yield Custody(office.database, office.who, ceremony_of(settings))


def _say(standing: list[Standing], folder: Path) -> int:
    waiting = [one for one in standing if one.lacks]
    for one in waiting:
        for role, missing in one.lacks:
            print(f"{one.name} version {one.version} lacks {missing} signatures: {role}")
        print(f"  {folder / ceremony.PROPOSED / one.name}.json", file=sys.stderr)
    if waiting:
        print("hint: tutela list keys sign FILE --key KEY, then keys accept", file=sys.stderr)
    return WAITS if waiting else 0
