"""The TUF repository on disk (The Update Framework, specification 1.0.31), as its publisher.

    metadata/  N.root.json, N.targets.json, N.<list>.json, N.snapshot.json, timestamp.json
    targets/<list>/<sha256>.<name>

Snapshots are consistent: nothing that a client may be reading is overwritten. A publication writes
its files, then the metadata that names them, and at last `timestamp.json`, by a rename: that is the
one moment at which clients see it. One that is killed leaves the former state whole; the next one
writes over what it left.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.time import now
from tutela.exchange.publication import METADATA, TARGETS, role_names
from tutela.exchange.publish.keys import Keyring
from tutela.hashlist.store import write_durable
from tutela.match.manifest import sync_folder

LISTS_EXPIRE = timedelta(days=30)
SNAPSHOT_EXPIRES = timedelta(days=7)
KEPT_S = 24 * 3600.0  # for clients that are still reading what is published no more
_ROOT = re.compile(r"(\d+)\.root\.json")
_NO_REPOSITORY = "tutela list keys init makes one"


class Repository:
    """The present state of a repository, and the way to the next.

    Raises:
        UsageError: there is none in the folder (code `no_publication`).
        IntegrityError: it does not verify.
    """

    def __init__(self, folder: Path, ring: Keyring, timestamp_expires: timedelta) -> None:
        self.folder, self.ring = folder, ring
        self._metadata, self._targets = folder / METADATA, folder / TARGETS
        self._expires = timestamp_expires
        try:
            self.root: Metadata[Root] = Metadata.from_file(str(self._last_root()))
            self.timestamp: Metadata[Timestamp] = self._read("timestamp.json")
            version = self.timestamp.signed.snapshot_meta.version
            self.snapshot: Metadata[Snapshot] = self._read(f"{version}.snapshot.json")
            self.targets: Metadata[Targets] = self._listed("targets")
            self.lists: dict[str, Metadata[Targets]] = {
                name: self._listed(name)
                for name in role_names(self.targets.signed)
                if f"{name}.json" in self.snapshot.signed.meta
            }
        except (RepositoryError, OSError, ValueError, KeyError) as error:
            raise IntegrityError(
                f"the publication in {folder} cannot be read: {error}",
                code="publication",
                hint="restore it from a copy or from the host that serves it",
            ) from error

    def _last_root(self) -> Path:
        last = last_root(self.folder)
        if last is None:
            raise UsageError(
                f"there is no publication in {self.folder}",
                code="no_publication",
                hint=_NO_REPOSITORY,
            )
        return last

    def _read(self, name: str) -> Metadata[Any]:
        return Metadata.from_file(str(self._metadata / name))

    def _listed(self, role: str) -> Metadata[Targets]:
        return self._read(f"{self.snapshot.signed.meta[f'{role}.json'].version}.{role}.json")

    def add_target(self, role: str, name: str, source: Path) -> TargetFile:
        """Put a file among the targets of a role; it counts once metadata names it."""
        path = f"{role}/{name}"
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            length = stream.tell()
            os.fsync(stream.fileno())
        folder = self._targets / role
        folder.mkdir(parents=True, exist_ok=True)
        source.chmod(0o644)  # ciphertext, for a web server to read
        source.replace(folder / f"{digest}.{name}")
        sync_folder(folder)
        return TargetFile(length, {"sha256": digest}, path)

    def target_path(self, target: TargetFile) -> Path:
        """Return where the file of a target lies."""
        return self._targets / target.get_prefixed_paths()[0]

    def publish(
        self,
        lists: Mapping[str, Mapping[str, TargetFile]] | None = None,
        *,
        targets: Metadata[Targets] | None = None,
        root: Metadata[Root] | None = None,
    ) -> None:
        """Publish a new state; without changes it is the same one with new times.

        Args:
            lists: The targets of each role that has changed.
            targets: Signed targets metadata, where delegations change.
            root: The root that is about to be published: snapshot and timestamp are signed for it
                and for the present one, so that clients find either.

        Raises:
            UsageError: a key that has to sign is not here (code `no_key`).
        """
        changed = {} if targets is None else {"targets": targets}
        delegator = (targets or self.targets).signed
        for name in role_names(delegator):
            given = (lists or {}).get(name)
            if made := self._list_metadata(name, delegator, given):
                changed[name] = made
        roots = [self.root.signed] + ([root.signed] if root else [])
        for name, metadata in changed.items():
            self._write(f"{metadata.signed.version}.{name}.json", metadata)
        snapshot = self._next_snapshot(changed, role_names(delegator), roots)
        self._write(f"{snapshot.signed.version}.snapshot.json", snapshot)
        before = self._paths()
        timestamp = self._next_timestamp(snapshot.signed.version, roots)
        sync_folder(self._metadata)
        write_durable(self._metadata / "timestamp.json", timestamp.to_bytes())
        self.targets = targets or self.targets
        self.lists |= {name: made for name, made in changed.items() if name != "targets"}
        self.snapshot, self.timestamp = snapshot, timestamp
        self._leave(before - self._paths())

    def publish_root(self, root: Metadata[Root]) -> None:
        """Publish another root; clients follow it at once."""
        version = root.signed.version
        write_durable(self._metadata / f"{version}.root.json", root.to_bytes())
        self.root = root

    def _list_metadata(
        self, name: str, delegator: Targets, given: Mapping[str, TargetFile] | None
    ) -> Metadata[Targets] | None:
        """Return new metadata of a role, or None where what there is will do."""
        present = self.lists.get(name)
        keyids = delegator.get_delegated_role(name).keyids
        if given is None and present is not None:
            signed = set(present.signatures) & set(keyids)
            if signed and present.signed.expires - now() > LISTS_EXPIRE / 2:
                return None
        files = dict(present.signed.targets) if given is None and present else dict(given or {})
        made = Metadata(
            Targets(
                version=present.signed.version + 1 if present else 1,
                expires=_soon(LISTS_EXPIRE),
                targets=files,
            )
        )
        self._sign(made, keyids, name)
        return made

    def _next_snapshot(
        self, changed: Mapping[str, Metadata[Targets]], names: Iterable[str], roots: list[Root]
    ) -> Metadata[Snapshot]:
        meta = {
            f"{name}.json": self.snapshot.signed.meta[f"{name}.json"]
            for name in ["targets", *names]
            if f"{name}.json" in self.snapshot.signed.meta
        }
        meta |= {
            f"{name}.json": MetaFile.from_data(made.signed.version, made.to_bytes(), ["sha256"])
            for name, made in changed.items()
        }
        version = self.snapshot.signed.version + 1
        made = Metadata(Snapshot(version, expires=_soon(SNAPSHOT_EXPIRES), meta=meta))
        self._sign(made, _keyids(roots, "snapshot"), "snapshot")
        return made

    def _next_timestamp(self, snapshot: int, roots: list[Root]) -> Metadata[Timestamp]:
        version = self.timestamp.signed.version + 1
        data = (self._metadata / f"{snapshot}.snapshot.json").read_bytes()
        meta = MetaFile.from_data(snapshot, data, ["sha256"])
        made = Metadata(Timestamp(version, expires=_soon(self._expires), snapshot_meta=meta))
        self._sign(made, _keyids(roots, "timestamp"), "timestamp")
        return made

    def _sign(self, metadata: Metadata[Any], keyids: Iterable[str], role: str) -> None:
        signers = self.ring.having(dict.fromkeys(keyids))
        if not signers:
            raise UsageError(
                f"the key that signs {role} is not in {self.ring.folder}",
                code="no_key",
                hint="put it there, or rotate it: tutela list keys rotate",
            )
        for one in signers:
            metadata.sign(one, append=True)

    def _write(self, name: str, metadata: Metadata[Any]) -> None:
        write_durable(self._metadata / name, metadata.to_bytes())

    def _paths(self) -> set[Path]:
        files = {self._metadata / "timestamp.json"}
        files |= {
            self._metadata / f"{meta.version}.{name}"
            for name, meta in self.snapshot.signed.meta.items()
        }
        files.add(self._metadata / f"{self.snapshot.signed.version}.snapshot.json")
        for metadata in self.lists.values():
            files |= {self.target_path(target) for target in metadata.signed.targets.values()}
        return files

    def _leave(self, gone: set[Path]) -> None:
        """Note when files ceased to be published, and remove those that did long ago."""
        moment = time.time()
        for path in gone:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (moment, moment))
        keep = self._paths()
        for path in [*self._metadata.iterdir(), *self._targets.glob("*/*")]:
            if path in keep or _ROOT.fullmatch(path.name):
                continue
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < moment - KEPT_S:
                    path.unlink()


def begin(
    folder: Path,
    ring: Keyring,
    root: Metadata[Root],
    targets: Metadata[Targets],
    timestamp_expires: timedelta,
) -> Repository:
    """Write the first state of a repository: no list yet.

    Raises:
        UsageError: there is one already.
        ServiceError: it cannot be written.
    """
    metadata = folder / METADATA
    if last_root(folder) is not None:
        raise UsageError(f"there is a publication in {folder} already")
    try:
        metadata.mkdir(parents=True, exist_ok=True)
        (folder / TARGETS).mkdir(exist_ok=True)
        body = targets.to_bytes()
        write_durable(metadata / "1.targets.json", body)
        snapshot = Metadata(Snapshot(1, expires=_soon(SNAPSHOT_EXPIRES)))
        snapshot.signed.meta = {"targets.json": MetaFile.from_data(1, body, ["sha256"])}
        _sign_online(snapshot, ring, root.signed, "snapshot")
        write_durable(metadata / "1.snapshot.json", snapshot.to_bytes())
        stamp = Metadata(Timestamp(1, expires=_soon(timestamp_expires)))
        stamp.signed.snapshot_meta = MetaFile.from_data(1, snapshot.to_bytes(), ["sha256"])
        _sign_online(stamp, ring, root.signed, "timestamp")
        write_durable(metadata / "timestamp.json", stamp.to_bytes())
        write_durable(metadata / "1.root.json", root.to_bytes())
    except OSError as error:
        raise ServiceError(f"cannot write {folder}: {error.strerror}") from error
    return Repository(folder, ring, timestamp_expires)


def _sign_online(metadata: Metadata[Any], ring: Keyring, root: Root, role: str) -> None:
    for one in ring.having(root.roles[role].keyids):
        metadata.sign(one, append=True)


def last_root(folder: Path) -> Path | None:
    """Return the file of the newest root of a repository, None where there is none."""
    found = {}
    if (folder / METADATA).is_dir():
        for path in (folder / METADATA).iterdir():
            if named := _ROOT.fullmatch(path.name):
                found[int(named[1])] = path
    return found[max(found)] if found else None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the one lock of a publication.

    Raises:
        ServiceError: another process holds it (code `publication_locked`).
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError(
                "another process is publishing",
                code="publication_locked",
                hint="wait until it has finished",
            ) from None
        yield


def _keyids(roots: list[Root], role: str) -> list[str]:
    return [keyid for root in roots for keyid in root.roles[role].keyids]


def _soon(after: timedelta) -> datetime:
    return (now() + after).replace(microsecond=0)
