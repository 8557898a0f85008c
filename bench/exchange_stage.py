"""What the matching benchmark stands on: a library, a database with a member, a real server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from match import uniform_codes
from tutela.access import accounts
from tutela.core.entry import Provenance, Role
from tutela.core.ids import EntryId, ListId, OrganisationId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Principal, Via
from tutela.core.principal import Role as AccountRole
from tutela.exchange.carry import entry_of
from tutela.exchange.model import Coded, Content, EntryState, Listed
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.hashlist.store import EntryWriter, Record, write_durable
from tutela.match.key import pack_key
from tutela.match.writer import IndexWriter
from tutela.store import Database, schema
from tutela.store.tables.access import AccountRole as AccountRoleRow
from tutela.store.tables.exchange import PublishedList

LIST = "alerts"
FRESH = "fresh"  # the list that grows while it is asked
QUERIES = 1 << 15
BLOCK = 1 << 17
WHEN = datetime(2026, 11, 22, tzinfo=UTC)
GLASS = Principal(None, None, "benchmark", frozenset(), Via.BREAK_GLASS)
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Stage:
    """Where everything lies; `queries` (q, 32) are half near an entry and half near none."""

    folder: Path
    rows: int
    codes: Codes
    queries: Codes
    token: str

    @property
    def library(self) -> Path:
        """The folder of the library."""
        return self.folder / "library"


def build(folder: Path, rows: int) -> Stage:
    """Make a library of one list with `rows` entries, and a database with one member of it."""
    codes, queries = uniform_codes(rows, QUERIES)
    stage = Stage(folder, rows, codes, queries, _database(folder))
    if not (stage.library / "library.json").exists():
        _fill(stage)
    return stage


def _fill(stage: Stage) -> None:
    Library.create(stage.library)
    own = Provenance(LIST, "benchmark", 0, WHEN, "Example Hotline")
    with IndexWriter(stage.library / "index") as writer:
        number = writer.define_list(LIST, Role.ALERT)
        folder = stage.library / "lists" / str(number)
        folder.mkdir()
        with EntryWriter(folder) as entries:
            for begin in range(0, stage.rows, BLOCK):
                _block(stage.codes[begin : begin + BLOCK], begin, own, entries, writer, number)
            entries.finish()
        write_durable(folder / "info.json", msgspec.json.encode(_info(number, stage.rows)))
        writer.commit()


def _block(  # noqa: PLR0913, PLR0917 what is written, and where to
    codes: Codes,
    begin: int,
    own: Provenance,
    entries: EntryWriter,
    writer: IndexWriter,
    number: int,
) -> None:
    keys = np.arange(len(codes), dtype=np.uint64) + np.uint64(pack_key(number, begin))
    encode = msgspec.msgpack.Encoder().encode
    records, digests = [], []
    for place, code in enumerate(codes):
        bits = code.tobytes()
        one = listed(begin + place, bits)
        digests.append(one.digests.sha256 or b"")
        records.append(encode(Record.of(entry_of(one, own), own)))
    ends = np.cumsum([len(record) for record in records], dtype=np.uint32)
    entries.append(b"".join(records), ends)
    writer.add(PDQ, codes, keys)
    writer.add("sha256", np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32), keys)


def listed(number: int, bits: bytes) -> Listed:
    """Return an invented entry."""
    return Listed(
        id=EntryId(number + 1),
        list_id=ListId(1),
        content=Content.IMAGE,
        state=EntryState.ACTIVE,
        digests=Digests(sha256=hashlib.sha256(bits).digest()),
        fingerprints=(Fingerprint(PDQ, bits),),
        codes=(Coded("INT", "interpol-baseline", "1"), Coded("GB", "uk-abc", "A")),
        tags=("series-7",),
        source_id=OrganisationId(1),
        source="Example Hotline",
        reference=f"EH/{number}",
        change=number + 1,
        changed_at=WHEN,
    )


def _info(number: int, rows: int) -> ListInfo:
    return ListInfo(
        number=number,
        name=LIST,
        role=Role.ALERT,
        role_of={},
        format="tutela",
        source="benchmark",
        source_sha256="",
        source_bytes=0,
        received_from="Example Hotline",
        received_at=WHEN,
        rows=rows,
        entries=rows,
        quarantined=0,
        carried={PDQ: rows, "sha256": rows},
        compared={PDQ: rows, "sha256": rows},
        classifications=[],
        unclassified=0,
        remarks={},
        placeholders=[],
    )


def _database(folder: Path) -> str:
    """Make a database with a list and the program of its owner, and return the program's token."""
    path = folder / "tutela.db"
    path.unlink(missing_ok=True)
    with Database(f"sqlite:///{path}") as database:
        schema.upgrade(database)
        with database.write() as tx:
            office = accounts.create_organisation(tx, GLASS, "Example Platform", "DE")
            account, token = accounts.enrol_program(tx, GLASS, office, "matcher", ())
            tx.execute(
                insert(AccountRoleRow).values(
                    account_id=account, role=AccountRole.LIST_MEMBER.value
                )
            )
            for name in (LIST, FRESH):
                tx.execute(
                    insert(PublishedList).values(
                        name=name,
                        title=name,
                        purpose="benchmark",
                        owner_id=office,
                        role=Role.ALERT.value,
                        radius_bits=31,
                        state="open",
                        generation=0,
                        created_at=WHEN,
                    )
                )
    return token


@contextmanager
def serving(stage: Stage, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `tutela serve --api` over the stage, until the block ends."""
    settings = stage.folder / "tutela.toml"
    settings.write_text(
        f'[database]\nurl = "sqlite:///{stage.folder}/tutela.db"\n'
        f'[library]\npath = "{stage.library}"\n'
        # The benchmark's one member asks as much as a hundred would.
        f"[api]\nport = {port}\nrequests_per_minute = 10000000\n"
        # Its invented contents resemble the same entries all the time.
        "[match]\nquarantine_contents = 0\n"
    )
    tutela = str(Path(sys.executable).with_name("tutela"))
    command = [tutela, "serve", "--api", "--config", str(settings)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=_plain_environment())
    try:
        _wait(port, server)
        yield server
    finally:
        server.terminate()
        server.wait(30)


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TUTELA_")}


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/status", timeout=1).read()
        except (urllib.error.URLError, TimeoutError):
            if server.poll() is not None:
                raise RuntimeError("the server ended at once") from None
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server did not answer within two minutes")
