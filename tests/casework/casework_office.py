"""Organisations, people and cases put straight into a database, for tests of casework.

Media are numbers with made-up digests: there is no picture behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert, select

from tutela.core.ids import AccountId, CaseId, ExhibitId, MediaId, OrganisationId, StackId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store import Database
from tutela.store.bulk import insert_returning, insert_rows
from tutela.store.tables.access import Account, AccountRole, CaseMember, Organisation
from tutela.store.tables.casework import (
    Authority,
    Case,
    CaseMedia,
    Exhibit,
    Media,
    Sighting,
    Stack,
)

ORGANISATIONS = ("North Force", "South Force", "Coast Hotline")
# Two graders each: a second reading needs somebody else.
PEOPLE = (
    ("examiner", Role.EXAMINER),
    ("grader", Role.GRADER),
    ("grader2", Role.GRADER),
    ("victims", Role.VICTIM_IDENTIFICATION),
    ("supervisor", Role.SUPERVISOR),
    ("administrator", Role.ADMINISTRATOR),
    ("auditor", Role.AUDITOR),
    ("member", Role.LIST_MEMBER),
)
CASE_ROLES = (Role.EXAMINER, Role.GRADER, Role.VICTIM_IDENTIFICATION, Role.SUPERVISOR)


@dataclass(frozen=True)
class MadeCase:
    """A case as it was made; `stack_ids[i]` is the stack of `media_ids[i]`."""

    id: CaseId
    exhibit_id: ExhibitId
    media_ids: list[MediaId]
    stack_ids: list[StackId]


@dataclass
class Office:
    """Three organisations; `person("grader", 1)` is the Principal of one account."""

    database: Database
    organisations: list[OrganisationId] = field(default_factory=list)
    _people: dict[tuple[str, int], Principal] = field(default_factory=dict)
    _made: int = 0
    _media: int = 0

    def __post_init__(self) -> None:
        with self.database.write() as tx:
            for place, name in enumerate(ORGANISATIONS):
                self._organisation(tx, place, name)

    def person(self, name: str, organisation: int = 0) -> Principal:
        """Return one of `PEOPLE` (or of those hired later) of an organisation, 0 to 2."""
        return self._people[name, organisation]

    def hire(self, tx: Connection, name: str, role: Role, organisation: int = 0) -> Principal:
        """Add one more account."""
        return self._account(tx, organisation, name, role)

    def make_case(
        self,
        media: int | Sequence[MediaId] = 10,
        *,
        organisation: int = 0,
        scheme: str = "uk-abc",
        stacks: Sequence[int] = (),
        team: Sequence[Principal] | None = None,
        valid_days: int = 30,
    ) -> MadeCase:
        """Make a case with new media (a number) or with media of another case (their ids).

        `stacks` are sizes of the first stacks, in order; the rest have one each. The team are all
        of the organisation whose role works on cases, unless it is given.
        """
        with self.database.write() as tx:
            media_ids = self._new_media(tx, media) if isinstance(media, int) else list(media)
            case_id = self._case(tx, organisation, scheme, valid_days)
            members = (
                [who for (_, at), who in self._people.items() if at == organisation]
                if team is None
                else team
            )
            working = [who for who in members if who.roles & set(CASE_ROLES)]
            join(tx, case_id, working)
            exhibit_id = _exhibit(tx, case_id, media_ids)
            stack_ids = _stack(tx, case_id, media_ids, stacks)
        return MadeCase(case_id, exhibit_id, media_ids, stack_ids)

    def _organisation(self, tx: Connection, place: int, name: str) -> None:
        made = tx.execute(
            insert(Organisation)
            .values(name=name, country="ZZ", created_at=now())
            .returning(Organisation.id)
        )
        self.organisations.append(OrganisationId(made.scalar_one()))
        for person, role in PEOPLE:
            self._account(tx, place, person, role)

    def _account(self, tx: Connection, place: int, name: str, role: Role) -> Principal:
        full = f"{name}.{place}"
        made = tx.execute(
            insert(Account)
            .values(
                organisation_id=self.organisations[place],
                name=full,
                display_name=full.title(),
                kind="person",
                state="active",
                created_at=now(),
            )
            .returning(Account.id)
        )
        account_id = AccountId(made.scalar_one())
        tx.execute(insert(AccountRole).values(account_id=account_id, role=role))
        who = Principal(account_id, self.organisations[place], full, frozenset({role}), Via.WEB)
        self._people[name, place] = who
        return who

    def _new_media(self, tx: Connection, count: int) -> list[MediaId]:
        rows = [_media(number) for number in range(self._media, self._media + count)]
        self._media += count
        return [MediaId(media_id) for media_id in insert_returning(tx, Media, rows)]

    def _case(self, tx: Connection, organisation: int, scheme: str, valid_days: int) -> CaseId:
        self._made += 1
        authority = tx.execute(
            insert(Authority)
            .values(
                legal_basis="Test Act, section 1",
                reference=f"W-{self._made}",
                scope="all exhibits of this case",
                granted_by="Test Court",
                valid_from=now() - timedelta(days=60),
                valid_until=now() + timedelta(days=valid_days),
            )
            .returning(Authority.id)
        ).scalar_one()
        made = tx.execute(
            insert(Case)
            .values(
                number=f"TEST/{self._made:04}",
                title="An invented case",
                organisation_id=self.organisations[organisation],
                authority_id=authority,
                scheme=scheme,
                state="open",
                keeps_media=True,
                legal_hold=False,
                created_at=now(),
                created_by=self.person("examiner", organisation).account_id,
                generation=0,
                extra={},
            )
            .returning(Case.id)
        )
        return CaseId(made.scalar_one())


def join(tx: Connection, case_id: CaseId, members: Sequence[Principal]) -> None:
    """Put people on the team of a case."""
    insert_rows(
        tx,
        CaseMember,
        [
            {
                "case_id": case_id,
                "account_id": who.account_id,
                "added_at": now(),
                "added_by": who.account_id,
            }
            for who in members
        ],
    )


def case_row(tx: Connection, case_id: CaseId, media_id: MediaId) -> Any:
    """Return where a media stands in a case."""
    return tx.execute(
        select(CaseMedia.__table__).where(
            CaseMedia.case_id == case_id, CaseMedia.media_id == media_id
        )
    ).one()


def _media(number: int) -> dict[str, object]:
    sha256 = hashlib.sha256(f"media {number}".encode()).digest()
    return {
        "sha256": sha256,
        "sha1": hashlib.sha1(sha256).digest(),
        "md5": hashlib.md5(sha256).digest(),
        "size_bytes": 1000 + number,
        "kind": "jpeg",
        "is_picture": True,
        "width": 640,
        "height": 480,
        "pdq": hashlib.sha256(b"pdq" + sha256).digest(),
        "pdq_quality": 100,
        "scene": None,
        "camera_make": None,
        "camera_model": None,
        "camera_serial": None,
        "captured_at": None,
        "latitude": None,
        "longitude": None,
        "first_seen_at": now(),
    }


def _exhibit(tx: Connection, case_id: CaseId, media_ids: Sequence[MediaId]) -> ExhibitId:
    made = tx.execute(
        insert(Exhibit)
        .values(
            case_id=case_id,
            label="EXH01",
            source="EXH01",
            device="invented phone",
            state="complete",
            seen=len(media_ids),
            hashed=len(media_ids),
            skipped=0,
            failed=0,
            size_bytes=1000 * len(media_ids),
            started_at=now(),
            finished_at=now(),
            extra={},
        )
        .returning(Exhibit.id)
    )
    exhibit_id = ExhibitId(made.scalar_one())
    insert_rows(
        tx,
        Sighting,
        [
            {
                "exhibit_id": exhibit_id,
                "media_id": media_id,
                "ordinal": ordinal,
                "place": hashlib.sha256(f"place {ordinal}".encode()).digest(),
                "path": f"DCIM/{ordinal:06}.jpg",
                "inside": [],
                "status": "hashed",
                "reason": "",
                "detail": "",
                "size_bytes": 1000,
                "modified_at": None,
                "deleted": False,
                "extra": {},
            }
            for ordinal, media_id in enumerate(media_ids)
        ],
    )
    return exhibit_id


def _stack(
    tx: Connection, case_id: CaseId, media_ids: Sequence[MediaId], sizes: Sequence[int]
) -> list[StackId]:
    rest = len(media_ids) - sum(sizes)
    assert rest >= 0, "more stacked than there is"
    groups: list[Sequence[MediaId]] = []
    at = 0
    for size in (*sizes, *([1] * rest)):
        groups.append(media_ids[at : at + size])
        at += size
    made = insert_returning(
        tx,
        Stack,
        [
            {
                "case_id": case_id,
                "lead_media_id": group[0],
                "size": len(group),
                "cutoff_bits": 16,
                "leased_by": None,
                "leased_until": None,
            }
            for group in groups
        ],
    )
    stack_ids = [StackId(number) for number, group in zip(made, groups, strict=True) for _ in group]
    insert_rows(
        tx,
        CaseMedia,
        [
            {
                "case_id": case_id,
                "media_id": media_id,
                "state": "open",
                "code": None,
                "stack_id": stack_id,
                "position": position,
                "priority": 0,
                "reasons": [],
                "sightings": 1,
                "sampled": False,
                "extra": {},
            }
            for position, (media_id, stack_id) in enumerate(zip(media_ids, stack_ids, strict=True))
        ],
    )
    return stack_ids
