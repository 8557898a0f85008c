"""`tutela vault`: check and repair the evidence vault, change its master key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from tutela.cli import output
from tutela.cli.drawing import drawn
from tutela.core import settings as core_settings
from tutela.core.errors import AccessError, SettingsError, UsageError

if TYPE_CHECKING:
    from tutela.cli.open import Office
    from tutela.core.settings import VaultSettings
    from tutela.evidence.vault.check import Report

BROKEN = 4
# What a check may find, and what that means for a person.
_MEANING = {
    "damaged": "does not decrypt to what was put in",
    "missing": "its key or its bytes are not there",
    "undestroyed": "was shredded, and is still there",
    "unmarked": "was shredded, and the database does not know",
    "orphaned": "belongs to nothing that the database knows",
}
_SUBJECT = "installation"

app = App(
    name="vault",
    help="Check and repair the evidence vault, change its master key.",
    default_parameter=Parameter(negative=()),
)


@app.command
def check(
    *,
    repair: bool = False,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Decrypt everything in the vault and compare it with the database.

    The exit status is 4 where something is damaged or missing, or should be gone and is not. The
    vault may be in use meanwhile.

    Args:
        repair: Shred what should be gone, as after a restored backup, and what nobody knows for a
            day; what is damaged has to come from a backup.
        format_: text for a person, or one row for each finding as jsonl or csv.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.cli.open import opened  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.evidence.vault import Vault, master_key  # noqa: PLC0415 - as above
    from tutela.evidence.vault import check as checking  # noqa: PLC0415 - as above

    settings = _existing(config)
    with opened(config, break_glass=break_glass) as office:
        _may(office, repair=repair)
        with Vault(settings.path, master_key(settings)) as vault:
            with drawn() as draw:
                report = checking.check(
                    vault, _lookup(office), lambda state: draw(f"{state.objects:,} objects read")
                )
            repaired = checking.repair(vault, report, _mark(office)) if repair else 0
        _log(office, report, repaired)
    _print(report, format_)
    words = (
        f"{report.objects:,} objects of {report.size_bytes / 1e6:,.1f} MB are whole or named above"
    )
    if report.recent:
        words += f"; {report.recent:,} are not recorded yet"
    print(words, file=sys.stdout if format_ == "text" else sys.stderr)
    if repaired:
        print(f"{repaired:,} objects shredded", file=sys.stderr)
    elif report.repairable:
        print("hint: tutela vault check --repair shreds what should be gone", file=sys.stderr)
    undone = bool(report.undestroyed or report.unmarked) and not repair
    return BROKEN if report.lost or undone else 0


@app.command
def rotate(to: str, *, break_glass: str = "", config: Path | None = None) -> int:
    """Wrap every object's key by another master key; stopped, it goes on when run again.

    Stop `tutela serve` first. Afterwards put the new key into the settings, and destroy the old
    one: copies of old keys are worthless without it.

    Examples:
        tutela vault key file:/etc/tutela/master-2.key

        tutela vault rotate file:/etc/tutela/master-2.key

    Args:
        to: Where the new master key is, as in the settings: file:, env: or pkcs11:.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.access.authorise import require  # noqa: PLC0415 - as above
    from tutela.access.model import Permission  # noqa: PLC0415 - as above
    from tutela.audit.log import record  # noqa: PLC0415 - as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above
    from tutela.evidence.vault.master import master_key, named  # noqa: PLC0415 - as above
    from tutela.evidence.vault.rotate import rotate as change  # noqa: PLC0415 - as above

    settings = _existing(config)
    with opened(config, break_glass=break_glass) as office:
        with office.database.read() as tx:
            require(tx, office.who, Permission.POLICY)
        old, new = master_key(settings), named(to)
        with drawn() as draw:
            done = change(
                settings.path, old, new, lambda state: draw(f"{state.wrapped:,} keys wrapped")
            )
        with office.database.write() as tx:
            record(
                tx,
                office.who,
                "vault.rotated",
                _SUBJECT,
                keys=done.wrapped,
                damaged=done.damaged,
                old=old.key_id.hex(),
                new=new.key_id.hex(),
            )
    print(f"{done.wrapped:,} keys wrapped anew, {done.damaged:,} could not be read")
    print(f'hint: put master_key = "{to}" into the settings', file=sys.stderr)
    return BROKEN if done.damaged else 0


@app.command
def key(where: str) -> int:
    """Make a new master key.

    Args:
        where: file:PATH, or pkcs11:MODULE?token=LABEL&key=LABEL&pin=env:NAME.
    """
    from tutela.evidence.vault.master import create_file, named  # noqa: PLC0415 - as above

    kind, _, rest = where.partition(":")
    if kind == "file" and rest:
        create_file(Path(rest).expanduser())
    elif kind == "pkcs11":
        from tutela.evidence.vault import hsm  # noqa: PLC0415 - loads a library few need

        hsm.create(rest)
    else:
        raise SettingsError("a new master key is made at file:PATH or in a pkcs11: token")
    print(f"master key {named(where).key_id.hex()} made")
    return 0


def _existing(config: Path | None) -> VaultSettings:
    settings = core_settings.load(config).vault
    if not settings.path.exists():
        raise UsageError(
            f"there is no vault at {settings.path}",
            hint="it is made when the first case that keeps media gets evidence",
        )
    return settings


def _may(office: Office, *, repair: bool) -> None:
    """Let auditors and those who work on cases check; only administrators repair."""
    from tutela.access.authorise import allows, require  # noqa: PLC0415 - as above
    from tutela.access.model import Permission  # noqa: PLC0415 - as above

    checkers = (Permission.AUDIT_READ, Permission.CASE_LIST)
    if not repair and any(allows(office.who, permission) for permission in checkers):
        return
    with office.database.read() as tx:
        try:
            require(tx, office.who, Permission.POLICY)
        except AccessError as error:
            error.hint = "an administrator can, or --break-glass REASON"
            raise


def _lookup(office: Office) -> Callable[[str], list[Any]]:
    from tutela.evidence.vault import objects  # noqa: PLC0415 - as above

    def lookup(prefix: str) -> list[Any]:
        with office.database.read() as tx:
            return list(objects.known(tx, prefix))

    return lookup


def _mark(office: Office) -> Callable[[Any], int]:
    from tutela.evidence.vault import objects  # noqa: PLC0415 - as above

    def mark(object_ids: Any) -> int:
        with office.database.write() as tx:
            return objects.mark_shredded(tx, office.who, object_ids)

    return mark


def _log(office: Office, report: Report, repaired: int) -> None:
    from tutela.audit.log import Event, record_many  # noqa: PLC0415 - as above

    counts = {kind: len(getattr(report, kind)) for kind in _MEANING}
    data = counts | {"objects": report.objects, "repaired": repaired}
    with office.database.write() as tx:
        record_many(tx, office.who, [Event("vault.checked", _SUBJECT, data)])


def _print(report: Report, format_: output.Format) -> None:
    write = output.writer(
        format_,
        lambda row: f"{row['what']}: {row['object']} {_MEANING[row['what']]}",
        ["v", "type", "what", "object"],
    )
    for what in _MEANING:
        for object_id in getattr(report, what):
            write({"v": 1, "type": "vault_finding", "what": what, "object": object_id})
