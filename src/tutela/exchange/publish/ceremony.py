"""Ceremonies: what root and targets keys sign, drafted here and signed wherever those keys are.

A change of keys or delegations is first a draft in the folder `proposed` beside the keys. `sign`
adds a signature, on any machine: it needs the draft and a key. `accept` publishes drafts that
enough keys have signed. Where the keys are here, all three happen at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets

from tutela.core.errors import ConflictError, IntegrityError, ServiceError, UsageError
from tutela.core.time import now
from tutela.exchange.publication import role_names
from tutela.exchange.publish.keys import Keyring, signer
from tutela.exchange.publish.repository import Repository, begin, last_root
from tutela.hashlist.store import write_durable

PROPOSED = "proposed"
OFFLINE = ("root", "targets")
ONLINE = ("snapshot", "timestamp")
EXPIRES = timedelta(days=365)
_LIMIT = 8 << 20


class Standing(msgspec.Struct, frozen=True):
    """How far a draft is: the signatures it still lacks, as (of which role, how many)."""

    name: str
    version: int
    lacks: tuple[tuple[str, int], ...]


@dataclass
class Ceremony:
    """The drafts beside a keyring and the repository that they are for."""

    folder: Path
    ring: Keyring
    timestamp_expires: timedelta

    def repository(self) -> Repository:
        """Open the repository."""
        return Repository(self.folder, self.ring, self.timestamp_expires)

    def _path(self, name: str) -> Path:
        return self.ring.folder / PROPOSED / f"{name}.json"

    def _pending(self, name: str) -> Metadata[Any] | None:
        path = self._path(name)
        return read(path) if path.exists() else None

    def begin(self, root: Sequence[Key], targets: Sequence[Key], threshold: int) -> list[Standing]:
        """Draft a new repository; keys that are not given are made here.

        Raises:
            UsageError: there is one already, or fewer keys than `threshold`.
        """
        if last_root(self.folder) is not None:
            raise UsageError(f"there is a publication in {self.folder} already")
        offline = {"root": root, "targets": targets}
        first = Root(expires=now().replace(microsecond=0) + EXPIRES, consistent_snapshot=True)
        for role, keys in offline.items():
            given = keys or [self.ring.new(role, offline=True)]
            if not 1 <= threshold <= len(given):
                raise UsageError(f"{threshold} signatures of {len(given)} {role} keys are not had")
            first.roles[role].threshold = threshold
            for key in given:
                first.add_key(key, role)
        for role in ONLINE:
            first.add_key(self.ring.new(role), role)
        empty = Targets(expires=first.expires, delegations=Delegations({}, {}))
        self._draft("root", Metadata(first))
        self._draft("targets", Metadata(empty))
        return self.go_on()

    def delegate(self, role: str) -> list[Standing]:
        """Draft the delegation of a new list to a key that is made here."""
        draft = self._next_targets()
        if role not in role_names(draft.signed):
            _delegate(draft.signed, role, self.ring.new(role))
            self._draft("targets", draft)
        return self.go_on()

    def rotate(self, role: str, keys: Sequence[Key] = ()) -> list[Standing]:
        """Draft other keys for a role: `root`, `targets`, `snapshot`, `timestamp` or a list's.

        Args:
            role: Which.
            keys: The public keys that take over; made here where none is given.

        Raises:
            UsageError: there is no such role, or fewer keys than have to sign.
        """
        if role not in (*OFFLINE, *ONLINE):
            draft = self._next_targets()
            if role not in role_names(draft.signed):
                raise UsageError(f"there is no role {role} in this publication")
            _delegate(draft.signed, role, *(keys or [self.ring.new(role)]))
            self._draft("targets", draft)
            return self.go_on()
        offline = role in OFFLINE
        draft_root = self._next_root()
        taking = keys or [
            self.ring.new(role, offline=offline)
            for _ in range(draft_root.signed.roles[role].threshold)
        ]
        if len(taking) < draft_root.signed.roles[role].threshold:
            raise UsageError(f"{role} needs more keys than {len(taking)}")
        for keyid in list(draft_root.signed.roles[role].keyids):
            draft_root.signed.revoke_key(keyid, role)
        for key in taking:
            draft_root.signed.add_key(key, role)
        self._draft("root", draft_root)
        if role == "targets":
            self._draft("targets", self._next_targets())
        return self.go_on()

    def renew(self) -> list[Standing]:
        """Draft root and targets anew with a year to run."""
        self._draft("root", self._next_root())
        self._draft("targets", self._next_targets())
        return self.go_on()

    def _next_root(self) -> Metadata[Root]:
        return self._next("root", lambda repository: repository.root)

    def _next_targets(self) -> Metadata[Targets]:
        return self._next("targets", lambda repository: repository.targets)

    def _next(self, name: str, present: Callable[[Repository], Metadata[Any]]) -> Metadata[Any]:
        """Return the pending draft, or one that follows what is published."""
        published = present(self.repository())
        pending = self._pending(name)
        # One that is published already was left by a ceremony that was killed.
        if pending is not None and pending.signed.version > published.signed.version:
            pending.signatures.clear()
            return pending
        following = Metadata.from_bytes(published.to_bytes())
        following.signed.version += 1
        following.signed.expires = now().replace(microsecond=0) + EXPIRES
        following.signatures.clear()
        return following

    def _draft(self, name: str, draft: Metadata[Any]) -> None:
        """Write a draft, with the signatures of the keys that are here."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.signatures.clear()
        write_durable(path, draft.to_bytes())

    def go_on(self) -> list[Standing]:
        """Sign drafts with the keys that are here, and publish them if that is enough.

        Returns:
            What drafts still lack; empty when all is published.
        """
        for name in OFFLINE:
            if (draft := self._pending(name)) is not None:
                for one in self.ring.having(self._signers_of(name)):
                    draft.sign(one, append=True)
                write_durable(self._path(name), draft.to_bytes())
        lacking = [standing for standing in self.standing() if standing.lacks]
        if not lacking:
            self.accept()
        return lacking

    def _roots(self) -> list[Root]:
        """Return the published root and the pending one, as far as there are."""
        last = last_root(self.folder)
        found = [Metadata[Root].from_file(str(last)).signed] if last else []
        if (pending := self._pending("root")) is not None and isinstance(pending.signed, Root):
            found.append(pending.signed)
        return found

    def _signers_of(self, name: str) -> list[str]:
        return [keyid for root in self._roots() for keyid in root.roles[name].keyids]

    def standing(self) -> list[Standing]:
        """Return what each draft still lacks."""
        found = []
        for name in OFFLINE:
            if (draft := self._pending(name)) is None:
                continue
            # A root is signed by those of the one before as well; targets by those of the last.
            roots = self._roots() if name == "root" else self._roots()[-1:]
            lacks = []
            for root in roots:
                result = root.get_verification_result(name, draft.signed_bytes, draft.signatures)
                if result.missing:
                    lacks.append((f"{name} of root {root.version}", result.missing))
            found.append(Standing(name, draft.signed.version, tuple(lacks)))
        return found

    def accept(self) -> None:
        """Publish the drafts.

        Raises:
            UsageError: there is none, or one lacks signatures.
            ConflictError: one does not follow what is published.
        """
        root, targets = self._pending("root"), self._pending("targets")
        if root is None and targets is None:
            raise UsageError("nothing waits to be published")
        for standing in self.standing():
            if standing.lacks:
                role, missing = standing.lacks[0]
                raise UsageError(
                    f"{standing.name} lacks {missing} signatures ({role})",
                    code="unsigned",
                    hint=f"tutela list keys sign {self._path(standing.name)} --key FILE",
                )
        if last_root(self.folder) is None:
            if root is None or targets is None:
                raise UsageError("a new publication needs both root and targets")
            begin(self.folder, self.ring, root, targets, self.timestamp_expires)
        else:
            self._follow(root, targets)
        for name in OFFLINE:
            self._path(name).unlink(missing_ok=True)
        repository = self.repository()
        self.ring.forget(used_keys(repository))

    def _follow(self, root: Metadata[Root] | None, targets: Metadata[Targets] | None) -> None:
        repository = self.repository()
        # A ceremony that was killed may have published one of the two already.
        if root and root.signed == repository.root.signed:
            root = None
        if targets and targets.signed == repository.targets.signed:
            targets = None
        for draft, present in ((root, repository.root), (targets, repository.targets)):
            if draft and draft.signed.version != present.signed.version + 1:
                raise ConflictError("a draft does not follow what is published")
        if root and not _clients_find(repository, targets):
            # The targets keys of the root before are lost: clients wait a moment, and go wrong not.
            repository.publish_root(root)
            root = None
        if root or targets:
            repository.publish(targets=targets, root=root)
        if root:
            repository.publish_root(root)
            repository.publish()  # signed by the new keys alone


def _clients_find(repository: Repository, targets: Metadata[Targets] | None) -> bool:
    """Tell whether clients that still know the root before accept the targets."""
    if targets is None:
        return True
    try:
        repository.root.signed.verify_delegate("targets", targets.signed_bytes, targets.signatures)
    except UnsignedMetadataError:
        return False
    return True


def used_keys(repository: Repository) -> set[str]:
    """Return the ids of all keys that the published metadata knows."""
    used = set(repository.root.signed.keys)
    delegations = repository.targets.signed.delegations
    return used | set(delegations.keys if delegations else ())


def _delegate(targets: Targets, role: str, *keys: Key) -> None:
    """Let `keys`, one of which is enough, sign for the files of a list; nobody else any more."""
    assert targets.delegations is not None, "ours always have some"
    roles = targets.delegations.roles
    assert roles is not None, "ours are named"
    if role in roles:
        for keyid in list(roles[role].keyids):
            targets.revoke_key(keyid, role)
    else:
        roles[role] = DelegatedRole(role, [], 1, terminating=True, paths=[f"{role}/*"])
    for key in keys:
        targets.add_key(key, role)


def sign(path: Path, key: Path) -> str:
    """Add a signature to a draft, on any machine; return what was signed.

    Raises:
        ServiceError: a file cannot be read or written.
        UsageError: the file is no draft, or the key no key.
    """
    draft = read(path)
    draft.sign(signer(key), append=True)
    write_durable(path, draft.to_bytes())
    return f"{draft.signed.type} version {draft.signed.version}"


def read(path: Path) -> Metadata[Any]:
    """Return the root or targets metadata in a file.

    Raises:
        ServiceError: it cannot be read.
        IntegrityError: it is no such metadata.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise IntegrityError(f"{path} is too long for a draft", code="draft")
        draft: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
    except OSError as error:
        raise ServiceError(f"cannot read {path}: {error.strerror}") from error
    except RepositoryError as error:
        raise IntegrityError(f"{path} is no metadata of a publication", code="draft") from error
    if draft.signed.type not in OFFLINE:
        raise IntegrityError(f"{path} is neither root nor targets", code="draft")
    return draft
