"""`tutela audit`: verify, sign, prove and export the log, and witness other logs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from tutela.cli import audit_source as source
from tutela.cli import output
from tutela.cli.drawing import drawn
from tutela.core import settings as core_settings
from tutela.core.errors import (
    IntegrityError,
    UsageError,
)
from tutela.core.time import iso_precise

if TYPE_CHECKING:
    from tutela.audit.find import Filter
    from tutela.audit.verify import Report
    from tutela.cli.open import Office

LARGEST_FILE = 4 * 1024 * 1024
_COLUMNS = (
    *("v", "type", "seq", "at", "account_id", "via", "action", "subject", "data", "texts"),
    "erased",
)

app = App(
    name="audit",
    help="Verify, sign, prove and export the audit log.",
    default_parameter=Parameter(negative=()),
)
app.command(
    "tutela.cli.audit_erase:erase", help="Erase words kept beside the log, as the law may ask."
)


@app.command
def verify(
    *,
    checkpoint: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    key: list[str] | None = None,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Verify the whole log; no account is needed, since nothing of it is shown.

    The exit status is 4 where something is wrong, and the first bad event is named. A log that was
    written anew as a whole, by somebody who holds the database and the signing key, is found only
    by a checkpoint that was kept elsewhere.

    Examples:
        tutela audit verify --checkpoint /media/safe/2026-11.checkpoint

    Args:
        checkpoint: Checkpoints that were kept elsewhere.
        key: Verifier key of this log, where the signing key is not here; likewise those before it.
        format_: text for a person, or one row for each finding as jsonl or csv.
        config: Settings file.
    """
    from tutela.audit import verify as verifying  # noqa: PLC0415 - heavy; only when it runs

    kept = [source.content(path) for path in checkpoint or []]
    with source.database(config) as (settings, database):
        keys = source.keys(settings, key or [])
        if not keys:
            print("note: no key: signatures of checkpoints are not looked at", file=sys.stderr)
        with drawn() as draw, database.read() as tx:
            report = verifying.verify(tx, keys, kept, _counting(draw))
    write = output.writer(
        format_,
        lambda row: f"{row['subject']}: {row['what']}",
        ["v", "type", "seq", "subject", "what"],
    )
    for finding in report.findings:
        write({"v": 1, "type": "audit_finding", **finding._asdict()})
    sys.stdout.flush()
    if report.more:
        print(f"note: and {report.more:,} more", file=sys.stderr)
    if report.first is not None:
        raise IntegrityError(
            f"the log is broken: {report.first}",
            hint="leave everything as it is, and find out who could write to the database",
        )
    print(_said(report), file=sys.stdout if format_ == "text" else sys.stderr)
    return 0


@app.command
def checkpoint(*, config: Path | None = None) -> None:
    """Sign the log as it is now and print the checkpoint; keep it where nobody here can replace it.

    Whoever may read the signing key may sign. The same log gives the same checkpoint again.

    Args:
        config: Settings file.
    """
    from tutela.audit import checkpoint as checkpoints  # noqa: PLC0415 - as above

    with source.database(config) as (settings, database), database.write() as tx:
        signed = checkpoints.sign(tx, settings.audit)
    _print(signed)


@app.command
def proof(
    seq: int, *, size: int | None = None, break_glass: str = "", config: Path | None = None
) -> None:
    """Print a proof that an event is in the log, with the event; others check it without us.

    Examples:
        tutela audit proof 1234 > 1234.tlog-proof

    Args:
        seq: Number of the event.
        size: Size of the checkpoint that it shall be under; the newest if left out.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.audit import find  # noqa: PLC0415 - as above
    from tutela.audit import proof as proofs  # noqa: PLC0415 - as above

    with source.reader(config, break_glass) as office, office.database.read() as tx:
        made = proofs.inclusion(tx, seq, size)
        (one,) = find.find(tx, find.Filter(), before=seq + 1, limit=1)
    _print(made.text)
    if erased := [name for name, text in one.texts.items() if text is None]:
        print(f"note: words of this event were erased: {', '.join(erased)}", file=sys.stderr)


@app.command
def check(file: Path, *, key: list[str] | None = None, config: Path | None = None) -> None:
    """Check a proof of an event and print the event; no database is needed.

    Args:
        file: The proof, as `tutela audit proof` printed it.
        key: Verifier key of the log; that of this installation if left out.
        config: Settings file.
    """
    from tutela.audit import proof as proofs  # noqa: PLC0415 - as above

    made = proofs.parse_inclusion(source.text(file))
    said = proofs.check(made, source.keys(core_settings.load(config), key or [], must=True))
    _print(made.body.decode() + "\n")
    print(
        f"event {made.index} is in the log {said.origin} of {said.size:,} events", file=sys.stderr
    )


@app.command
def consistency(old: int, new: int | None = None, *, config: Path | None = None) -> None:
    """Print a proof that the log begins with the log of an older size; a witness asks for it.

    Examples:
        tutela audit consistency 5200 > request.txt

    Args:
        old: Number of events that the log had before; 0 for a witness that has seen none.
        new: Size of the newer checkpoint; the newest if left out.
        config: Settings file.
    """
    from tutela.audit import proof as proofs  # noqa: PLC0415 - as above

    with source.database(config) as (_, database), database.read() as tx:
        made = proofs.consistency(tx, old, new)
    _print(made.text)


@app.command
def key(*, config: Path | None = None) -> None:
    """Print the verifier key of this log; give it to everybody who shall check the log.

    Args:
        config: Settings file.
    """
    (found,) = source.keys(core_settings.load(config), [], must=True)
    print(found)


@app.command(name="witness-key")
def witness_key(file: Path, name: str) -> None:
    """Make the key of a witness and print its verifier key.

    Examples:
        tutela audit witness-key /etc/tutela/witness.key witness.example/w1

    Args:
        file: Where the key shall lie; it must not be there yet.
        name: Name of the witness, such as an address without its scheme.
    """
    from tutela.audit import note  # noqa: PLC0415 - as above

    made = note.Signer.new(name, note.COSIGNATURE)
    note.create_key(file, made)
    print(made.verifier)


@app.command
def witness(
    *,
    key: Path,
    log: str,
    note: Path | None = None,
    proof: Path | None = None,
    state: Path | None = None,
) -> None:
    """Sign the checkpoint of another installation, if it continues the last one signed here.

    Prints one line, which is put at the end of that checkpoint. A log that was cut off or written
    anew since is refused with status 4.

    Examples:
        tutela audit witness --key witness.key --log "$(cat their.key)" --proof request.txt

    Args:
        key: Key of this witness, made by witness-key.
        log: Verifier key of the log, which its people gave you.
        note: The checkpoint; left out where the file of the proof ends in it.
        proof: What `tutela audit consistency` printed there; not needed the first time.
        state: Folder of what was signed last; beside the key if left out.
    """
    from tutela.audit import note as notes  # noqa: PLC0415 - as above
    from tutela.audit import witness as witnesses  # noqa: PLC0415 - as above
    from tutela.audit.proof import Continuation, parse_continuation  # noqa: PLC0415 - as above

    given = Continuation(0, (), "") if proof is None else parse_continuation(source.text(proof))
    signed = given.signed if note is None else source.text(note)
    if not signed:
        raise UsageError("there is no checkpoint to sign", hint="--note FILE")
    line = witnesses.cosign(
        state or key.with_suffix(".state"),
        notes.read_key(key),
        notes.parse_verifier(log),
        signed,
        old=given.old,
        proof=given.hashes,
    )
    _print(line)


@app.command
def export(
    *,
    tiles: Path | None = None,
    subject: str = "",
    action: str = "",
    account: int | None = None,
    since: str = "",
    until: str = "",
    format_: Annotated[Literal["jsonl", "csv"], Parameter(name="--format")] = "jsonl",
    break_glass: str = "",
    config: Path | None = None,
) -> None:
    """Print events as rows, or write the whole log as tiles, which standard tools verify.

    Rows hold the words that are still kept; tiles hold none. That it was exported is an event.

    Examples:
        tutela audit export --subject media:12

        tutela audit export --action grade. --since 2026-11-01 --format csv

        tutela audit export --tiles /srv/log

    Args:
        tiles: Folder for the log up to the newest checkpoint, as C2SP tlog-tiles.
        subject: What the events concern, such as case:3; all cases if it ends in a colon.
        action: What happened, such as grade.given; all of a noun if it ends in a point.
        account: Number of the account that acted.
        since: From this moment on, as 2026-11-01 or 2026-11-01T08:00+01:00; UTC if it says nothing.
        until: Before this moment.
        format_: Rows as jsonl or csv.
        break_glass: Act without an account, for this reason; it is in the log.
        config: Settings file.
    """
    from tutela.audit import log as logs  # noqa: PLC0415 - as above
    from tutela.audit.find import Filter  # noqa: PLC0415 - as above

    wanted = Filter(subject, account, action, source.moment(since), source.moment(until))
    if tiles is not None and wanted != Filter():
        raise UsageError("tiles hold the whole log", hint="leave out what chooses events")
    with source.reader(config, break_glass) as office:
        # First, so that nobody takes the log along and breaks off before it is said.
        form = format_ if tiles is None else "tiles"
        with office.database.write() as tx:
            logs.record(tx, office.who, "audit.exported", "installation", format=form)
        if tiles is None:
            _rows(office, wanted, format_)
        else:
            _tiles(office, tiles)


def _rows(office: Office, wanted: Filter, format_: output.Format) -> None:
    from tutela.audit import find  # noqa: PLC0415 - as above

    write = output.writer(format_, str, _COLUMNS)
    with office.database.read() as tx:
        for one in find.each(tx, wanted):
            row = {name: getattr(one, name) for name in _COLUMNS[2:-1]}
            erased = [name for name, text in one.texts.items() if text is None]
            more = {"at": iso_precise(one.at), "erased": erased}
            write({"v": 1, "type": "audit_event", **row, **more})


def _tiles(office: Office, folder: Path) -> None:
    from tutela.audit import tiles  # noqa: PLC0415 - as above

    with drawn() as draw, office.database.read() as tx:
        said = tiles.export(tx, folder, progress=_counting(draw))
    print(f"{said.size:,} events of {said.origin} in {folder}")


def _said(report: Report) -> str:
    words = (
        f"{report.size:,} events are whole; checkpoints that fit: {report.checkpoints:,} here, "
        f"{report.kept:,} kept elsewhere; texts: {report.texts:,} as they were, "
        f"{report.erased:,} erased"
    )
    if report.backwards_s:
        words += f"; the clock was set back by up to {report.backwards_s:,.3f} s"
    return words


def _print(text: str) -> None:
    """Print text of files to the byte, whatever the terminal's encoding is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _counting(draw: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return what says how many events of how many were looked at."""
    return lambda done, whole: draw(f"{done:,} of {whole:,} events")
