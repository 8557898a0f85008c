"""`tutela case`: from a folder to a graded, exported case, also when it is killed on the way."""

from __future__ import annotations

import csv
import io
import random
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image
from sqlalchemy import Connection, delete, func, insert, select, update

import databases
from tutela.casework import policy
from tutela.cli import case as command
from tutela.cli import list as listing
from tutela.cli.demo import draw
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.evidence.vault import Vault, master_key
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests
from tutela.store.tables.access import Account, AccountRole, CaseMember
from tutela.store.tables.casework import (
    Authority,
    CaseMedia,
    Exhibit,
    Media,
    MediaHit,
    Sighting,
    Stack,
)
from tutela.store.tables.vault import VaultObject

WARRANT: dict[str, Any] = {
    "legal_basis": "Test Act, s. 8",
    "reference": "W 12/26",
    "granted_by": "Test Court",
}
RUN = "import sys; from tutela.cli.case import app; sys.exit(app(sys.argv[1:]))"


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUTELA_SCAN_JOBS", "2")


@pytest.fixture(scope="module")
def landscapes() -> list[bytes]:
    return [jpeg(draw.landscape(seed).resize((320, 240))) for seed in range(8)]


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Kamera"
    picture.save(stream, "JPEG", quality=quality, exif=exif)
    return stream.getvalue()


@pytest.fixture
def phone(tmp_path: Path, landscapes: list[bytes]) -> Path:
    """Pictures, a near copy, a picture in an archive, one that is cut off, and a text."""
    folder = tmp_path / "phone"
    folder.mkdir()
    for number, data in enumerate(landscapes[:5]):
        (folder / f"{number}.jpg").write_bytes(data)
    with Image.open(io.BytesIO(landscapes[4])) as picture:
        (folder / "4 small.jpg").write_bytes(jpeg(picture.resize((300, 225))))
    with zipfile.ZipFile(folder / "sent.zip", "w") as archive:
        archive.writestr("5.jpg", landscapes[5])
        archive.writestr("copy of 0.jpg", landscapes[0])
    (folder / "cut.jpg").write_bytes(landscapes[6][:2000])
    (folder / "notes.txt").write_bytes(b"nothing to see")
    return folder


@pytest.fixture
def listed(tmp_path: Path, landscapes: list[bytes]) -> Path:
    path = tmp_path / "known.csv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["sha256", "pdq", "scheme", "code"])
        for data, code in zip(landscapes[:2], "AB", strict=True):
            sha256, pdq = digests(data).sha256, content.fingerprint(data)[0].bits
            assert sha256
            table.writerow([sha256.hex(), pdq.hex(), "uk-abc", code])
    return path


def install(listed: Path) -> None:
    init(organisation="Example Force", country="DE", admin="ann.lee")
    listing.import_(listed, name="national", role=ListRole.ALERT)
    with opened() as office, office.database.write() as tx:
        rules = Principal(None, None, "rules", frozenset({Role.ADMINISTRATOR}), Via.SYSTEM)
        policy.change(tx, rules, trusted_lists={"national": "uk-abc"}, known_sample_permille=0)


def test_from_a_folder_to_a_case(
    phone: Path, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    install(listed)
    assert command.new("OP-17", **WARRANT, title="An invented case", keep_media=True) == 0
    assert "valid from" in capsys.readouterr().out
    assert command.add("OP-17", phone, label="EXH01", device="Phone 9") == 1, "one file is cut"
    said = capsys.readouterr().out
    assert "EXH01: 11 files seen: 10 hashed, 0 skipped, 1 failed." in said
    assert "2 pictures are known" in said
    with pytest.raises(UsageError, match="complete"):
        command.add("OP-17", phone, label="EXH01")
    capsys.readouterr()
    assert command.status("OP-17", format_="jsonl") == 0
    rows = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    (case, exhibit, totals, figures) = rows
    assert [row["type"] for row in rows] == ["case", "exhibit", "totals", "workload"]
    assert (case["number"], case["keeps_media"]) == ("OP-17", True)
    assert (exhibit["state"], exhibit["seen"], exhibit["failed"]) == ("complete", 11, 1)
    assert totals["by_code"] == {"A": 1, "B": 1}
    assert (figures["pictures"], figures["stacks"], figures["known"]) == (7, 4, 2)
    assert command.status("OP-17") == 0
    text = capsys.readouterr().out
    assert "4 decisions" in text
    assert "W 12/26" in text
    assert command.list_(format_="text") == 0
    assert "An invented case" in capsys.readouterr().out
    with opened() as office, office.database.read() as tx:
        makes = tx.execute(select(Media.camera_make).where(Media.is_picture).distinct())
        assert makes.scalars().all() == ["Kamera"]
        kept = tx.execute(select(VaultObject.kind, func.count()).group_by(VaultObject.kind)).all()
        assert dict(kept) == {"original": 8, "thumbnail": 7}
        vault_settings = core_settings.load().vault
        with Vault(vault_settings.path, master_key(vault_settings)) as vault:
            object_id, size = tx.execute(
                select(VaultObject.id, VaultObject.size_bytes)
                .join(Media, Media.id == VaultObject.media_id)
                .where(
                    VaultObject.kind == "original",
                    Media.sha256 == digests((phone / "3.jpg").read_bytes()).sha256,
                )
            ).one()
            assert vault.open(object_id) == (phone / "3.jpg").read_bytes()
            assert size == (phone / "3.jpg").stat().st_size
            for object_id, size in tx.execute(select(VaultObject.id, VaultObject.size_bytes)):
                assert len(vault.open(object_id)) == size
    out = tmp_path / "case.jsonl"
    assert command.export("OP-17", format_="jsonl", output_=out) == 0
    assert out.stat().st_size > 1000
    with pytest.raises(UsageError):
        command.new("OP-17", **WARRANT)
    with pytest.raises(UsageError, match="nothing to add"):
        command.add("OP-17", label="EXH02")


def test_a_case_of_others_is_told_like_one_that_is_not_there(listed: Path):
    install(listed)
    command.new("OP-17", **WARRANT)
    with pytest.raises(AccessError) as unknown:
        command.status("OP-99")
    with opened() as office, office.database.write() as tx:
        tx.execute(delete(CaseMember))
    with pytest.raises(AccessError) as others:
        command.status("OP-17")
    assert unknown.value.message == "there is no such case, or you are not on its team"
    assert others.value.message == unknown.value.message
    assert (others.value.hint, others.value.code) == (unknown.value.hint, unknown.value.code)


def test_the_team_of_a_case(listed: Path, capsys: pytest.CaptureFixture[str]):
    install(listed)
    with opened() as office, office.database.write() as tx:
        made = tx.execute(
            insert(Account)
            .values(
                organisation_id=1,
                name="bo.ray",
                display_name="Bo Ray",
                kind="person",
                state="active",
                created_at=now(),
            )
            .returning(Account.id)
        ).scalar_one()
        tx.execute(insert(AccountRole).values(account_id=made, role="grader"))
    command.new("OP-17", **WARRANT, team=["bo.ray"], valid_until=datetime(2099, 1, 31, tzinfo=UTC))
    with opened() as office, office.database.read() as tx:
        until = tx.execute(select(Authority.valid_until)).scalar_one()
        assert until == datetime(2099, 2, 1, tzinfo=UTC), "its last day counts"
    command.team("OP-17")
    assert "Bo Ray" in capsys.readouterr().out
    with pytest.raises(UsageError, match="could join"):
        command.team("OP-17", add=["bo.ray"])
    capsys.readouterr()
    command.team("OP-17", remove=["bo.ray"])
    assert "bo.ray" not in capsys.readouterr().out
    with pytest.raises(UsageError, match="not on the team"):
        command.team("OP-17", remove=["bo.ray"])


def rows(tx: Connection) -> dict[str, Any]:
    """Return what an intake has written, without ids and times of the run."""
    said = {
        "sightings": select(
            *(Sighting.ordinal, Sighting.path, Sighting.inside, Sighting.status),
            *(Sighting.reason, Media.sha256),
        )
        .outerjoin(Media, Media.id == Sighting.media_id)
        .order_by(Sighting.ordinal),
        "case": select(
            *(Media.sha256, CaseMedia.state, CaseMedia.code, CaseMedia.position),
            *(CaseMedia.sightings, CaseMedia.reasons, CaseMedia.priority, Stack.size),
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .outerjoin(Stack, Stack.id == CaseMedia.stack_id)
        .order_by(Media.sha256),
        "hits": select(MediaHit.media_id, MediaHit.algorithm, MediaHit.distance_bits).order_by(
            MediaHit.media_id, MediaHit.id
        ),
        "kept": select(Media.sha256, VaultObject.kind)
        .join(Media, Media.id == VaultObject.media_id)
        .order_by(Media.sha256, VaultObject.kind),
        "exhibit": select(Exhibit.state, Exhibit.seen, Exhibit.hashed, Exhibit.failed),
    }
    return {name: tx.execute(query).all() for name, query in said.items()}


@pytest.fixture
def crowd(phone: Path) -> Path:
    """Enough to be killed in the middle of."""
    for seed in range(10, 70):
        (phone / f"{seed}.jpg").write_bytes(jpeg(draw.landscape(seed).resize((320, 240))))
    return phone


def in_a_process(*words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_killed_at_any_moment_it_goes_on_to_the_same_rows(
    crowd: Path,
    listed: Path,
    databases_of: databases.Factory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    found = []
    chance = random.Random(7)
    for disturbed in (False, True):
        monkeypatch.setenv("TUTELA_DATABASE_URL", databases_of.url(upgraded=False))
        for name in ("DATA", "STATE", "CONFIG"):
            monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / f"{name}-{disturbed}"))
        install(listed)
        command.new("OP-17", **WARRANT, keep_media=True)
        kills = 0
        while disturbed and kills < 4:
            adding = in_a_process("add", "OP-17", crowd, "--label", "EXH01", "--resume")
            time.sleep(chance.uniform(1.0, 3.0))
            adding.send_signal(signal.SIGKILL)
            _, complaint = adding.communicate()
            assert adding.returncode in (-signal.SIGKILL, 0, 1), complaint
            kills += 1
            if adding.returncode != -signal.SIGKILL:
                break
        if not disturbed or adding.returncode == -signal.SIGKILL:
            command.add("OP-17", crowd, label="EXH01", resume=disturbed)
        with opened() as office, office.database.read() as tx:
            found.append(rows(tx))
    assert found[0] == found[1]
    assert len(found[0]["sightings"]) == 71


def test_stopped_it_says_how_to_go_on(crowd: Path, listed: Path):
    install(listed)
    command.new("OP-17", **WARRANT)
    # The one worker is still at this file when the signal comes, however slow the machine is to
    # see that the adding has begun. A larger one of holes is not read at all (`sparse_mib`).
    with (crowd / "0-long.bin").open("wb") as long:
        long.truncate(4_000 << 20)
    adding = in_a_process("add", "OP-17", crowd, "--label", "EXH01", "--jobs", "1")
    for _ in range(100):
        with opened() as office, office.database.read() as tx:
            if tx.execute(select(func.count()).select_from(Exhibit)).scalar_one():
                break
        time.sleep(0.2)
    adding.send_signal(signal.SIGINT)
    _, complaint = adding.communicate()
    assert adding.returncode == 130, complaint
    with pytest.raises(UsageError, match="authority"):
        expire()
        command.add("OP-17", crowd, label="EXH01", resume=True)


def expire() -> None:
    """Let the authority of the case run out."""
    with opened() as office, office.database.write() as tx:
        tx.execute(update(Authority).values(valid_until=now()))
