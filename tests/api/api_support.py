"""A small installation for tests of the API: an owner of lists, members, and a real server."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import uvicorn
from sqlalchemy import insert, select, update

from tutela.access import accounts, tokens
from tutela.api import app
from tutela.api.office import Desk
from tutela.api.protocols import feed
from tutela.core.entry import Role as ListRole
from tutela.core.ids import EntryId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Principal, Role, Via
from tutela.core.settings import ApiSettings, Settings
from tutela.core.time import now
from tutela.exchange import entries, lists, members
from tutela.exchange.candidate import Candidate
from tutela.exchange.model import Coded, Content, MemberPermission
from tutela.store import Database
from tutela.store.tables.access import Account, AccountRole, Organisation
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.exchange import ExchangeHead, ListedEntry

A1 = Coded("US", "ncmec", "A1")
B2 = Coded("US", "ncmec", "B2")
UK_A = Coded("GB", "uk-abc", "A")


@dataclass
class Member:
    """A program of a member organisation, with its token."""

    name: str
    organisation_id: int
    account_id: int
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Exchange:
    """What tests of the API work with; `folder` has the feed's key."""

    desk: Desk
    owner: Principal
    owner_id: int
    list_id: int
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.desk.database

    def account(self, organisation: str, name: str, role: Role | None) -> Member:
        """Enrol a program as an administrator does, without the second person."""
        token, kept = tokens.new_token()
        with self.database.write() as tx:
            made = _organisation(tx, organisation)
            account = tx.execute(
                insert(Account)
                .values(
                    organisation_id=made,
                    name=name,
                    display_name=name,
                    kind="program",
                    state="active",
                    token_hash=kept,
                    created_at=now(),
                )
                .returning(Account.id)
            ).scalar_one()
            if role is not None:
                tx.execute(insert(AccountRole).values(account_id=account, role=role.value))
        self.members[name] = Member(name, made, account, token)
        return self.members[name]

    def join(self, member: Member, list_id: int | None = None, jurisdictions=()) -> Member:
        with self.database.write() as tx:
            members.add(
                tx,
                self.owner,
                list_id or self.list_id,
                member.organisation_id,
                MemberPermission.READ,
                jurisdictions,
            )
        return member

    def principal(self, member: Member) -> Principal:
        with self.database.read() as tx:
            return accounts.by_token(tx, member.token, Via.API)

    def another_list(self, name: str, role: ListRole = ListRole.ALERT) -> int:
        with self.database.write() as tx:
            return lists.create(
                tx, self.owner, name, title=name.title(), purpose="invented", role=role
            )

    def add(self, *candidates: Candidate, list_id: int | None = None) -> list[EntryId]:
        with self.database.write() as tx:
            added = entries.add(tx, self.owner, list_id or self.list_id, candidates)
        assert not added.refused
        return list(added.ids)

    def withdraw(self, *ids: EntryId) -> None:
        with self.database.write() as tx:
            assert entries.withdraw(tx, self.owner, self.list_id, ids, "invented") == len(ids)

    def remove(self, *ids: EntryId) -> None:
        with self.database.write() as tx:
            assert entries.remove(tx, self.owner, self.list_id, ids, "invented") == len(ids)

    def events(self, action: str) -> list[dict]:
        with self.database.read() as tx:
            rows = tx.execute(
                select(AuditEvent.subject, AuditEvent.body)
                .where(AuditEvent.action == action)
                .order_by(AuditEvent.seq)
            )
            return [{"subject": row.subject, "body": bytes(row.body)} for row in rows]

    def date_back(self, seconds: int) -> None:
        """Let everything have happened earlier, for clients that ask up to five seconds ago."""
        past = timedelta(seconds=seconds)
        with self.database.write() as tx:
            for table in (ListedEntry, ExchangeHead):
                names = ["changed_at"] + ["answered_until"] * (table is ExchangeHead)
                for row in tx.execute(select(table.id, *(getattr(table, n) for n in names))).all():
                    values = {n: getattr(row, n) - past for n in names}
                    tx.execute(update(table).where(table.id == row.id).values(**values))


def digest(number: int, kind: str) -> bytes:
    return hashlib.new(kind, f"invented {number}".encode()).digest()


def image(number: int, *codes: Coded, quality: int = 100, tags=()) -> Candidate:
    """An invented picture: its values are digests of a number."""
    return Candidate(
        content=Content.IMAGE,
        digests=Digests(digest(number, "md5"), digest(number, "sha1"), digest(number, "sha256")),
        fingerprints=(Fingerprint(PDQ, digest(number, "sha3_256"), quality),),
        codes=codes or (A1,),
        tags=tags,
        reference=f"R{number}",
    )


def video(number: int, *codes: Coded) -> Candidate:
    return Candidate(
        content=Content.VIDEO,
        digests=Digests(digest(number, "md5"), digest(number, "sha1"), digest(number, "sha256")),
        codes=codes or (B2,),
    )


def pdq(number: int) -> str:
    return digest(number, "sha3_256").hex()


def md5(number: int) -> str:
    return digest(number, "md5").hex()


def build(database: Database, folder: Path, api: ApiSettings | None = None) -> Exchange:
    """Make an owner with a list, and a member that is a platform."""
    settings = api or ApiSettings(feed_key=folder / "feed.key")
    feed.create_key(settings, settings.feed_key)
    with database.write() as tx:
        owner_id = _organisation(tx, "Example Hotline")
        owner = Principal(None, owner_id, "owner", frozenset({Role.SUPERVISOR}), Via.CLI)
        made = lists.create(
            tx, owner, "known", title="Known", purpose="invented", role=ListRole.ALERT
        )
    desk = Desk(Settings(api=settings), database)
    exchange = Exchange(desk, owner, owner_id, made)
    exchange.join(exchange.account("Example Platform", "platform", Role.LIST_MEMBER))
    return exchange


def _organisation(tx, name: str) -> int:
    found = tx.execute(
        select(Organisation.id).where(Organisation.name == name)
    ).scalar_one_or_none()
    if found is not None:
        return found
    return tx.execute(
        insert(Organisation)
        .values(name=name, country="DE", created_at=now())
        .returning(Organisation.id)
    ).scalar_one()


class Serving:
    """The API of an installation on a loopback port, in a thread of the test."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        config = uvicorn.Config(
            self._app, interface="asgi3", port=0, log_config=None, access_log=False, lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.requests: list[str] = []

    async def _app(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            self.requests.append(f"{scope['method']} {scope['path']}")
        await self.built(scope, receive, send)

    def __enter__(self) -> str:
        self.built = app.build(self.exchange.desk)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()


class NamedServing(Serving):
    """Pages name the next one by the address that programs use, which is known once it listens."""

    def __enter__(self) -> str:
        base = super().__enter__()
        desk = self.exchange.desk
        settings = msgspec.structs.replace(
            desk.settings, api=msgspec.structs.replace(desk.settings.api, origin=base)
        )
        self.built.state["desk"] = replace(desk, settings=settings)
        return base
