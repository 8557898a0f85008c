"""A scan becomes rows: each once, whatever happens on the way."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from casework_office import MadeCase, Office, join
from casework_scans import code, digests, hit, other, picture, session
from sqlalchemy import Connection, func, insert, select, update

from tutela.casework import case as cases
from tutela.casework import intake
from tutela.casework.intake import Source
from tutela.casework.model import ExhibitState
from tutela.core.entry import Role
from tutela.core.errors import AccessError, IntegrityError, UsageError
from tutela.core.time import now
from tutela.scan.journal import Recorded
from tutela.scan.wire import Status
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import (
    Authority,
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Sighting,
)

EXIF = (
    ("Make", "Kamera"),
    ("Model", "K-1"),
    ("Body Serial", "A1234567"),
    ("Capture Time", "2024-05-06T07:08:09+02:00"),
    ("Latitude", "52.5"),
    ("Longitude", "13.25"),
    ("Orientation", "1"),
)


def evidence() -> list[Recorded]:
    """Everything that can happen to a content."""
    return [
        picture("meadow", facts=EXIF, scene=bytes(32)),
        picture("river"),
        picture("meadow", path="/dev/copies/meadow.jpg"),
        other("notes"),
        other("lost", Status.SKIPPED),
        other("broken", Status.FAILED),
        picture("odd", path="/dev/\udcff\n.jpg", hits=[hit("watched", algorithm="md5")]),
        picture("two", path="/dev/x.zip", order=(1,)),
        picture("three", path="/dev/x.zip", order=(2,)),
        picture("hill", hits=[hit("ignored", role=Role.IGNORABLE)]),
    ]


def rows(tx: Connection) -> dict[str, Any]:
    """Return everything intake writes, without ids and times of the run."""
    sighted = tx.execute(
        select(
            Sighting.ordinal,
            Sighting.place,
            Sighting.path,
            Sighting.inside,
            Sighting.status,
            Sighting.reason,
            Sighting.detail,
            Media.sha256,
        )
        .outerjoin(Media, Media.id == Sighting.media_id)
        .order_by(Sighting.ordinal)
    ).all()
    stood = tx.execute(
        select(
            Media.sha256,
            CaseMedia.state,
            CaseMedia.sightings,
            CaseMedia.reasons,
            CaseMedia.position,
            CaseMedia.priority,
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .order_by(Media.sha256)
    ).all()
    hits = tx.execute(
        select(Media.sha256, MediaHit.list_name, MediaHit.silenced)
        .join(Media, Media.id == MediaHit.media_id)
        .order_by(Media.sha256, MediaHit.list_name)
    ).all()
    return {"sightings": sighted, "stood": stood, "hits": hits}


def made_case(office: Office) -> MadeCase:
    return office.make_case(0)


def test_every_content_has_its_row(office: Office):
    who, case = office.person("examiner"), made_case(office)
    written: list[int] = []
    done = intake.add(
        office.database,
        who,
        case.id,
        Source("PHONE", "Phone 9, serial 77", "/dev"),
        session(evidence()),
        watch=written.append,
    )
    assert (done.state, done.seen, done.hashed, done.skipped, done.failed) == (
        ExhibitState.COMPLETE,
        10,
        8,
        1,
        1,
    )
    assert written == [10]
    with office.database.read() as tx:
        media = {row.sha256: row for row in tx.execute(select(Media.__table__))}
        meadow = media[digests("meadow").sha256]
        assert (meadow.camera_make, meadow.camera_serial) == ("Kamera", "A1234567")
        assert meadow.captured_at == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
        assert (meadow.latitude, meadow.longitude, meadow.scene) == (52.5, 13.25, bytes(32))
        facts = tx.execute(select(MediaFact.name).where(MediaFact.media_id == meadow.id)).scalars()
        assert set(facts) == {name for name, _ in EXIF}
        standing = {
            row.media_id: row
            for row in tx.execute(select(CaseMedia.__table__).where(CaseMedia.case_id == case.id))
        }
        assert standing[meadow.id].sightings == 2
        states = {
            name: (row.state, [reason[0] for reason in row.reasons])
            for name in ("meadow", "notes", "broken", "odd", "hill")
            if (row := standing[media[digests(name).sha256].id])
        }
        assert states == {
            "meadow": ("open", []),
            "notes": ("set_aside", ["no_picture"]),
            "broken": ("set_aside", ["undecodable"]),
            "odd": ("open", ["digest_hit"]),
            "hill": ("set_aside", ["ignorable"]),
        }
        positions = [row.position for row in standing.values() if row.position is not None]
        assert sorted(positions) == list(range(5))
        odd = standing[media[digests("odd").sha256].id]
        assert odd.position == 0, "what a list names comes first"
        paths = set(tx.execute(select(Sighting.path)).scalars())
        assert "/dev/\\xff\n.jpg" in paths
        details = set(tx.execute(select(Sighting.detail)).scalars())
        assert "ends\\x00early" in details
        events = Counter(tx.execute(select(AuditEvent.action)).scalars())
        assert events["evidence.added"] == 1
        assert events["exhibit.completed"] == 1
        bodies = b"".join(tx.execute(select(AuditEvent.body)).scalars())
        assert b"meadow" not in bodies, "the log holds no names"
        assert b"PHONE" not in bodies


@pytest.mark.parametrize("stops", [0, 3, 4, 9])
def test_killed_and_resumed_gives_the_same_rows(
    office: Office, stops: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "BATCH", 3)
    who, source = office.person("examiner"), Source("PHONE")
    first, second = made_case(office), made_case(office)
    with pytest.raises(KeyboardInterrupt):
        intake.add(office.database, who, first.id, source, session(evidence(), stops_after=stops))
    done = intake.add(office.database, who, first.id, source, session(evidence()))
    with office.database.read() as tx:
        killed = rows(tx)
    with office.database.write() as tx:
        forget(tx, first)
    again = intake.add(office.database, who, second.id, source, session(evidence()))
    with office.database.read() as tx:
        assert killed == rows(tx)
    assert (done.seen, done.hashed, done.size_bytes) == (again.seen, again.hashed, again.size_bytes)


def forget(tx: Connection, case: MadeCase) -> None:
    """Take the rows of a case out, so that those of another can be compared with them."""
    for table in (MediaHit, CaseMedia):
        tx.execute(table.__table__.delete().where(table.case_id == case.id))
    mine = select(Exhibit.id).where(Exhibit.case_id == case.id)
    tx.execute(Sighting.__table__.delete().where(Sighting.exhibit_id.in_(mine)))


def test_told_twice_it_is_written_once(office: Office):
    who, case, source = office.person("examiner"), made_case(office), Source("PHONE")
    intake.add(office.database, who, case.id, source, session(evidence()))
    with office.database.read() as tx:
        before = rows(tx), tx.execute(select(func.count()).select_from(AuditEvent)).scalar_one()
    # A kill after the exhibit was complete and before the journal was forgotten.
    intake.add(office.database, who, case.id, source, session(evidence()), again=True)
    with office.database.read() as tx:
        after = rows(tx), tx.execute(select(func.count()).select_from(AuditEvent)).scalar_one()
    assert before == after
    with pytest.raises(UsageError, match="already"):
        intake.add(office.database, who, case.id, source, session(evidence()))


def test_a_second_exhibit_adds_sightings_to_media_that_are_there(office: Office):
    who, case = office.person("examiner"), made_case(office)
    intake.add(office.database, who, case.id, Source("ONE"), session([picture("meadow")]))
    intake.add(
        office.database, who, case.id, Source("TWO"), session([picture("meadow"), picture("oak")])
    )
    with office.database.read() as tx:
        seen = tx.execute(select(CaseMedia.sightings).where(CaseMedia.case_id == case.id)).scalars()
        assert sorted(seen) == [1, 2]
        assert tx.execute(select(func.count()).select_from(Media)).scalar_one() == 2


def test_evidence_that_changed_meanwhile_is_refused(office: Office):
    who, case, source = office.person("examiner"), made_case(office), Source("PHONE")
    with pytest.raises(KeyboardInterrupt):
        stopped = session([picture("meadow"), picture("oak")] * 2, stops_after=1)
        monkey = intake.BATCH
        intake.BATCH = 1
        try:
            intake.add(office.database, who, case.id, source, stopped)
        finally:
            intake.BATCH = monkey
    changed = [picture("forged", path="/dev/meadow.jpg"), picture("oak")]
    with pytest.raises(IntegrityError, match="changed"):
        intake.add(office.database, who, case.id, source, session(changed))
    gone = [picture("oak")]
    with pytest.raises(IntegrityError, match="add up"):
        intake.add(office.database, who, case.id, source, session(gone))
    with office.database.read() as tx:
        (exhibit,) = [e for e in cases.exhibits(tx, who, case.id) if e.label == "PHONE"]
    assert exhibit.state is ExhibitState.ADDING


def test_nothing_is_added_without_authority_or_to_a_closed_case(office: Office):
    who = office.person("examiner")
    late = office.make_case(0, valid_days=-1)
    closed = made_case(office)
    with office.database.write() as tx:
        cases.close(tx, who, closed.id)
    for case, word in ((late, "authority"), (closed, "closed")):
        with pytest.raises(UsageError, match=word):
            intake.add(office.database, who, case.id, Source("X"), session(evidence()))
    outsider = office.person("examiner", 1)
    open_case = made_case(office)
    with pytest.raises(AccessError):
        intake.add(office.database, outsider, open_case.id, Source("X"), session(evidence()))
    with pytest.raises(AccessError):
        intake.add(
            office.database, office.person("grader"), open_case.id, Source("X"), session(evidence())
        )
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Sighting)).scalar_one() == 0


def test_an_authority_that_ends_meanwhile_ends_the_adding(
    small_office: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "BATCH", 2)
    office, case = small_office, made_case(small_office)

    def expire(_written: int) -> None:
        with office.database.write() as tx:
            ends = select(Case.authority_id).where(Case.id == case.id).scalar_subquery()
            tx.execute(update(Authority).where(Authority.id == ends).values(valid_until=now()))

    with pytest.raises(UsageError, match="authority"):
        intake.add(
            office.database,
            office.person("examiner"),
            case.id,
            Source("X"),
            session(evidence()),
            watch=expire,
        )
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Sighting)).scalar_one() == 2


def test_what_another_system_told_of_is_the_same_media_if_two_digests_agree(office: Office):
    who, case = office.person("examiner"), made_case(office)
    told, weak = digests("meadow"), digests("oak")
    with office.database.write() as tx:
        for sha1, md5 in ((told.sha1, told.md5), (None, weak.md5)):
            tx.execute(
                insert(Media).values(
                    sha1=sha1,
                    md5=md5,
                    size_bytes=1000,
                    kind="",
                    is_picture=False,
                    first_seen_at=now(),
                )
            )
    intake.add(
        office.database, who, case.id, Source("X"), session([picture("meadow"), picture("oak")])
    )
    with office.database.read() as tx:
        media = tx.execute(select(Media.sha1, Media.md5, Media.sha256, Media.pdq)).all()
    assert len(media) == 3, "MD5 alone joins nothing"
    (meadow,) = [row for row in media if row.md5 == told.md5]
    assert meadow.sha256 == told.sha256
    assert meadow.pdq is not None


def test_two_organisations_see_one_media_and_their_own_cases(office: Office):
    mine, theirs = made_case(office), office.make_case(0, organisation=1)
    for case, place in ((mine, 0), (theirs, 1)):
        intake.add(
            office.database,
            office.person("examiner", place),
            case.id,
            Source("X"),
            session([picture("meadow", looks=code(1))]),
        )
    with office.database.write() as tx:
        assert tx.execute(select(func.count()).select_from(Media)).scalar_one() == 1
        join(tx, mine.id, [office.person("grader", 1)])
        assert cases.totals(tx, office.person("grader", 1), mine.id).pictures == 1
