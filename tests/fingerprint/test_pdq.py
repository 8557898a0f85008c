from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pdqhash
import pytest
from PIL import Image

from tutela.core.media import PDQ_QUALITY_MINIMUM, VARIANTS
from tutela.fingerprint.content import fingerprint

BACKGROUNDS = Path("/usr/share/backgrounds")
# Photographs only: computer drawings such as `wood` and `Float-into-MATE` lie beside them.
INSTALLED = (
    *("mate/nature/Aqua.jpg", "mate/nature/Blinds.jpg", "mate/nature/Dune.jpg"),
    *("mate/nature/FreshFlower.jpg", "mate/nature/Garden.jpg", "mate/nature/GreenMeadow.jpg"),
    *("mate/nature/LadyBird.jpg", "mate/nature/RainDrops.jpg", "mate/nature/Storm.jpg"),
    *("mate/nature/TwoWings.jpg", "mate/nature/Wood.jpg", "mate/nature/YellowFlower.jpg"),
    "mate/abstract/Elephants.jpg",
)


def reference(image: Image.Image) -> tuple[bytes, int]:
    found, quality = pdqhash.compute(np.ascontiguousarray(np.asarray(image.convert("RGB"))))
    return np.packbits(found.astype(np.uint8)).tobytes(), quality


@pytest.fixture(scope="module")
def conformance(encode, apart):
    """Distance to the reference, and difference of quality, of re-encoded photographs."""
    found: dict[float, list[tuple[int, int]]] = {}
    for name in INSTALLED:
        with Image.open(BACKGROUNDS / name) as opened:
            image = opened.convert("RGB")
        for number, megapixels in enumerate((2.0, 0.3) if name != INSTALLED[0] else (12.0, 2.0)):
            factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
            resized = image.resize((int(image.width * factor), int(image.height * factor)))
            for level in (60, 95) if number else (85,):
                data = encode(resized, "JPEG", quality=level)
                expected, quality = reference(Image.open(io.BytesIO(data)))
                if quality >= 80:
                    ours = fingerprint(data)[0]
                    found.setdefault(megapixels, []).append(
                        (apart(ours.bits, expected), abs(ours.quality - quality))
                    )
    return found


def test_reduced_decoding_stays_near_the_reference(conformance):
    for results in conformance.values():
        distances = [bits for bits, _ in results]
        assert max(distances) <= 8
        assert sum(distances) / len(distances) <= 2
        assert max(quality for _, quality in results) <= 3
    assert sum(map(len, conformance.values())) > 25


def test_whole_pictures_give_the_references_variants(photograph, encode, apart):
    found = fingerprint(encode(photograph, "PNG"))
    expected, quality = pdqhash.compute_dihedral(np.asarray(photograph).copy())
    assert [one.variant for one in found] == list(VARIANTS)
    for ours, theirs in zip(found, expected, strict=True):
        assert apart(ours.bits, np.packbits(theirs.astype(np.uint8)).tobytes()) <= 2
        assert ours.quality == quality


def test_a_variant_is_the_hash_of_the_picture_turned_so(encode, apart, bits_of, coffee):
    # At many pixels the reference's asymmetric sampling hardly shows.
    large = coffee.resize((2400, 1600))
    found = {one.variant: one.bits for one in fingerprint(encode(large, "BMP"))}
    turns = {
        "rotate90": Image.Transpose.ROTATE_90,
        "rotate180": Image.Transpose.ROTATE_180,
        "rotate270": Image.Transpose.ROTATE_270,
        "flipx": Image.Transpose.FLIP_TOP_BOTTOM,
        "flipy": Image.Transpose.FLIP_LEFT_RIGHT,
        "transpose": Image.Transpose.TRANSPOSE,
        "transverse": Image.Transpose.TRANSVERSE,
    }
    for name, turn in turns.items():
        turned = bits_of(encode(large.transpose(turn), "BMP"))
        distances = {other: apart(bits, turned) for other, bits in found.items()}
        assert min(distances, key=distances.get) == name
        assert distances[name] <= 8


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (63, 65), (127, 129), (5, 4000)])
def test_odd_sizes_equal_the_reference(size, encode, apart):
    noise = np.random.default_rng(3).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ours, (expected, quality) = fingerprint(encode(image, "PNG"))[0], reference(image)
    assert abs(ours.quality - quality) <= 1
    if quality >= 80:
        assert apart(ours.bits, expected) <= 2


def test_near_empty_pictures_are_marked_by_quality(encode):
    blank = Image.new("RGB", (640, 480), "white")
    assert fingerprint(encode(blank, "PNG"))[0].quality == 0
    blank.paste("grey", (300, 200, 340, 230))
    assert fingerprint(encode(blank, "JPEG"))[0].quality < PDQ_QUALITY_MINIMUM
