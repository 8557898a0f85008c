"""A small installation for tests of pages: accounts of every role, a case with drawn pictures."""

from __future__ import annotations

import hashlib
import io
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image
from sqlalchemy import insert

from tutela.access.model import ALLOWED
from tutela.access.seal import KEY_BYTES, Sealer
from tutela.core.principal import Role
from tutela.core.settings import Settings, VaultSettings, WebSettings
from tutela.core.time import now
from tutela.evidence.render import Renderer
from tutela.evidence.vault import Vault, master_key
from tutela.evidence.vault.master import create_file
from tutela.store import Database
from tutela.store.tables.access import Account, AccountRole, CaseMember, Organisation, WebSession
from tutela.store.tables.casework import (
    Authority,
    Case,
    CaseMedia,
    Exhibit,
    Media,
    Sighting,
    Stack,
)
from tutela.store.tables.vault import VaultObject
from tutela.web import app
from tutela.web.office import Office

PICTURES = 12
STACKED = 3


@dataclass
class Installation:
    """What tests of pages work with; `tokens` sign an account of each role in."""

    office: Office
    case_id: int
    media: list[int]
    stacks: list[int]
    accounts: dict[str, int]
    tokens: dict[str, str]
    originals: dict[int, bytes] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.office.database


def picture(number: int) -> bytes:
    """Draw a picture: coloured blocks, different for each number."""
    random = np.random.default_rng(number)
    blocks = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    drawn = Image.fromarray(blocks).resize((640, 480), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    drawn.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def build(database: Database, folder: Path, renderer: Renderer | None) -> Installation:
    """Make an installation in a fresh database; the case's team has an account of every role."""
    key = folder / "master.key"
    create_file(key)
    settings = Settings(
        vault=VaultSettings(path=folder / "vault", master_key=f"file:{key}"),
        web=WebSettings(origin="http://localhost:8470"),
    )
    vault = Vault(settings.vault.path, master_key(settings.vault))
    office = Office(settings, database, Sealer(bytes(KEY_BYTES)), vault, renderer)
    with database.write() as tx:
        accounts, tokens = _accounts(tx)
        case_id = _case(tx, accounts)
        media, stacks, originals = _media(tx, office, case_id)
    return Installation(office, case_id, media, stacks, accounts, tokens, originals)


def _accounts(tx) -> tuple[dict[str, int], dict[str, str]]:
    moment = now()
    office = tx.execute(
        insert(Organisation)
        .values(name="Northshire Police", country="GB", created_at=moment)
        .returning(Organisation.id)
    ).scalar_one()
    accounts, tokens = {}, {}
    for role in [*map(str, Role), "outsider"]:
        account = tx.execute(
            insert(Account)
            .values(
                organisation_id=office,
                name=role,
                display_name=role.replace("_", " ").title(),
                kind="person",
                state="active",
                created_at=moment,
            )
            .returning(Account.id)
        ).scalar_one()
        # The outsider has every role but is of no team.
        for held in ALLOWED if role == "outsider" else [role]:
            tx.execute(insert(AccountRole).values(account_id=account, role=str(held)))
        accounts[role], tokens[role] = account, session(tx, account)
    return accounts, tokens


def session(tx, account: int) -> str:
    """Open a session as signing in does, and return its token."""
    token, moment = secrets.token_urlsafe(32), now()
    tx.execute(
        insert(WebSession).values(
            token_hash=hashlib.sha256(token.encode()).digest(),
            account_id=account,
            state="active",
            created_at=moment,
            seen_at=moment,
            expires_at=moment + timedelta(hours=8),
            data={},
        )
    )
    return token


def _case(tx, accounts: dict[str, int]) -> int:
    moment = now()
    authority = tx.execute(
        insert(Authority)
        .values(
            legal_basis="Invented Act 2020, section 1",
            reference="W/1",
            scope="one telephone",
            granted_by="Invented court",
            valid_from=moment - timedelta(days=1),
            valid_until=moment + timedelta(days=30),
        )
        .returning(Authority.id)
    ).scalar_one()
    case = tx.execute(
        insert(Case)
        .values(
            number="NS/2026/1",
            title="An invented case",
            organisation_id=1,
            authority_id=authority,
            scheme="uk-abc",
            state="open",
            keeps_media=True,
            legal_hold=False,
            created_at=moment,
            created_by=accounts["examiner"],
            generation=0,
            extra={},
        )
        .returning(Case.id)
    ).scalar_one()
    for role, account in accounts.items():
        if role != "outsider":
            tx.execute(insert(CaseMember).values(case_id=case, account_id=account, added_at=moment))
    return case


def _media(tx, office: Office, case: int) -> tuple[list[int], list[int], dict[int, bytes]]:
    """Insert pictures: the first `STACKED` are one stack, each other one has its own."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    exhibit = tx.execute(
        insert(Exhibit)
        .values(
            case_id=case,
            label="E1",
            source="invented",
            device="telephone",
            state="complete",
            seen=PICTURES,
            hashed=PICTURES,
            skipped=0,
            failed=0,
            size_bytes=0,
            started_at=moment,
            extra={},
        )
        .returning(Exhibit.id)
    ).scalar_one()
    media, stacks, originals = [], [], {}
    for number in range(PICTURES):
        data = picture(number)
        made = tx.execute(
            insert(Media)
            .values(
                sha256=hashlib.sha256(data).digest(),
                size_bytes=len(data),
                kind="jpeg",
                is_picture=True,
                width=640,
                height=480,
                pdq=hashlib.sha256(data).digest(),
                pdq_quality=100,
                captured_at=moment + timedelta(days=20 * number),
                latitude=51.5 + number / 100,
                longitude=-0.1,
                camera_make="SynthCam",
                camera_model="One",
                camera_serial="S1",
                first_seen_at=moment,
            )
            .returning(Media.id)
        ).scalar_one()
        if number == 0 or number >= STACKED:
            size = STACKED if number == 0 else 1
            stacks.append(
                tx.execute(
                    insert(Stack)
                    .values(case_id=case, lead_media_id=made, size=size, cutoff_bits=16)
                    .returning(Stack.id)
                ).scalar_one()
            )
        tx.execute(
            insert(CaseMedia).values(
                case_id=case,
                media_id=made,
                state="open",
                stack_id=stacks[-1],
                position=number,
                priority=0,
                reasons=[],
                sightings=1,
                sampled=False,
                extra={},
            )
        )
        tx.execute(
            insert(Sighting).values(
                exhibit_id=exhibit,
                media_id=made,
                ordinal=number,
                place=hashlib.sha256(str(number).encode()).digest(),
                path=f"DCIM/{number}.jpg",
                inside=[],
                status="hashed",
                reason="",
                detail="",
                size_bytes=len(data),
                deleted=False,
                extra={},
            )
        )
        _keep(tx, office, made, data)
        media.append(made)
        originals[made] = data
    office.vault.flush()
    return media, stacks, originals


def _keep(tx, office: Office, media: int, data: bytes) -> None:
    grey = Image.open(io.BytesIO(data)).convert("L").resize((16, 12)).resize((160, 120))
    stream = io.BytesIO()
    grey.save(stream, "WEBP")
    for kind, content in (("original", data), ("thumbnail", stream.getvalue())):
        tx.execute(
            insert(VaultObject).values(
                id=office.vault.put(kind, content),
                media_id=media,
                kind=kind,
                size_bytes=len(content),
                created_at=now(),
            )
        )


class Serving:
    """The pages of an installation on a loopback port, in a thread of the test."""

    def __init__(self, installation: Installation) -> None:
        config = uvicorn.Config(
            app.build(installation.office), port=0, log_config=None, access_log=False
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://localhost:{port}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()
