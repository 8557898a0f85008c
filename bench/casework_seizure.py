"""The workload of a simulated seizure, against looking at every file.

What is simulated: of the files, 60 % are known by SHA-256 to a trusted list; one file in five is a
further copy of a content. Of the other contents half stand alone and half came in bursts of 2 and
more (geometric, 6 on average). Codes of different scenes are random; members of a burst differ from
its first by what real edits did to pictures that the run edits: each is a crop of a packaged
photograph that is encoded again, scaled, cropped, brightened, softened, shifted, made noisy or
written on.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from sqlalchemy import insert, select, update

import casework_fill as filling
import casework_stage as stage
from casework_fill import MOMENT
from measure import Figure
from tutela.access import accounts
from tutela.casework.arrange import arrange
from tutela.casework.workload import workload
from tutela.core.ids import CaseId
from tutela.core.principal import Principal, Via
from tutela.fingerprint import content
from tutela.store import Database
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Policy
from tutela.store.tables.casework import CaseMedia, Exhibit, Media, MediaHit

KNOWN = 0.6
COPIES = 0.2
ALONE = 0.5
BURST = 6.0
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "retina")
SIDE = 320
LIST = "bench trusted"


class _Seizure(NamedTuple):
    """Contents: `scene[n]` of each, how often it lies there, whether it is known; PDQ codes."""

    scene: NDArray[np.int64]
    places: NDArray[np.int64]
    known: NDArray[np.bool_]
    codes: NDArray[np.uint8]


def figures(files: int, pictures: int) -> list[Figure]:
    """Arrange a seizure of so many files; `pictures` are edited to learn what edits do."""
    rng = np.random.default_rng(11)
    masks = _masks(pictures, rng)
    seizure = _seizure(files, masks, rng)
    with stage.opened("sqlite") as database:
        who, case = _filled(database, seizure)
        begin = time.perf_counter()
        arrange(database, who, case)
        seconds = time.perf_counter() - begin
        with database.read() as tx:
            load = workload(tx, who, case)
            stacks = tx.execute(
                select(CaseMedia.media_id, CaseMedia.stack_id).where(
                    CaseMedia.case_id == case, CaseMedia.state == "open"
                )
            ).all()
    bits = np.unpackbits(masks, axis=1).sum(axis=1)
    distances = ", ".join(f"{np.percentile(bits, p):.0f}" for p in (50, 90, 99))
    mixed, scenes = _joined(seizure, dict(stacks))
    thousand = 1000 / load.files
    ours = load.decisions_needed * thousand
    rest = float(len(seizure.known) - seizure.known.sum()) * thousand
    name = f"seizure of {load.files:,} files, {KNOWN:.0%} known"

    def against(peer: str, theirs: float) -> Figure:
        label = f"{name}: decisions per 1,000 files"
        return Figure(label, ours, "", peer, theirs, theirs / ours)

    return [
        against("one by one", 1000.0),
        against("one a content (exact duplicates)", load.unique * thousand),
        against("one a content that no list knows", rest),
        against("one a scene (what was simulated)", scenes * thousand),
        Figure(
            f"{name}: views needed per 1,000 files",
            load.views_needed * thousand,
            "",
            "one by one",
            1000.0,
            1000 / (load.views_needed * thousand),
        ),
        Figure(f"{name}: stacks with more than one scene", mixed, ""),
        Figure(
            f"{pictures} edited pictures, PDQ distance p50 (p50, p90, p99: {distances})",
            float(np.percentile(bits, 50)),
            "bits",
        ),
        Figure(f"{name}: arranging", seconds, "s"),
    ]


def _joined(seizure: _Seizure, stacks: dict[int, int | None]) -> tuple[int, int]:
    """Return how many stacks hold more than one scene, and how many scenes there are to decide."""
    scenes: dict[int | None, set[int]] = {}
    for media, stack in stacks.items():
        scenes.setdefault(stack, set()).add(int(seizure.scene[media - 1]))
    mixed = sum(len(some) > 1 for some in scenes.values())
    return mixed, len(set(seizure.scene[~seizure.known].tolist()))


def _seizure(files: int, masks: NDArray[np.uint8], rng: np.random.Generator) -> _Seizure:
    contents = round(files * (1 - COPIES))
    places = 1 + np.bincount(rng.integers(0, contents, files - contents), minlength=contents)
    known = np.zeros(contents, np.bool_)
    # Known by files, not by contents: taken in a random order until 60 % of the files are.
    order = rng.permutation(contents)
    known[order[np.cumsum(places[order]) <= KNOWN * files]] = True
    scene = np.empty(contents, np.int64)
    at = 0
    number = 0
    while at < contents:
        alone = rng.random() < ALONE / (ALONE + (1 - ALONE) / BURST)
        size = 1 if alone else 2 + int(rng.geometric(1 / (BURST - 1))) - 1
        scene[at : at + size] = number
        at, number = at + size, number + 1
    firsts = rng.integers(0, 256, (number, 32), np.uint8)
    codes = firsts[scene]
    edited = np.flatnonzero(np.concatenate([[False], scene[1:] == scene[:-1]]))
    codes[edited] ^= masks[rng.integers(0, len(masks), len(edited))]
    return _Seizure(scene, places, known, codes)


# -- what edits do ------------------------------------------------------------------------------


def _masks(pictures: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return which bits of PDQ an edit turned, uint8[n, 32], for crops of photographs."""
    bases = [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in PHOTOGRAPHS]
    masks: list[NDArray[np.uint8]] = []
    while len(masks) < pictures:
        base = bases[len(masks) % len(bases)]
        left, top = (int(rng.integers(0, max(1, side - SIDE))) for side in base.size)
        picture = base.crop((left, top, left + SIDE, top + SIDE))
        before, quality = _pdq(picture)
        if quality < 50:  # a crop of empty sky has no code worth comparing
            continue
        after, _ = _pdq(_edited(picture, len(masks), rng), int(rng.integers(30, 91)))
        masks.append(np.frombuffer(before, np.uint8) ^ np.frombuffer(after, np.uint8))
    return np.stack(masks)


def _edited(picture: Image.Image, number: int, rng: np.random.Generator) -> Image.Image:
    """Return a picture after one of eight edits, the last of which is none but encoding again."""
    moved = int(rng.integers(1, 7))
    edits: list[Callable[[], Image.Image]] = [
        lambda: picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.LANCZOS),
        lambda: picture.crop((moved, moved, SIDE - moved, SIDE - moved)),
        lambda: ImageEnhance.Brightness(picture).enhance(float(rng.uniform(0.7, 1.4))),
        lambda: picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2)))),
        lambda: picture.crop((moved, 0, SIDE, SIDE)),
        lambda: _noisy(picture, rng),
        lambda: _written(picture),
        lambda: picture,
    ]
    return edits[number % len(edits)]()


def _noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    noise = rng.normal(0, 10, (SIDE, SIDE, 1))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def _written(picture: Image.Image) -> Image.Image:
    written = picture.copy()
    ImageDraw.Draw(written).text((8, SIDE - 24), "2026-01-01 12:00", fill="white")
    return written


def _pdq(picture: Image.Image, quality: int = 90) -> tuple[bytes, int]:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    found = content.fingerprint(stream.getvalue())[0]
    return found.bits, found.quality


# -- the case -----------------------------------------------------------------------------------


def _filled(database: Database, seizure: _Seizure) -> tuple[Principal, CaseId]:
    (person,) = filling.staff(database, 1, role="examiner")
    (made,) = filling.fill(database, [person], 1, 0)
    files, contents = int(seizure.places.sum()), len(seizure.places)
    with database.write() as tx:
        tx.execute(update(Exhibit).where(Exhibit.case_id == made.id).values(seen=files))
        tx.execute(insert(Policy).values(name="trusted_lists", value={"value": {LIST: "uk-abc"}}))
        insert_rows(tx, Media, [_media(n, seizure) for n in range(contents)])
        insert_rows(tx, CaseMedia, [_place(made.id, n, seizure) for n in range(contents)])
        hits = [_hit(made.id, int(n)) for n in np.flatnonzero(seizure.known)]
        insert_rows(tx, MediaHit, hits)
        return accounts.principal(tx, person.account_id, Via.CLI), made.id


def _media(number: int, seizure: _Seizure) -> dict[str, Any]:
    return {
        "id": number + 1,
        "sha256": number.to_bytes(32),
        "size_bytes": 100_000,
        "kind": "jpeg",
        "is_picture": True,
        "width": 640,
        "height": 480,
        "pdq": seizure.codes[number].tobytes(),
        "pdq_quality": 100,
        "first_seen_at": MOMENT,
    }


def _place(case: CaseId, number: int, seizure: _Seizure) -> dict[str, Any]:
    return {
        "case_id": case,
        "media_id": number + 1,
        "state": "open",
        "priority": 0,
        "reasons": [],
        "sightings": int(seizure.places[number]),
        "sampled": False,
        "extra": {},
    }


def _hit(case: CaseId, number: int) -> dict[str, Any]:
    return {
        "case_id": case,
        "media_id": number + 1,
        "list_name": LIST,
        "role": "alert",
        "strength": "exact",
        "algorithm": "sha256",
        "distance_bits": 0,
        "variant": "",
        "entry_number": number,
        "classifications": [["uk-abc", "C"]],
        "silenced": False,
    }
