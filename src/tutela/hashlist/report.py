"""What a person should know of a list: when it has just been imported, and whenever it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tutela.core.entry import Role
from tutela.hashlist.batch import CLASSES_LIMIT
from tutela.hashlist.format import named
from tutela.hashlist.formats.vics_model import UNKNOWN_MODEL
from tutela.hashlist.model import ListInfo


def warnings(info: ListInfo) -> list[str]:
    """Return why a search in this list finds less than its file promised; none if all is well."""
    found = []
    if info.quarantined:
        found.append(f"{info.quarantined:,} of {counted(info.rows, 'row')} could not be read")
    if not any(info.compared.values()):
        found.append("no entry can be compared")
    return found


def notes(info: ListInfo, quarantine: Path, algorithm: str = "") -> list[str]:
    """Return sentences about what an import left out, could not grade or cannot match.

    Args:
        info: The list.
        quarantine: The file that holds its bad rows.
        algorithm: What the import was told that the hashes are.
    """
    return [*_left_out(info, quarantine), *_idle(info, algorithm), *_grades(info)]


def counted(count: int, one: str, many: str = "") -> str:
    """Return `count` with its noun: `1 row`, `2 rows`, `1,000 entries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _left_out(info: ListInfo, quarantine: Path) -> Iterator[str]:
    if info.quarantined:
        bad = f"{info.quarantined:,} of {counted(info.rows, 'row')}"
        if info.quarantined == 1:
            yield f"{bad} is in quarantine, with its reason, in {quarantine}"
        else:
            yield f"{bad} are in quarantine, with their reasons, in {quarantine}"
    if not any(info.compared.values()):
        yield "no entry can be compared, so this list finds nothing"
    for what, count in info.remarks.items():
        if what == UNKNOWN_MODEL:
            yield (
                "the file names no VICS model and profile that we know; ask its sender what its "
                "categories mean"
            )
        else:
            yield f"{what}: {count:,}"


def _idle(info: ListInfo, algorithm: str) -> Iterator[str]:
    """Name the options of the import that changed nothing."""
    if algorithm and not named(info.format).takes_algorithm:
        yield (
            f"--algorithm {algorithm} changed nothing: the format {info.format} says itself what "
            "its hashes are"
        )
    if len(info.classifications) >= CLASSES_LIMIT:
        return  # not every code was counted
    present = {count.code for count in info.classifications}
    for code in sorted(set(info.role_of) - present):
        yield f"--role-of {code}={info.role_of[code]} changed nothing: no entry has that code"


def _grades(info: ListInfo) -> Iterator[str]:
    if info.role is not Role.ALERT:
        return
    if info.unclassified:
        yield (
            f"{counted(info.unclassified, 'alert entry', 'alert entries')} without a "
            "classification, kept as unclassified; --scheme and --code would give one"
        )
    codes = {count.code for count in info.classifications}
    if info.format == "vics" and len(codes) > 1 and not info.role_of:
        yield (
            f"the categories {', '.join(sorted(codes))} are all alert; where one of them is "
            "non-pertinent, say so with --role-of CODE=ignorable"
        )
