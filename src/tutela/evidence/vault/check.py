"""Reads the whole vault again, compares it with the database, and repairs what can be repaired."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.evidence.vault.book import parsed
from tutela.evidence.vault.objects import Known
from tutela.evidence.vault.vault import Vault

# What is put is recorded within minutes; what nobody knows after a day was left by a crash.
ORPHAN_AGE_S = 24 * 3600
# Objects lie in so many folders, which are checked one after the other: memory stays small.
_PREFIXES = [f"{number:02x}" for number in range(256)]

# Returns what the database knows of objects whose id begins so.
Lookup = Callable[[str], Iterable[Known]]


@dataclass
class Report:
    """What was found. Lists hold ids of objects.

    Attributes:
        objects: How many were read that should be there.
        size_bytes: How many bytes they have, decrypted.
        damaged: They do not decrypt to what was put in.
        missing: Their key or their bytes are not there.
        undestroyed: They were shredded, and key or bytes are there: a crash, or a restored backup.
        unmarked: The vault shredded them, and the database does not know: it was restored.
        orphaned: Nobody knows them, for a day or more.
        recent: How many nobody knows yet.
    """

    objects: int = 0
    size_bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    undestroyed: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    recent: int = 0

    @property
    def lost(self) -> bool:
        """Whether something is broken that no repair brings back."""
        return bool(self.damaged or self.missing)

    @property
    def repairable(self) -> bool:
        """Whether `repair` has something to do."""
        return bool(self.undestroyed or self.unmarked or self.orphaned)


def check(
    vault: Vault, lookup: Lookup, watch: Callable[[Report], None] = lambda _report: None
) -> Report:
    """Decrypt every object, and compare what is there with what should be.

    Originals are compared with their SHA-256, all with their size. The vault may be in use.

    Args:
        vault: The vault.
        lookup: What the database knows; asked with two hexadecimal digits.
        watch: Told of the state now and then.

    Raises:
        ServiceError: the master key's token does not answer.
    """
    report = Report()
    shreds = _by_prefix(vault.shreds())
    for prefix in _PREFIXES:
        names = _names(vault, prefix)  # before the database is asked: what is new is known there
        rows = {row.object_id: row for row in lookup(prefix)}
        gone = shreds[prefix] | {name for name, row in rows.items() if row.shredded}
        found = Report()
        for name, row in rows.items():
            if row.shredded:
                continue
            if name in shreds[prefix]:
                found.unmarked.append(name)
            else:
                _read(vault, row, found)
            watch(report)
        found.undestroyed += sorted(name for name in gone if _is_there(vault, name))
        _orphans(vault, names - rows.keys() - gone, found)
        _without_newly_shredded(found, prefix, lookup)
        _add(report, found)
        watch(report)
    return report


def repair(vault: Vault, report: Report, mark: Callable[[Sequence[str]], object]) -> int:
    """Destroy what should be gone and nobody's, and return how many that were.

    Args:
        vault: The vault.
        report: What `check` found.
        mark: Has the database know that objects were shredded, and commits.
    """
    if report.unmarked:
        mark(report.unmarked)
    doomed = [*report.undestroyed, *report.unmarked, *report.orphaned]
    return vault.shred(dict.fromkeys(doomed))


def _read(vault: Vault, row: Known, report: Report) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in vault.stream(row.object_id):
            digest.update(chunk)
            size += len(chunk)
    except UsageError:  # shredded, this moment or before a restore of database and log
        report.unmarked.append(row.object_id)
    except IntegrityError as error:
        (report.missing if error.code == "missing" else report.damaged).append(row.object_id)
    except ServiceError as error:
        if error.code != "vault":
            raise
        report.damaged.append(row.object_id)  # the disk does not give it
    else:
        report.objects += 1
        report.size_bytes += size
        if size != row.size_bytes or row.sha256 not in (None, digest.digest()):
            report.damaged.append(row.object_id)


def _is_there(vault: Vault, name: str) -> bool:
    """Tell whether a shredded object has a key or bytes left."""
    raw_id = parsed(name)
    try:
        vault.books.read(raw_id)
    except UsageError:
        return vault.object_path(raw_id).exists()
    except IntegrityError as error:
        return error.code == "damaged" or vault.object_path(raw_id).exists()
    return True


def _orphans(vault: Vault, names: set[str], report: Report) -> None:
    oldest = time.time() - ORPHAN_AGE_S
    for name in sorted(names):
        try:
            written = vault.object_path(parsed(name)).stat().st_mtime
        except (FileNotFoundError, UsageError):
            continue
        if written < oldest:
            report.orphaned.append(name)
        else:
            report.recent += 1


def _without_newly_shredded(found: Report, prefix: str, lookup: Lookup) -> None:
    """Ask again about what is not there: it may have been deleted while we read."""
    if not (found.missing or found.unmarked or found.damaged):
        return
    live = {row.object_id for row in lookup(prefix) if not row.shredded}
    found.missing = [name for name in found.missing if name in live]
    found.unmarked = [name for name in found.unmarked if name in live]
    found.damaged = [name for name in found.damaged if name in live]


def _add(report: Report, found: Report) -> None:
    report.objects += found.objects
    report.size_bytes += found.size_bytes
    report.recent += found.recent
    for kind in ("damaged", "missing", "undestroyed", "unmarked", "orphaned"):
        getattr(report, kind).extend(getattr(found, kind))


def _names(vault: Vault, prefix: str) -> set[str]:
    folder = vault.path / "objects" / prefix
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def _by_prefix(names: Iterable[str]) -> dict[str, set[str]]:
    sorted_out: dict[str, set[str]] = defaultdict(set)
    for name in names:
        sorted_out[name[:2]].add(name)
    return sorted_out
