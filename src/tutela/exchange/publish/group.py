"""What members of one set of jurisdictions get: a head, and the full copy and steps it names."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection
from tuf.api.metadata import TargetFile

from tutela.core.errors import IntegrityError
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange import changes, generation
from tutela.exchange.crypt import Identity, encrypt
from tutela.exchange.generation import Generation
from tutela.exchange.model import ListView
from tutela.exchange.publication import (
    HEAD_SUFFIX,
    STEPS_LIMIT,
    Full,
    Head,
    Part,
    SegmentPart,
    Step,
    decoded,
    encoded,
    first_state,
    next_state,
)
from tutela.exchange.publish.copies import Copy, Written, described, write_copy, write_step
from tutela.exchange.publish.repository import Repository

SMALL = 20_000  # entries; of lists up to this every generation has a full copy
SHARE = 10  # of larger ones, once the steps say as much as a tenth of it
STEPS = 32  # steps since the full copy, at most


@dataclass(frozen=True)
class Group:
    """The members of a list who have the same jurisdictions, as their age recipients."""

    role: str
    view: ListView  # as these members see the list
    recipients: tuple[str, ...]


@dataclass
class Drawn:
    """What was read of the database for a group, before anything of it is encrypted."""

    head: Head | None  # the one before
    step: Written | None = None
    copy: Copy | None = None
    active: int = 0


class GroupPublisher:
    """Makes the targets of one group.

    Args:
        group: Whose.
        repository: Where the ones before are.
        identity: The publisher's own: it can read what it published.
        scratch: An empty folder for what is not encrypted yet.
    """

    def __init__(
        self, group: Group, repository: Repository, identity: Identity, scratch: Path
    ) -> None:
        self.group, self._repository, self._identity = group, repository, identity
        self._scratch = scratch
        jurisdictions = sorted(group.view.jurisdictions)
        self._head_name = identity.tag("group", group.role, *jurisdictions) + HEAD_SUFFIX
        self._recipients = identity.tag("recipients", *sorted(group.recipients))
        metadata = repository.lists.get(group.role)
        self._targets: Mapping[str, TargetFile] = metadata.signed.targets if metadata else {}
        self.before = self._last_head()

    def _last_head(self) -> Head | None:
        """Return the head that is published, None where there is none that we can read."""
        target = self._targets.get(f"{self.group.role}/{self._head_name}")
        if target is None:
            return None
        sink = io.BytesIO()
        try:
            body = self._repository.target_path(target).read_bytes()
            if not self._identity.decrypt(io.BytesIO(body), sink):
                return None
            return decoded(sink.getvalue())
        except (IntegrityError, OSError):
            return None  # damaged or lost: members begin anew

    def current(self, sealed: Generation) -> dict[str, TargetFile] | None:
        """Return the targets that are published if nothing about them has to change."""
        head = self.before
        if head is None or head.recipients != self._recipients or head.change != sealed.change:
            return None
        kept = {f"{self.group.role}/{self._head_name}", *_named(head)}
        return {path: target for path, target in self._targets.items() if path in kept}

    def draw(self, tx: Connection, who: Principal, sealed: Generation) -> Drawn:
        """Read what has to be published, in one transaction that sees the list as it was sealed."""
        view, head = self.group.view, self.before
        drawn = Drawn(head, active=changes.count(tx, who, view))
        if head is not None and head.change < sealed.change:
            listed = generation.delta(tx, who, view, head.change, sealed.change)
            drawn.step = write_step(self._scratch / "step", listed, view)
        if head is None or self._wants_copy(head, drawn):
            drawn.copy = write_copy(self._scratch, changes.current(tx, who, view), view)
        return drawn

    def _wants_copy(self, head: Head, drawn: Drawn) -> bool:
        since = _since(head)
        lines = sum(step.lines for step in since) + (drawn.step.lines if drawn.step else 0)
        return (
            head.recipients != self._recipients
            or (drawn.step is not None and drawn.active <= SMALL)
            or lines > drawn.active // SHARE
            or len(since) + 1 > STEPS
        )

    def make(self, sealed: Generation, drawn: Drawn) -> dict[str, TargetFile]:
        """Encrypt what was read into the repository, and return all targets of the group."""
        made: dict[str, TargetFile] = {}
        steps = list(drawn.head.steps if drawn.head else ())
        state = drawn.head.state if drawn.head else ""
        if drawn.step and drawn.head:
            part = self._put(drawn.step.path, made)
            after = next_state(state, part.sha256)
            steps.append(
                Step(drawn.head.generation, state, sealed.number, after, drawn.step.lines, part)
            )
            state = after
        full = drawn.head.full if drawn.head else None
        if drawn.copy:
            rows = self._put(drawn.copy.rows.path, made)
            state = state or first_state(rows.sha256)
            full = self._full(sealed, drawn.copy, rows, state, made)
        assert full is not None, "without a head before there is a copy"
        head = self._head(sealed, drawn.active, state, full, tuple(steps))
        kept = _named(head)
        made |= {path: one for path, one in self._targets.items() if path in kept}
        body = io.BytesIO(encoded(head))
        return made | self._encrypted(body, self._head_name)

    def _full(
        self,
        sealed: Generation,
        copy: Copy,
        rows: Part,
        state: str,
        made: dict[str, TargetFile],
    ) -> Full:
        segments = tuple(
            SegmentPart(
                self._put(path, made), record.space, record.kind, record.parameter, record.rows
            )
            for path, record in copy.segments
        )
        return Full(sealed.number, sealed.change, state, copy.rows.lines, rows, segments)

    def _head(
        self, sealed: Generation, active: int, state: str, full: Full, steps: tuple[Step, ...]
    ) -> Head:
        view = self.group.view
        head = Head(
            list=view.name,
            title=view.title,
            purpose=view.purpose,
            owner=view.owner,
            role=view.role,
            radius_bits=view.radius_bits,
            jurisdictions=tuple(sorted(view.jurisdictions)),
            generation=sealed.number,
            change=sealed.change,
            state=state,
            active=active,
            published_at=now().replace(microsecond=0),
            full=full,
            steps=steps[-STEPS_LIMIT:],
            recipients=self._recipients,
        )
        return msgspec.structs.replace(head, steps=_worth(head))

    def _put(self, path: Path, made: dict[str, TargetFile]) -> Part:
        """Encrypt a file into the repository under a name of chance; the file is gone then."""
        name = secrets.token_hex(16)
        part = described(path, f"{self.group.role}/{name}")
        with path.open("rb") as source:
            made |= self._encrypted(source, name)
        path.unlink()
        return part

    def _encrypted(self, source: BinaryIO, name: str) -> dict[str, TargetFile]:
        encrypted = self._scratch / "encrypted"
        recipients = {*self.group.recipients, self._identity.recipient}
        with encrypted.open("wb") as sink:
            encrypt(source, sink, sorted(recipients))
        target = self._repository.add_target(self.group.role, name, encrypted)
        return {target.path: target}


def _named(head: Head) -> set[str]:
    """Return the targets that a head names."""
    return {part.target for part in head.parts()}


def _since(head: Head) -> tuple[Step, ...]:
    """Return the steps that follow the full copy."""
    return head.after(head.full.state) or ()


def _worth(head: Head) -> tuple[Step, ...]:
    """Return the steps without old ones that together are larger than the full copy."""
    needed = len(_since(head))
    size_bytes, kept = 0, 0
    for step in reversed(head.steps):
        size_bytes += step.part.size_bytes
        if kept >= needed and size_bytes > head.full.rows.size_bytes:
            break
        kept += 1
    return head.steps[len(head.steps) - kept :]
