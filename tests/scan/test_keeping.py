"""Facts, thumbnails and originals on their way from the worker to the keeper."""

from __future__ import annotations

import ctypes
import hashlib
import io
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from keeping_shelf import Shelf
from PIL import Image
from scan_support import encoded, scanned, session

from tutela.core.errors import ServiceError
from tutela.fingerprint import content
from tutela.scan import wire, worker
from tutela.scan.journal import Recorded, journal_path
from tutela.scan.wire import Begin, Digested, Outcome, Part, Status

PICTURES = {"jpeg", "png"}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def kept_of(root: Path, shelf: Shelf, **options: object) -> list[Recorded]:
    """Scan; nothing may be called kept that is not durable by then."""
    with session(root, facts=True, keep=lambda: shelf, **options) as opened:
        found = []
        for recorded in opened.pipeline.run():
            assert set(recorded.kept.values()) - set(shelf.before.values()) <= shelf.durable
            found.append(recorded)
    assert shelf.open == 0
    return found


def place(recorded: Recorded) -> str:
    names = [recorded.found.path.rpartition(b"/")[2], *recorded.outcome.inside]
    return b"/".join(names).decode(errors="replace")


def test_originals_are_kept_to_the_byte_wherever_they_lay(
    evidence: Path, known: list[bytes], unknown: list[bytes], shelf: Shelf
):
    large = encoded(Image.effect_noise((1400, 1000), 90), "PNG")
    assert len(large) > 3 * wire.PART_BYTES
    (evidence / "large.png").write_bytes(large)
    found = {place(r): r for r in kept_of(evidence, shelf)}
    truth = {
        "a.jpg": known[0],
        "b.jpg": unknown[0],
        "large.png": large,
        "cut.jpg": known[2][:5000],
        "box.zip/x/a copy.jpg": known[0],
        "box.zip/x/inner.tar.gz/deep/c.jpg": known[3],
        "sorted.tar.gz/deep/c.jpg": known[3],
        "card.img/DCIM/K.JPG": known[1],
        "card.img/DCIM/U.JPG": unknown[1],
    }
    for name, data in truth.items():
        assert shelf.bytes_of(found[name].kept["original"]) == data, name
    pictures = [r for r in found.values() if r.outcome.kind in PICTURES]
    assert {place(r) for r in found.values() if r.kept} == {place(r) for r in pictures}
    for recorded in pictures:
        outcome = recorded.outcome
        assert set(recorded.kept) == ({"original", "thumbnail"} if outcome.width else {"original"})
        if outcome.width:
            shown = Image.open(io.BytesIO(shelf.bytes_of(recorded.kept["thumbnail"])))
            assert max(shown.size) <= 160 < max(outcome.width, outcome.height)
            assert outcome.scene is None or len(outcome.scene) == 32
    assert not found["cut.jpg"].outcome.width
    # The same content in several places is kept once.
    contents = {r.outcome.digests.sha256 for r in pictures}
    assert Counter(shelf.kinds) == {"original": len(contents), "thumbnail": len(contents) - 1}
    assert found["a.jpg"].kept == found["box.zip/x/a copy.jpg"].kept


def test_facts_come_with_the_outcome(tmp_path: Path, landscapes: list[Image.Image]):
    root = tmp_path / "e"
    root.mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Example", 6
    exif.get_ifd(0x8769)[0xA431] = "SN-1"
    (root / "a.jpg").write_bytes(encoded(landscapes[0], exif=exif))
    (root / "a.txt").write_text("text")
    with session(root, facts=True) as opened:
        picture, text = (r.outcome for r in opened.pipeline.run())
    assert picture.facts == (("Make", "Example"), ("Body Serial", "SN-1"), ("Orientation", "6"))
    assert (picture.width, picture.height) == (384, 512)
    assert picture.scene
    assert (text.width, text.facts, text.scene) == (0, (), None)
    with session(root) as opened:
        picture, _ = (r.outcome for r in opened.pipeline.run())
    assert (picture.width, picture.facts, picture.scene) == (0, (), None)


def test_a_hash_only_case_keeps_no_original(evidence: Path, tmp_path: Path):
    shelf = Shelf(tmp_path / "shelf", originals=False)
    assert [r for r in kept_of(evidence, shelf) if r.kept]
    assert set(shelf.kinds) == {"thumbnail"}


def test_what_an_earlier_case_kept_is_not_kept_again(
    evidence: Path, known: list[bytes], shelf: Shelf
):
    digest = hashlib.sha256(known[0]).digest()
    shelf.before = {("original", digest): "old-original", ("thumbnail", digest): "old-thumbnail"}
    found = {place(r): r for r in kept_of(evidence, shelf)}
    assert found["a.jpg"].kept == {"original": "old-original", "thumbnail": "old-thumbnail"}


def test_many_copies_are_kept_once_though_several_workers_send_them(tmp_path: Path, shelf: Shelf):
    root = tmp_path / "e"
    root.mkdir()
    data = encoded(Image.effect_noise((700, 500), 90), "PNG")
    for number in range(80):
        (root / f"{number}.png").write_bytes(data)
    found = kept_of(root, shelf, jobs=3)
    assert len({tuple(sorted(r.kept.items())) for r in found}) == 1
    assert sorted(shelf.kinds) == ["original", "thumbnail"]


def crashing(data: bytes, *_: object, **__: object) -> content.Seen:
    """Stand in for a decoder that a hostile picture breaks."""
    if data.endswith(b"CRASH"):
        ctypes.string_at(0)
    return content.Seen()


def test_a_picture_that_kills_its_reader_is_kept_all_the_same(
    tmp_path: Path, known: list[bytes], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(content, "examine", crashing)
    root = tmp_path / "e"
    root.mkdir()
    with zipfile.ZipFile(root / "all.zip", "w") as archive:
        for number in range(20):
            archive.writestr(
                f"{number:02}.jpg", known[0] + b"%d" % number + b"CRASH" * (number == 7)
            )
    found = {place(r): r for r in kept_of(root, shelf)}
    evil = found["all.zip/07.jpg"]
    assert (evil.outcome.status, evil.outcome.reason) == (Status.FAILED, "crashed")
    assert shelf.bytes_of(evil.kept["original"]) == known[0] + b"7CRASH"
    assert sum("original" in r.kept for r in found.values()) == 20
    assert len(shelf.kinds) == 20


def test_a_scan_killed_at_some_moments_has_kept_everything_once(
    evidence: Path, known: list[bytes], tmp_path: Path
):
    for number in range(60):
        (evidence / f"more{number:02}.jpg").write_bytes(known[number % 4] + bytes([number]))
    folder = tmp_path / "shelf"
    program = [sys.executable, str(Path(__file__).with_name("shelf.py")), evidence, folder]
    dice = random.Random(20261124)
    for _ in range(4):
        scan = subprocess.Popen(program, stdout=subprocess.PIPE)
        assert scan.stdout
        scan.stdout.readline()  # something is recorded
        time.sleep(dice.uniform(0, 0.1))
        scan.send_signal(signal.SIGKILL)
        scan.communicate()
    shelf = Shelf(folder)
    shelf.durable = {path.name for path in folder.iterdir()}
    found = kept_of(evidence, shelf)
    pictures = [r for r in found if r.outcome.kind in PICTURES]
    originals: dict[bytes, set[str]] = {}
    for recorded in pictures:
        sha256 = recorded.outcome.digests.sha256
        assert sha256
        data = shelf.bytes_of(recorded.kept["original"])
        assert hashlib.sha256(data).digest() == sha256
        originals.setdefault(sha256, set()).add(recorded.kept["original"])
    assert len(originals) > 60
    assert all(len(ids) == 1 for ids in originals.values())
    assert not [r for r in pictures if r.outcome.width and "thumbnail" not in r.kept]


def test_an_interrupted_scan_leaves_nothing_half_written(evidence: Path, shelf: Shelf):
    with session(evidence, facts=True, keep=lambda: shelf) as opened:
        running = opened.pipeline.run()
        for _ in range(3):
            next(running)
        running.close()
    assert shelf.open == 0


def test_a_keeper_without_room_ends_the_scan_and_the_next_goes_on(evidence: Path, tmp_path: Path):
    full = Shelf(tmp_path / "shelf", room=100_000)
    with (
        pytest.raises(ServiceError, match="no room"),
        session(evidence, keep=lambda: full) as opened,
    ):
        scanned(opened)
    assert full.open == 0
    roomy = Shelf(tmp_path / "shelf")
    roomy.durable |= full.durable
    found = kept_of(evidence, roomy)
    assert not [r for r in found if r.outcome.kind in PICTURES and "original" not in r.kept]


def test_another_wish_is_another_scan(tmp_path: Path):
    plain = wire.Limits(1, 2, 3, 4, 5, 6, 7, 8)
    wishes = [
        plain,
        wire.Limits(1, 2, 3, 4, 5, 6, 7, 8, facts=True),
        wire.Limits(1, 2, 3, 4, 5, 6, 7, 8, keep="thumbnails"),
        wire.Limits(1, 2, 3, 4, 5, 6, 7, 8, keep="originals"),
        wire.Limits(1, 2, 3, 4, 5, 6, 7, 8, members=False),
    ]
    paths = {journal_path(tmp_path, [tmp_path], wish) for wish in wishes}
    paths.add(journal_path(tmp_path, [tmp_path], plain, "a vault"))
    assert len(paths) == 6
    # What a scan without wishes calls its journal has not changed since the first version.
    wished = {"facts", "keep", "members"}
    assert set(msgspec.to_builtins(plain)) == set(wire.Limits.__struct_fields__) - wished


# -- workers that were taken over -------------------------------------------------------------

DATA = b"\xff\xd8\xff what is sent"
DIGESTS = wire.Digests(sha256=hashlib.sha256(DATA).digest())
Send = Callable[[bytes], None]


def liar(*messages: Callable[[int], wire.Reply]) -> Callable[[bytes, list[int], Send], None]:
    """Make a worker that says these things of its first item."""

    def lie(request: bytes, _files: list[int], send: Send) -> None:
        (item, *_) = wire.decode_request(request).items
        for message in messages:
            send(wire.encode(message(item.item)))

    return lie


def begun(item: int) -> wire.Reply:
    return Begin(item, ())


def digested(item: int) -> wire.Reply:
    return Digested(item, (), DIGESTS, container=False)


def part(
    data: bytes = DATA, kind: wire.Kind = "original", order: wire.Order = (), *, last: bool = True
) -> Callable[[int], wire.Reply]:
    return lambda item: Part(item, order, kind, data, last=last)


def done(item: int) -> wire.Reply:
    return Outcome(item=item, order=(), status=Status.HASHED, digests=DIGESTS, kind="jpeg")


LIES = {
    "of a content that was not begun": [digested, part()],
    "before the digests": [begun, part()],
    "of another content": [begun, digested, part(order=(1,))],
    "with another digest": [begun, digested, part(DATA + b"!")],
    "twice": [begun, digested, part(), part()],
    "two at a time": [begun, digested, part(last=False), part(kind="thumbnail")],
    "more than a part may have": [begun, digested, part(bytes(wire.PART_BYTES + 1))],
    "without end": [begun, digested, *[part(bytes(wire.PART_BYTES), last=False)] * 9],
    "an enormous thumbnail": [begun, digested, part(bytes(70_000), "thumbnail")],
    "without the rest": [begun, digested, part(last=False)],
    "and ends in between": [begun, digested, part(last=False), done],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_worker_cannot_hand_over(
    lie: str, tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "e"
    root.mkdir()
    (root / "a.jpg").write_bytes(DATA)
    said = LIES[lie] if done in LIES[lie] else [*LIES[lie], done]
    monkeypatch.setattr(worker, "Worker", lambda: liar(*said))
    (recorded,) = kept_of(root, shelf, jobs=1, picture_mib=2)
    assert recorded.outcome.reason == "crashed"
    assert all(shelf.bytes_of(one) == DATA for one in shelf.closed)
    assert len(shelf.closed) == (lie == "twice")


def test_the_honest_sequence_of_these_messages_is_taken(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "e"
    root.mkdir()
    (root / "a.jpg").write_bytes(DATA)
    halves = [part(DATA[:5], last=False), part(DATA[5:]), part(b"small", "thumbnail")]
    monkeypatch.setattr(worker, "Worker", lambda: liar(begun, digested, *halves, done))
    (recorded,) = kept_of(root, shelf, jobs=1)
    assert recorded.outcome.status is Status.HASHED
    assert shelf.bytes_of(recorded.kept["original"]) == DATA
    assert shelf.bytes_of(recorded.kept["thumbnail"]) == b"small"


@pytest.mark.parametrize(
    "more",
    [
        {"facts": (("Make", "x" * 201),)},
        {"facts": (("Make", "\x1b[2J"),)},
        {"facts": (("Make", "x"),) * 33},
        {"scene": bytes(31)},
        {"width": -1},
        {"height": 1 << 40},
    ],
)
def test_facts_beyond_bounds_are_not_believed(more: dict[str, object]):
    item = wire.Item(1, b"a.jpg", 1)
    limits = wire.Limits(1, 1, 1, 1, 1, 1, 1, 1, facts=True)
    plain = Outcome(item=1, order=(), status=Status.HASHED, width=3, facts=(("Make", "x"),))
    assert wire.believable(plain, item, limits)
    lied = Outcome(item=1, order=(), status=Status.HASHED, **more)  # type: ignore[arg-type]  # fields by name
    assert not wire.believable(lied, item, limits)


def test_what_nobody_asked_for_is_not_believed():
    item = wire.Item(1, b"a.jpg", 1)
    plain = wire.Limits(1, 1, 1, 1, 1, 1, 1, 1)
    thumbnails = wire.Limits(1, 1, 1, 1, 1, 1, 1, 1, keep="thumbnails")
    assert not wire.believable(part(kind="thumbnail")(1), item, plain)
    assert wire.believable(part(kind="thumbnail")(1), item, thumbnails)
    assert not wire.believable(part()(1), item, thumbnails)
    said = Outcome(item=1, order=(), status=Status.HASHED, width=3)
    assert not wire.believable(said, item, thumbnails)
