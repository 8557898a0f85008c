"""`tutela list`: import, export and describe hash lists; the rest is in modules beside this."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from tutela.cli import output
from tutela.core import settings as core_settings
from tutela.core.entry import Role
from tutela.core.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from tutela.hashlist.library import Library
    from tutela.hashlist.model import ListInfo

SOME_FAILED = 1
REDRAW_SECONDS = 0.25
_HEADER = f"{'name':<32} {'role':<10}{'entries':>12}  {'format':<15}{'received':<10}  from"

app = App(
    name="list",
    help="Hash lists: those that you match against, and those that you publish to members.",
    default_parameter=Parameter(negative=()),
)
MATCHED = "Lists to match against, in this machine's library"
PUBLISHED = "Lists that you publish to members, in the database"
for _verb, _place, _help, _group in (
    ("create", "list_owned:create", "Make an empty list for members.", PUBLISHED),
    ("add", "list_entries:add", "Add a file, a list of the library, or agreed grades.", PUBLISHED),
    ("members", "list_owned:members", "Say who gets it, and what of it.", PUBLISHED),
    ("publish", "list_publish:publish", "Lay it where its members get it.", PUBLISHED),
    ("diff", "list_owned:diff", "Show what changed between two generations.", PUBLISHED),
    ("withdraw", "list_entries:withdraw", "Let entries match no more, or again.", PUBLISHED),
    ("proposals", "list_entries:proposals", "Show what contributors propose.", PUBLISHED),
    ("feedback", "list_feedback:feedback", "Show what members say, and answer.", PUBLISHED),
    (
        "quarantine",
        "list_quarantine:quarantine",
        "Show entries that were too noisy to answer platforms, and let them answer again.",
        PUBLISHED,
    ),
    ("published", "list_owned:published", "Show the lists that you own or may use.", PUBLISHED),
    ("close", "list_owned:close", "Let nothing more be added.", PUBLISHED),
    ("keys", "list_keys:app", "Make, rotate and use the keys of a publication.", PUBLISHED),
    ("subscribe", "list_sync:subscribe", "Follow lists that others publish or serve.", MATCHED),
    ("unsubscribe", "list_sync:unsubscribe", "Follow a source no more.", MATCHED),
    ("sync", "list_sync:sync", "Bring the lists that are followed up to date.", MATCHED),
    ("report", "list_sync:report", "Say something of an entry to its source.", MATCHED),
):
    app.command(f"tutela.cli.{_place}", name=_verb, help=_help, group=_group)


@app.command(name="import", group=MATCHED)
def import_(
    file: Path,
    *,
    name: str,
    role: Role,
    from_: Annotated[str, Parameter(name="--from")] = "",
    format_: Annotated[str, Parameter(name="--format")] = "",
    algorithm: str = "",
    scheme: str = "",
    code: str = "",
    role_of: list[str] | None = None,
    replace: bool = False,
    config: Path | None = None,
) -> int:
    """Import a hash list into this machine's library; all of it appears at once, or nothing.

    The file is parsed in a confined process. Rows that cannot be read go to quarantine with their
    reason, and the rest goes on. The exit status is then 1, and so it is where no entry can be
    compared.

    Examples:
        tutela list import set.json --name vic-2026-11 --role alert --from "Example Hotline"

        tutela list import set.json --name vic --role alert --role-of 0=ignorable --replace

        tutela list import pdq.txt --name partner --role alert --algorithm pdq

    Args:
        file: The list: vics, threatexchange, te, icse, csv, jsonl or lines.
        name: What the list is called from now on.
        role: What a match means: alert, ignorable (known and harmless) or allow.
        from_: Who gave it to us; it stays with every entry.
        format_: Format of the file; recognised by its content if left out.
        algorithm: What the hashes are if the file does not say: md5, sha1, sha256, pdq or photodna.
        scheme: Classification scheme of entries that carry none, with --code.
        code: The code under --scheme.
        role_of: Role of one classification code, as CODE=ROLE; may be repeated.
        replace: Put it in the place of the list of that name.
        config: Settings file.
    """
    from tutela.hashlist.library import Library  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.hashlist.report import counted, warnings  # noqa: PLC0415 - as above

    library = Library.create(core_settings.load(config).library.path)
    with _watched(file) as progress:
        report = library.add(
            file,
            name=name,
            role=role,
            received_from=from_,
            format=format_ or None,
            algorithm=algorithm,
            scheme=scheme,
            code=code,
            by_code=dict(_role_of(word) for word in role_of or []),
            replace=replace,
            progress=progress,
        )
    info = report.info
    entries = counted(info.entries, "entry", "entries")
    print(f"{info.name}: {entries} of {counted(info.rows, 'row')}, format {info.format}")
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    return SOME_FAILED if warnings(info) else 0


@app.command(group=MATCHED)
def export(
    name: str,
    *,
    format_: Annotated[str, Parameter(name="--format")],
    output_: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    algorithm: str = "",
    model: str = "",
    profile: str = "",
    replace: bool = False,
    config: Path | None = None,
) -> int:
    """Write a list of the library in a format; say what that format cannot carry.

    Examples:
        tutela list export vic --format vics --model 1.3 -o set.json

        tutela list export partner --format lines --algorithm pdq > pdq.txt

    Args:
        name: Name of the list.
        format_: vics, threatexchange, te, csv, jsonl or lines.
        output_: File to write; standard output if left out.
        algorithm: The one kind of hash to write, for lines, te and threatexchange.
        model: VICS data model, 1.0 to 1.3 or 2.0; that of the list if left out.
        profile: VICS 2.0 profile, such as Default, US or UK.
        replace: Overwrite the output file where there is one.
        config: Settings file.
    """
    from tutela.hashlist.format import ExportOptions  # noqa: PLC0415 - heavy, as above
    from tutela.hashlist.report import counted  # noqa: PLC0415 - as above

    library = _library(config)
    options = ExportOptions(algorithm=algorithm, model=model, profile=profile)
    if output_ is None:
        written = library.export(name, format_, sys.stdout.buffer, options)
        sys.stdout.buffer.flush()
    elif output_.exists() and not replace:
        raise UsageError(
            f"there is already a file {output_}",
            code="file_exists",
            hint="write it with --replace, or to another file",
        )
    else:
        part = output_.with_name(output_.name + ".part")
        try:
            with part.open("wb") as stream:
                written = library.export(name, format_, stream, options)
            part.replace(output_)
        except OSError as error:
            raise ServiceError(
                f"cannot write {output_}: {error.strerror}",
                hint="check that its folder exists, that you may write there, and that it has room",
            ) from None
        finally:
            part.unlink(missing_ok=True)
    print(f"{counted(written.entries, 'entry', 'entries')} written", file=sys.stderr)
    for what, count in sorted(written.lost.items()):
        of = counted(count, "entry", "entries")
        print(f"note: not carried by {format_}: {what} ({of})", file=sys.stderr)
    return 0


@app.command(group=MATCHED)
def info(
    name: str | None = None,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Describe one list of the library, or all.

    Args:
        name: Name of the list; all of them if left out.
        format_: text for a person, or one row for each list as jsonl or csv.
        config: Settings file.
    """
    library = _library(config)
    found = library.lists if name is None else (library.info(name),)
    rows = [_row(one) for one in found]
    write = output.writer(
        format_, _line if name is None else _description, list(rows[0] if rows else [])
    )
    if format_ == "text" and name is None and rows:
        print(_HEADER)
    for row in rows:
        write(row)
    return 0


@app.command(group=MATCHED)
def remove(name: str, *, config: Path | None = None) -> int:
    """Remove a list and its entries from the library.

    Args:
        name: Name of the list.
        config: Settings file.
    """
    from tutela.hashlist.report import counted  # noqa: PLC0415 - heavy, as above

    gone = _library(config).remove(name)
    print(f"{gone.name}: {counted(gone.entries, 'entry', 'entries')} removed")
    return 0


def _library(config: Path | None) -> Library:
    from tutela.hashlist.library import Library  # noqa: PLC0415 - heavy; only when a command runs

    return Library.open(core_settings.load(config).library.path)


def _role_of(word: str) -> tuple[str, Role]:
    code, equals, role = word.rpartition("=")
    try:
        if code and equals:
            return code, Role(role.lower())
    except ValueError:
        pass
    raise UsageError(
        f"--role-of {word} is not CODE=ROLE",
        hint=f"roles are {', '.join(role.value for role in Role)}",
    )


def _row(one: ListInfo) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415 - as above

    fields: dict[str, Any] = msgspec.to_builtins(one)
    return {"v": 1, "type": "list"} | fields | {"placeholders": len(one.placeholders)}


def _line(row: output.Row) -> str:
    return (
        f"{row['name']:<32} {row['role']:<10}{row['entries']:>12,}  "
        f"{row['format']:<15}{row['received_at'][:10]}  {row['received_from']}"
    ).rstrip()


def _description(row: output.Row) -> str:
    counts = f"{row['entries']:,} imported, {row['quarantined']:,} in quarantine"
    lines = [
        f"name            {row['name']}",
        f"role            {row['role']}",
        f"received        {row['received_at']} from {row['received_from'] or 'nobody named'}",
        f"source          {row['source']} ({row['source_bytes']:,} bytes, {row['format']})",
        f"source SHA-256  {row['source_sha256']}",
        f"rows            {row['rows']:,}: {counts}",
    ]
    lines += [
        f"{algorithm:<16}{count:,}, of which {row['compared'].get(algorithm, 0):,} compared"
        for algorithm, count in row["carried"].items()
    ]
    lines += [
        f"classification  {one['scheme']} {one['code']}: {one['entries']:,}, {one['role']}"
        for one in row["classifications"]
    ]
    lines += [f"note            {what}: {count:,}" for what, count in row["remarks"].items()]
    return "\n".join(lines)


@contextlib.contextmanager
def _watched(file: Path) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what draws the progress of an import, where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    size_bytes = max(1, file.stat().st_size) if file.is_file() else 1
    drawn = 0.0

    def draw(done_bytes: int, rows: int) -> None:
        nonlocal drawn
        if time.monotonic() - drawn >= REDRAW_SECONDS:
            drawn = time.monotonic()
            share = min(100, 100 * done_bytes // size_bytes)
            sys.stderr.write(f"\r\x1b[2K{share} % read, {rows:,} rows")
            sys.stderr.flush()

    try:
        yield draw
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
