"""What media of a case have in common: each link is a reason to look, never a conclusion.

    camera   the body serial number that EXIF gives: the same device, if nobody forged it
    series   put into one series by a person
    place    taken within about 100 m of each other, as EXIF says
    scene    the surroundings of the picture look alike (`fingerprint.scene`); stacks aside
    device   exhibits of this case that are said to be the same device

A link names only what the case holds. Where the same camera or series is in another case of whose
team the reader is, that case is named too.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, or_, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import stacking
from tutela.casework.model import MediaState, Reason
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.fingerprint.scene import SCENE_RADIUS_BITS
from tutela.store.tables.access import CaseMember
from tutela.store.tables.casework import (
    Case,
    CaseMedia,
    Exhibit,
    Media,
    Series,
    SeriesMedia,
    Sighting,
)

Kind = Literal["camera", "series", "place", "scene", "device"]

PLACE_METRES = 100
# Scenes are compared each with each: the first in the order of review, where a case has more.
SCENES_MOST = 20_000
_EARTH_METRES = 6_371_000


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Media with something in common; `elsewhere` are other cases of `who` that have it too."""

    kind: Kind
    value: str
    media_ids: tuple[MediaId, ...]
    reason: Reason
    elsewhere: tuple[CaseId, ...] = ()


def links(tx: Connection, who: Principal, case_id: CaseId) -> list[Link]:
    """Return what links media of a case, kind by kind, the largest links first.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(_rows(case_id)).all()
    found = [
        *_cameras(tx, who, case_id, rows),
        *_series(tx, who, case_id),
        *_places(rows),
        *_scenes(rows),
        *_devices(tx, case_id),
    ]
    order = ("camera", "series", "place", "scene", "device")
    return sorted(found, key=lambda link: (order.index(link.kind), -len(link.media_ids)))


def _rows(case_id: CaseId) -> Any:
    return (
        select(
            CaseMedia.media_id,
            CaseMedia.stack_id,
            Media.camera_make,
            Media.camera_model,
            Media.camera_serial,
            Media.latitude,
            Media.longitude,
            Media.scene,
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.state != MediaState.SET_ASIDE.value,
            or_(
                Media.camera_serial.is_not(None),
                Media.latitude.is_not(None),
                Media.scene.is_not(None),
            ),
        )
        .order_by(CaseMedia.position, CaseMedia.media_id)
    )


def _cameras(
    tx: Connection, who: Principal, case_id: CaseId, rows: Sequence[Row[Any]]
) -> list[Link]:
    bodies: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if row.camera_serial:
            bodies[row.camera_make or "", row.camera_serial].append(row)
    there = _elsewhere(
        tx,
        who,
        case_id,
        select(Media.camera_make, Media.camera_serial, CaseMedia.case_id)
        .join(CaseMedia, CaseMedia.media_id == Media.id)
        .where(Media.camera_serial.in_({serial for _, serial in bodies}))
        .distinct(),
    )
    return [
        Link(
            kind="camera",
            value=serial,
            media_ids=_ids(some),
            reason=Reason(
                "same_camera",
                {"make": make, "model": some[0].camera_model or "", "serial": serial},
            ),
            elsewhere=there.get((make, serial), ()),
        )
        for (make, serial), some in bodies.items()
        if len(some) > 1 or (make, serial) in there
    ]


def _series(tx: Connection, who: Principal, case_id: CaseId) -> list[Link]:
    members: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for row in tx.execute(
        select(SeriesMedia.series_id, Series.name, CaseMedia.media_id)
        .join(Series, Series.id == SeriesMedia.series_id)
        .join(CaseMedia, CaseMedia.media_id == SeriesMedia.media_id)
        .where(CaseMedia.case_id == case_id)
        .order_by(CaseMedia.position, CaseMedia.media_id)
    ):
        members[row.series_id, row.name].append(row)
    there = _elsewhere(
        tx,
        who,
        case_id,
        select(Series.name, SeriesMedia.series_id, CaseMedia.case_id)
        .join(Series, Series.id == SeriesMedia.series_id)
        .join(CaseMedia, CaseMedia.media_id == SeriesMedia.media_id)
        .where(SeriesMedia.series_id.in_({number for number, _ in members}))
        .distinct(),
    )
    return [
        Link(
            kind="series",
            value=str(number),
            media_ids=_ids(some),
            reason=Reason("same_series", {"series": number, "name": name}),
            elsewhere=there.get((name, number), ()),
        )
        for (number, name), some in members.items()
    ]


def _elsewhere(
    tx: Connection, who: Principal, case_id: CaseId, asked: Any
) -> dict[tuple[Any, Any], tuple[CaseId, ...]]:
    """Return other cases of the teams of `who`, by the first two columns of `asked`."""
    mine = select(CaseMember.case_id).where(CaseMember.account_id == who.account_id)
    rows = tx.execute(
        asked.where(
            CaseMedia.case_id.in_(mine),
            CaseMedia.case_id != case_id,
            CaseMedia.case_id.in_(select(Case.id).where(Case.state != "deleted")),
        )
    )
    found: dict[tuple[Any, Any], set[CaseId]] = defaultdict(set)
    for one, other, case in rows:
        found[one or "", other].add(CaseId(case))
    return {key: tuple(sorted(cases)) for key, cases in found.items()}


def _places(rows: Sequence[Row[Any]]) -> Iterable[Link]:
    """Gather what lies within `PLACE_METRES` of the first of a group, as the review orders them."""
    groups: list[tuple[_Point, list[Row[Any]]]] = []
    cells: dict[_Cell, list[int]] = defaultdict(list)
    for row in rows:
        if row.latitude is None or row.longitude is None:
            continue
        point = _point(row.latitude, row.longitude)
        x, y, z = cell = _cell(point)
        near = (
            number
            for beside in itertools.product((x - 1, x, x + 1), (y - 1, y, y + 1), (z - 1, z, z + 1))
            for number in cells.get(beside, ())
            if math.dist(groups[number][0], point) <= PLACE_METRES
        )
        if (number := next(near, None)) is None:
            cells[cell].append(len(groups))
            groups.append((point, [row]))
        else:
            groups[number][1].append(row)
    for _, some in groups:
        if len(some) > 1:
            where = f"{some[0].latitude:.4f}, {some[0].longitude:.4f}"
            yield Link(
                kind="place",
                value=where,
                media_ids=_ids(some),
                reason=Reason("same_place", {"place": where, "metres": PLACE_METRES}),
            )


_Point = tuple[float, float, float]
_Cell = tuple[int, int, int]


def _point(latitude: float, longitude: float) -> _Point:
    """Return a place on a sphere in metres from its middle: near is near also at the poles."""
    up, across = math.radians(latitude), math.radians(longitude)
    return (
        _EARTH_METRES * math.cos(up) * math.cos(across),
        _EARTH_METRES * math.cos(up) * math.sin(across),
        _EARTH_METRES * math.sin(up),
    )


def _cell(point: _Point) -> _Cell:
    x, y, z = (math.floor(value / PLACE_METRES) for value in point)
    return x, y, z


def _scenes(rows: Sequence[Row[Any]]) -> Iterable[Link]:
    seen: set[int] = set()
    chosen: list[Row[Any]] = []
    for row in rows:  # one for each stack: its members look alike anyway
        if row.scene is not None and row.stack_id not in seen:
            chosen.append(row)
            seen |= {row.stack_id} - {None}
    chosen = chosen[:SCENES_MOST]
    codes = np.frombuffer(b"".join(row.scene for row in chosen), np.uint8).reshape(-1, 32)
    groups: dict[int, list[Row[Any]]] = defaultdict(list)
    for row, lead in zip(
        chosen, stacking.near_lead_of(codes, SCENE_RADIUS_BITS).tolist(), strict=True
    ):
        groups[lead].append(row)
    for some in groups.values():
        if len(some) > 1:
            yield Link(
                kind="scene",
                value=some[0].scene.hex(),
                media_ids=_ids(some),
                reason=Reason("same_scene", {"distance_bits": SCENE_RADIUS_BITS}),
            )


def _devices(tx: Connection, case_id: CaseId) -> Iterable[Link]:
    """Link what lay in several exhibits of one device, such as a phone and its back-up."""
    labels: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, label, device in tx.execute(
        select(Exhibit.id, Exhibit.label, Exhibit.device)
        .where(Exhibit.case_id == case_id, Exhibit.device != "")
        .order_by(Exhibit.id)
    ):
        labels[device].append((number, label))
    for device, some in labels.items():
        if len(some) < 2:
            continue
        media = tx.execute(
            select(CaseMedia.media_id)
            .where(
                CaseMedia.case_id == case_id,
                CaseMedia.position.is_not(None),
                _sighted(number for number, _ in some),
            )
            .order_by(CaseMedia.position)
        ).scalars()
        exhibits = ", ".join(label for _, label in some)
        yield Link(
            kind="device",
            value=device,
            media_ids=tuple(MediaId(media_id) for media_id in media),
            reason=Reason("same_device", {"device": device, "exhibits": exhibits}),
        )


def _sighted(exhibits: Iterable[int]) -> ColumnElement[bool]:
    asked = select(Sighting.media_id).where(Sighting.exhibit_id.in_(list(exhibits)))
    return CaseMedia.media_id.in_(asked)


def _ids(rows: Iterable[Any]) -> tuple[MediaId, ...]:
    return tuple(MediaId(row.media_id) for row in rows)
