"""Pictures from the same spot agree, whoever stands there; others do not."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageEnhance

from tutela.fingerprint.content import examine
from tutela.fingerprint.picture import DecodeLimits, Picture
from tutela.fingerprint.scene import SCENE_RADIUS_BITS, scene

BACKGROUNDS = Path("/usr/share/backgrounds")
WALLPAPERS = (
    *("calla.png", "city.png", "desert.png", "goldfish.png", "string.jpg"),
    *(f"mate/nature/{n}.jpg" for n in ("Aqua", "Blinds", "Dune", "FreshFlower", "Garden")),
    *(f"mate/nature/{n}.jpg" for n in ("GreenMeadow", "LadyBird", "RainDrops", "Storm")),
)


@pytest.fixture(scope="module")
def places() -> list[Image.Image]:
    """Different photographs and wallpapers, at most 800 px."""
    found = [Image.open(BACKGROUNDS / name).convert("RGB") for name in WALLPAPERS]
    names = ("astronaut", "coffee", "chelsea", "rocket", "brick", "gravel", "camera")
    found += [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in names]
    for image in found:
        image.thumbnail((800, 800))
    return found


def hashed(image: Image.Image, quality: int = 70) -> bytes | None:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return scene(next(Picture(stream.getvalue(), DecodeLimits()).frames()))


def visited(place: Image.Image, dice: np.random.Generator, share: float) -> Image.Image:
    """Draw somebody in the middle of a place, over a share of its width, in another light."""
    image = place.copy()
    width, height = image.size
    draw = ImageDraw.Draw(image)
    middle, wide = width * (0.5 + dice.uniform(-0.04, 0.04)), width * share
    top = height * dice.uniform(0.22, 0.4)
    coat, face = (tuple(int(c) for c in dice.uniform(20, 240, 3)) for _ in range(2))
    body = [(-0.5, 1.0), (-0.4, 0.5), (0.0, 0.4), (0.4, 0.5), (0.5, 1.0)]
    draw.polygon([(middle + x * wide, top + (height - top) * y) for x, y in body], fill=coat)
    radius = wide * 0.2
    draw.ellipse((middle - radius, top, middle + radius, top + 2 * radius), fill=face)
    return ImageEnhance.Brightness(image).enhance(dice.uniform(0.85, 1.15))


@pytest.mark.parametrize("share", [0.3, 0.45, 0.55])
def test_the_same_spot_agrees_whoever_stands_there(places, apart, share):
    dice = np.random.default_rng(8)
    distances = []
    for place in places:
        one, other = (hashed(visited(place, dice, share)) for _ in range(2))
        if one and other:
            distances.append(apart(one, other))
    assert len(distances) >= 18
    assert np.median(distances) <= 8
    assert sum(d <= SCENE_RADIUS_BITS for d in distances) >= 0.95 * len(distances)


def test_different_spots_do_not_agree(places, apart):
    views = []
    for number, place in enumerate(places):
        wide, high = place.size
        corners = [
            (x, y, x + wide // 2, y + high // 2) for x in (0, wide // 2) for y in (0, high // 2)
        ]
        crops = [place, *(place.crop(corner) for corner in corners)]
        views += [(number, bits) for crop in crops if (bits := hashed(crop))]
    pairs = [apart(a, b) for (m, a), (n, b) in combinations(views, 2) if m != n]
    assert len(pairs) > 3000
    assert min(pairs) > SCENE_RADIUS_BITS
    assert np.quantile(pairs, 0.01) > 90


def test_somebody_in_the_middle_of_the_same_scene_changes_the_fingerprint_more(places, apart):
    dice = np.random.default_rng(9)
    around, whole = [], []
    for place in places:
        seen = []
        for _ in range(2):
            stream = io.BytesIO()
            visited(place, dice, 0.5).save(stream, "JPEG")
            seen.append(examine(stream.getvalue()))
        one, other = seen
        if one.scene and other.scene:
            around.append(apart(one.scene, other.scene))
            whole.append(apart(one.fingerprints[0].bits, other.fingerprints[0].bits))
    assert np.median(around) < 10
    assert np.median(whole) > 40


@pytest.mark.parametrize("size", [(3, 200), (4, 4)])
def test_a_tiny_picture_has_no_scene(size):
    assert hashed(Image.linear_gradient("L").resize(size)) is None


def test_a_bare_wall_has_no_scene():
    wall = Image.new("RGB", (640, 480), (200, 190, 180))
    assert hashed(visited(wall, np.random.default_rng(1), 0.4)) is None


def test_a_turned_picture_has_the_scene_of_the_upright_one(places, apart):
    place = places[9]
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    place.transpose(Image.Transpose.ROTATE_90).save(stream, "JPEG", exif=exif, quality=90)
    turned = examine(stream.getvalue()).scene
    straight = hashed(place, quality=90)
    assert turned
    assert straight
    assert apart(turned, straight) <= 8
