"""`tutela case import` with the files beside: what is theirs, what is not, and from end to end."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Connection, func, insert, select

import databases
from tutela.access import approvals
from tutela.audit.verify import verify
from tutela.casework.contents import stated
from tutela.casework.formats import equal, export
from tutela.casework.formats.vics_named import MARK
from tutela.cli import case as command
from tutela.cli.case_import import import_
from tutela.cli.demo import draw
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.ids import AccountId, CaseId, MediaId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.evidence.render import Renderer
from tutela.evidence.vault import Vault, master_key, objects
from tutela.fingerprint import content
from tutela.store import Database
from tutela.store.tables.access import Account, AccountRole, CaseMember
from tutela.store.tables.casework import (
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Sighting,
    Stack,
)
from tutela.store.tables.grading import Grade
from tutela.store.tables.vault import VaultObject

WARRANT: dict[str, Any] = {
    "legal_basis": "Test Act, s. 8",
    "reference": "W 12/26",
    "granted_by": "Test Court",
}
CONTEXT = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Cases"
RUN = "import sys; from tutela.cli.case import app; sys.exit(app(sys.argv[1:]))"


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUTELA_SCAN_JOBS", "2")


@pytest.fixture(scope="module")
def landscapes() -> list[bytes]:
    return [jpeg(draw.landscape(seed).resize((320, 240))) for seed in range(12)]


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def record(data: bytes, path: str, /, **more: Any) -> dict[str, Any]:
    """One Media record with all digests of a content; `...` leaves a key out."""
    md5 = hashlib.md5(data).hexdigest().upper()
    sha256 = hashlib.sha256(data).hexdigest()
    made: dict[str, Any] = {
        "MediaID": 1,
        "Category": 1,
        "MD5": md5,
        "SHA1": hashlib.sha1(data).hexdigest().upper(),
        "MimeType": "image/jpeg",
        "MediaSize": len(data),
        "RelativeFilePath": path,
        "AlternativeHashes": [{"HashName": "SHA256", "HashValue": sha256}],
        "MediaFiles": [{"MD5": md5, "FileName": "x.jpg", "FilePath": f"DCIM\\{sha256[:8]}"}],
    } | more
    return {key: value for key, value in made.items() if value is not ...}


def written(folder: Path, *media: dict[str, Any], number: str = "OP-9") -> Path:
    folder.mkdir(exist_ok=True)
    case = {"CaseNumber": number, "Media": list(media)}
    path = folder / "case.json"
    path.write_text(json.dumps({"@odata.context": CONTEXT, "value": [case]}), encoding="utf-8")
    return path


def put(folder: Path, path: str, data: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


def files_of(database: Database) -> dict[str, tuple[str, str]]:
    """Return how each file beside ended, by its path."""
    with database.read() as tx:
        rows = tx.execute(select(Sighting.path, Sighting.status, Sighting.reason, Sighting.extra))
        return {row.path: (row.status, row.reason) for row in rows if MARK in row.extra}


def installed() -> None:
    init(organisation="Example Force", country="DE", admin="ann.lee")


def test_only_what_is_what_it_says_is_taken(
    tmp_path: Path, landscapes: list[bytes], capsys: pytest.CaptureFixture[str]
):
    installed()
    folder = tmp_path / "handed"
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(landscapes[9])
    good, weak, lying, none, twice, video = *landscapes[:5], b"moving " * 1000
    put(folder, "Files/good.jpg", good)
    put(folder, "Files/weak.jpg", weak)
    put(folder, "Files/lying.jpg", landscapes[8])
    put(folder, "Files/twice.jpg", twice)
    put(folder, "Files/video.mp4", video)
    put(folder, "Files/cut.jpg", landscapes[5][:3000])
    (folder / "Files" / "link.jpg").symlink_to(outside)
    (folder / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(folder / "Files" / "pipe.jpg")
    with (folder / "Files" / "huge.bin").open("wb") as stream:
        stream.truncate(1 << 40)
    cut = landscapes[5][:3000]
    path = written(
        folder,
        record(good, "Files\\good.jpg"),
        record(good, "files/../Files/good.jpg"),
        record(weak, "Files/./weak.jpg", SHA1="", AlternativeHashes=...),
        record(lying, "Files\\lying.jpg"),
        record(none, "Files\\none.jpg"),
        record(twice, "Files\\twice.jpg"),
        record(landscapes[6], "Files\\twice.jpg"),
        record(video, "Files\\video.mp4", MimeType="video/mp4"),
        record(cut, "Files\\cut.jpg"),
        record(landscapes[9], "Files\\link.jpg"),
        record(landscapes[10], "elsewhere\\outside.jpg"),
        record(landscapes[11], "..\\outside.jpg"),
        record(b"absolute", str(outside)),
        record(b"drive", "C:\\outside.jpg"),
        record(b"pipe", "Files\\pipe.jpg"),
        record(b"huge", "Files\\huge.bin"),
        record(b"nothing beside", ...),  # type: ignore[arg-type]
    )
    assert import_(path, **WARRANT, keep_media=True) == 1
    said = capsys.readouterr().out
    assert "files beside: 16 named: 4 taken, 1 skipped, 11 failed" in said
    with opened() as office, office.database.read() as tx:
        found = files_of(office.database)
        assert found == {
            "Files/good.jpg": ("hashed", ""),
            "files/../Files/good.jpg": ("failed", "path"),
            "Files/weak.jpg": ("hashed", ""),
            "Files/lying.jpg": ("failed", "mismatch"),
            "Files/none.jpg": ("failed", "missing"),
            "Files/twice.jpg": ("failed", "claimed_twice"),
            "Files/video.mp4": ("hashed", ""),
            "Files/cut.jpg": ("failed", "truncated"),
            "Files/link.jpg": ("failed", "path"),
            "elsewhere/outside.jpg": ("failed", "path"),
            "..\\outside.jpg": ("failed", "path"),
            str(outside): ("failed", "path"),
            "C:\\outside.jpg": ("failed", "path"),
            "Files/pipe.jpg": ("failed", "path"),
            "Files/huge.bin": ("skipped", "sparse"),
        }
        (exhibit,) = tx.execute(select(Exhibit.__table__).where(Exhibit.label != "VICS"))
        assert (exhibit.state, exhibit.seen) == ("complete", 16)
        assert exhibit.seen == exhibit.hashed + exhibit.skipped + exhibit.failed
        media = {row.sha256: row for row in tx.execute(select(Media.__table__))}
        assert media[hashlib.sha256(weak).digest()].pdq is not None, "joined by MD5 alone"
        assert hashlib.sha256(landscapes[8]).digest() not in media, "the liar is no media"
        assert media[hashlib.sha256(lying).digest()].pdq is None
        kept = Counter(
            row.sha256
            for row in tx.execute(
                select(Media.sha256)
                .join(VaultObject, VaultObject.media_id == Media.id)
                .where(VaultObject.shredded_at.is_(None))
            )
        )
        taken = [good, weak, twice]
        assert {one: kept[hashlib.sha256(one).digest()] for one in taken} == dict.fromkeys(taken, 2)
        known = set(tx.scalars(select(VaultObject.id)))
        placed = tx.scalars(select(CaseMedia.media_id).where(CaseMedia.position.is_not(None)))
        assert media[hashlib.sha256(good).digest()].id in set(placed)
        assert verify(tx).sound
    chosen = core_settings.load().vault
    there = {file.name for file in (chosen.path / "objects").rglob("*") if file.is_file()}
    assert there == known, "what is nobody's media is not kept"


def test_what_was_missing_is_taken_when_it_is_there(
    tmp_path: Path, landscapes: list[bytes], capsys: pytest.CaptureFixture[str]
):
    installed()
    folder, disk = tmp_path / "handed", tmp_path / "disk"
    path = written(
        folder, *(record(one, f"Files\\{n}.jpg") for n, one in enumerate(landscapes[:3]))
    )
    assert import_(path, **WARRANT) == 0, "no file is there: none was handed over"
    assert "none of those is there" in capsys.readouterr().err
    put(disk, "Files/0.jpg", landscapes[0])
    assert import_(path, media=disk) == 1
    assert "3 named: 1 taken, 0 skipped, 2 failed" in capsys.readouterr().out
    put(disk, "Files/1.jpg", landscapes[1])
    put(disk, "Files/2.jpg", landscapes[2])
    assert import_(path, media=disk) == 0
    assert "3 named: 3 taken, 0 skipped, 0 failed" in capsys.readouterr().out
    with opened() as office, office.database.read() as tx:
        assert set(files_of(office.database).values()) == {("hashed", "")}
        assert tx.scalar(select(func.count()).select_from(VaultObject)) == 0, "hash-only"
        assert tx.scalar(select(func.count()).where(Media.pdq.is_not(None))) == 3
        events = office.database, tx.scalar(select(func.count()).select_from(Exhibit))
        assert events[1] == 2
    assert import_(path, media=disk) == 0
    assert import_(path, no_media=True) == 0


def test_a_weak_digest_joins_no_file_to_what_others_know(tmp_path: Path, landscapes: list[bytes]):
    """MD5 alone binds no content to what another case knows of it."""
    installed()
    folder = tmp_path / "handed"
    put(folder, "Files/a.jpg", landscapes[0])
    bare = {"SHA1": "", "AlternativeHashes": ...}
    first = written(tmp_path / "first", record(landscapes[0], ..., **bare), number="OP-1")  # type: ignore[arg-type]
    second = written(folder, record(landscapes[0], "Files\\a.jpg", **bare), number="OP-2")
    assert import_(first, **WARRANT) == 0
    assert import_(second, **WARRANT) == 1
    with opened() as office, office.database.read() as tx:
        assert files_of(office.database) == {"Files/a.jpg": ("failed", "weak_digest")}
        assert tx.scalars(select(Media.sha256)).all() == [None]


def test_a_stated_fingerprint_is_compared_and_gives_way_to_ours(
    tmp_path: Path, landscapes: list[bytes]
):
    installed()
    listed = tmp_path / "known.csv"
    looks = [content.fingerprint(one)[0].bits for one in landscapes[:2]]
    listed.write_text(f"pdq,scheme,code\n{looks[0].hex()},uk-abc,A\n", encoding="utf-8")
    near = bytes([looks[0][0] ^ 3]) + looks[0][1:]
    photodna = {"HashName": "PhotoDNA", "HashValue": "QUJD" * 48}

    def saying(name: bytes, pdq: bytes, path: Any = ...) -> dict[str, Any]:
        sha256 = hashlib.sha256(name).hexdigest()
        hashes = [
            {"HashName": "SHA256", "HashValue": sha256},
            {"HashName": "PDQ", "HashValue": pdq.hex()},
        ]
        return record(name, path, AlternativeHashes=[*hashes, photodna], Category=None)

    folder = tmp_path / "handed"
    path = written(
        folder, saying(b"one", looks[0]), saying(b"two", near),
        saying(landscapes[1], looks[0], "Files\\a.jpg"), saying(b"blank", bytes(32)),
    )  # fmt: skip
    assert import_(path, **WARRANT, list_=[str(listed)]) == 0
    with opened() as office, office.database.read() as tx:
        said = tx.execute(
            select(Media.sha256, Media.pdq, Media.pdq_quality, stated(Media.id).label("stated"))
        ).all()
        by = {row.sha256: row for row in said}
        one = by[hashlib.sha256(b"one").digest()]
        assert (one.pdq, one.pdq_quality, one.stated) == (looks[0], 50, True)
        assert by[hashlib.sha256(b"blank").digest()].pdq is None, "zeros name no picture"
        assert tx.scalar(select(MediaFact.value).limit(1)).startswith("vics ")
        hits = tx.execute(select(MediaHit.algorithm, MediaHit.distance_bits)).all()
        assert sorted(hits) == [("pdq", 0), ("pdq", 0), ("pdq", 2)]
        assert max(tx.scalars(select(Stack.size))) == 3
    put(folder, "Files/a.jpg", landscapes[1])
    assert import_(path, list_=[str(listed)]) == 0
    with opened() as office, office.database.read() as tx:
        liar = select(Media.id, Media.pdq, stated(Media.id).label("stated")).where(
            Media.sha256 == hashlib.sha256(landscapes[1]).digest()
        )
        row = tx.execute(liar).one()
        assert (row.pdq, row.stated) == (looks[1], False)
        assert tx.scalars(select(MediaHit.id).where(MediaHit.media_id == row.id)).all() == []


@contextmanager
def another_home(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TUTELA_DATABASE_URL", url)
        for name in ("DATA", "STATE", "CONFIG"):
            patch.setenv(f"XDG_{name}_HOME", str(folder / name))
        yield


def released(case_id: CaseId, out: Path) -> None:
    """Export a case with its media, as two people agreed."""
    with opened() as office, office.database.write() as tx:
        people = []
        for name in ("first", "second"):
            made = tx.execute(
                insert(Account)
                .values(
                    organisation_id=1,
                    name=name,
                    display_name=name,
                    kind="person",
                    state="active",
                    created_at=now(),
                )
                .returning(Account.id)
            ).scalar_one()
            tx.execute(insert(AccountRole).values(account_id=made, role="supervisor"))
            member = {"case_id": case_id, "account_id": made, "added_at": now()}
            tx.execute(insert(CaseMember).values(**member))
            roles = frozenset({Role.SUPERVISOR})
            people.append(Principal(AccountId(made), OrganisationId(1), name, roles, Via.WEB))
        why = "for the court"
        asked = approvals.ask(tx, people[0], export.APPROVAL, f"case:{case_id}", {}, why)
        approvals.decide(tx, people[1], asked, granted=True)
    with opened() as office, vault() as kept:

        def media_of(media_id: MediaId) -> list[bytes] | None:
            with office.database.read() as tx:
                found = objects.of_media(tx, media_id, "original")
            return None if found is None else [kept.open(found)]

        options = export.Options(approval=asked, open_media=media_of)
        export.write(office.database, people[0], case_id, "vics", out, options)


def vault() -> Vault:
    chosen = core_settings.load().vault
    return Vault(chosen.path, master_key(chosen))


def test_a_case_with_its_media_is_equal_in_a_fresh_installation(
    tmp_path: Path,
    landscapes: list[bytes],
    databases_of: databases.Factory,
    monkeypatch: pytest.MonkeyPatch,
):
    phone = tmp_path / "phone"
    for number, data in enumerate(landscapes[:4]):
        put(phone, f"DCIM/{number}.jpg", data)
    put(phone, "notes.txt", b"nothing to see")
    out = tmp_path / "export" / "op-17.json"
    with another_home(tmp_path / "here", databases_of.url(upgraded=False), monkeypatch):
        installed()
        command.new("OP-17", **WARRANT, keep_media=True, scheme="vics-us")
        command.add("OP-17", phone, label="EXH01")
        out.parent.mkdir()
        released(CaseId(1), out)
        with opened() as office, office.database.read() as tx:
            mine = equal.portrait(tx, CaseId(1))
    with another_home(tmp_path / "there", databases_of.url(upgraded=False), monkeypatch):
        installed()
        assert import_(out, **WARRANT, keep_media=True) == 0
        with opened() as office, office.database.read() as tx, vault() as kept:
            assert equal.differences(mine, equal.portrait(tx, CaseId(1))) == []
            found = dict(
                tx.execute(
                    select(Media.sha256, VaultObject.id)
                    .join(VaultObject, VaultObject.media_id == Media.id)
                    .where(VaultObject.kind == "original")
                ).all()
            )
            assert set(found) == {hashlib.sha256(one).digest() for one in landscapes[:4]}
            with Renderer(jobs=1) as renderer:
                for data in landscapes[:4]:
                    held = kept.open(found[hashlib.sha256(data).digest()])
                    assert held == data
                    with Image.open(io.BytesIO(renderer.clear(held))) as clear:
                        assert clear.size == (320, 240)
            sizes = select(func.count()).where(VaultObject.kind == "thumbnail")
            assert tx.scalar(sizes) == 4
        again = tmp_path / "again.json"
        with opened() as office:
            export.write(office.database, office.who, CaseId(1), "vics", again)
        exported = json.loads(again.read_text())["value"][0]
        assert [len(one["MediaFiles"]) for one in exported["Media"]] == [1] * 5
        labels = [one["PropertyValue"] for one in exported["CaseMetadata"]]
        assert not any("Files " in label for label in labels), "the copies are no exhibit"


def rows(tx: Connection) -> dict[str, Any]:
    """Return what an import with media has written, without ids and times."""
    said = {
        "sightings": select(
            *(Sighting.ordinal, Sighting.path, Sighting.status, Sighting.reason, Media.sha256)
        )
        .outerjoin(Media, Media.id == Sighting.media_id)
        .order_by(Sighting.path),
        "case": select(
            *(Media.sha256, Media.pdq, CaseMedia.state, CaseMedia.code, CaseMedia.position),
            *(CaseMedia.sightings, CaseMedia.reasons, Stack.size),
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .outerjoin(Stack, Stack.id == CaseMedia.stack_id)
        .order_by(Media.sha256),
        "kept": select(Media.sha256, VaultObject.kind)
        .join(Media, Media.id == VaultObject.media_id)
        .where(VaultObject.shredded_at.is_(None))
        .order_by(Media.sha256, VaultObject.kind),
        "exhibit": select(
            *(Exhibit.label, Exhibit.state, Exhibit.seen, Exhibit.hashed, Exhibit.failed)
        ).order_by(Exhibit.label),
        "grades": select(Media.sha256, Grade.code)
        .join(Media, Media.id == Grade.media_id)
        .order_by(Media.sha256),
    }
    return {name: tx.execute(query).all() for name, query in said.items()}


def kept_files() -> int:
    """Return how many pictures and thumbnails are in the vault by now."""
    folder = core_settings.load().vault.path / "objects"
    return sum(file.is_file() for file in folder.rglob("*"))


def test_killed_while_it_reads_files_it_ends_with_the_same_rows(
    tmp_path: Path,
    landscapes: list[bytes],
    databases_of: databases.Factory,
    monkeypatch: pytest.MonkeyPatch,
):
    folder = tmp_path / "handed"
    media = []
    for seed in range(30):
        with Image.open(io.BytesIO(landscapes[seed % len(landscapes)])) as picture:
            data = jpeg(picture, 90 - seed)
        name = f"{seed}.jpg" if seed != 7 else "7 is not there.jpg"
        put(folder, f"Files/{seed}.jpg", data if seed != 5 else b"another")
        media.append(record(data, f"Files\\{name}", MediaID=seed, Category=seed % 4))
    path = written(folder, *media)
    words = ["import", path, "--legal-basis", "A", "--reference", "W", "--granted-by", "C"]
    words.append("--keep-media")
    found = []
    for disturbed in (False, True):
        url = databases_of.url(upgraded=False)
        with another_home(tmp_path / f"home-{disturbed}", url, monkeypatch):
            installed()
            for enough in (0, 25) if disturbed else ():
                importing = subprocess.Popen(
                    [sys.executable, "-c", RUN, *map(str, words)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                while importing.poll() is None and kept_files() <= enough:
                    time.sleep(0.01)
                importing.send_signal(signal.SIGKILL)
                _, complaint = importing.communicate()
                assert importing.returncode == -signal.SIGKILL, complaint
            assert import_(path, **WARRANT, keep_media=True) == 1
            with opened() as office, office.database.read() as tx:
                found.append(rows(tx))
                assert verify(tx).sound
            with vault() as kept, opened() as office, office.database.read() as tx:
                for object_id in tx.scalars(select(VaultObject.id)):
                    kept.open(object_id)
    assert found[0] == found[1]
    assert len(found[0]["kept"]) == 2 * 28
    (files,) = [one for one in found[0]["exhibit"] if one.label.startswith("Files")]
    assert tuple(files)[1:] == ("complete", 30, 28, 2)
