"""Pictures are drawn anew: upright, in sRGB, without metadata, and whatever the file tries."""

from __future__ import annotations

import ctypes
import os
import threading
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tutela.core.errors import MediaError, ServiceError, TutelaError
from tutela.evidence import render, renderwork
from tutela.evidence.render import Renderer
from tutela.fingerprint.picture import DecodeLimits, Picture
from tutela.fingerprint.rehearsal import samples
from tutela.fingerprint.thumbnail import blurred


def _file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _shown(data: bytes) -> Image.Image:
    shown = Image.open(BytesIO(data))
    assert shown.format == "JPEG"
    return shown.convert("RGB")


@pytest.fixture(scope="module")
def renderer():
    with Renderer(2) as opened:
        yield opened


def _scene() -> Image.Image:
    """Red above, blue below left, green below right: no two orientations look alike."""
    scene = Image.new("RGB", (400, 300), "red")
    scene.paste("blue", (0, 150, 200, 300))
    scene.paste("lime", (200, 150, 400, 300))
    return scene


def test_every_kind_of_picture_is_drawn_in_a_confined_process(renderer):
    for sample in samples():
        assert _shown(renderer.clear(sample)).size == (32, 32)
        assert renderer.blurred(sample) == blurred(Picture(sample, DecodeLimits()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stands_as_a_viewer_shows_it(renderer, kind, orientation):
    from PIL import ImageOps  # noqa: PLC0415 - the plain reference

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _file(_scene(), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    shown = _shown(renderer.clear(data))
    assert shown.size == expected.size
    assert np.abs(np.asarray(shown, float) - np.asarray(expected, float)).mean() < 4


def test_transparent_and_palette_pictures_stand_upright_too(renderer):
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = _scene().convert("RGBA")
    clear.putpixel((0, 0), (0, 0, 0, 0))
    for data in (_file(clear, exif=exif), _file(_scene().quantize(8), exif=exif)):
        shown = _shown(renderer.clear(data))
        assert shown.size == (300, 400)
        red, _green, blue = shown.getpixel((290, 200))
        assert red > 200
        assert blue < 60


@pytest.mark.parametrize(
    ("size", "max_px", "expected"),
    [
        ((2000, 1000), 1600, (1600, 800)),
        ((5000, 50), 400, (400, 4)),
        ((300, 200), 1600, (300, 200)),
        ((9000, 2), 100, (100, 1)),
    ],
)
def test_it_is_no_larger_than_asked_for(renderer, size, max_px, expected):
    assert _shown(renderer.clear(_file(Image.new("RGB", size)), max_px)).size == expected


def test_nothing_but_pixels_comes_out(renderer):
    words = b"said-beside-the-pixels"
    exif = Image.Exif()
    exif[0x010E] = words.decode()
    notes = PngInfo()
    notes.add_text("Comment", words.decode())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in (
        _file(_scene(), "JPEG", exif=exif, comment=words, icc_profile=profile),
        _file(_scene(), "PNG", exif=exif, pnginfo=notes),
        _file(_scene(), "WEBP", exif=exif, xmp=words),
    ):
        assert words in data
        for drawn in (renderer.clear(data), renderer.blurred(data)):
            assert words not in drawn
            assert set(Image.open(BytesIO(drawn)).info) <= {
                *("jfif", "jfif_version", "jfif_unit", "jfif_density")
            }


def test_a_colour_profile_is_followed_and_a_broken_one_passed_over(renderer):
    # A profile whose red and blue are exchanged: what it calls red is blue.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    plain = Image.new("RGB", (64, 64), "red")
    followed = _shown(renderer.clear(_file(plain, "JPEG", icc_profile=bytes(profile))))
    assert followed.getpixel((32, 32))[2] > 200
    broken = _shown(renderer.clear(_file(plain, "JPEG", icc_profile=b"no profile at all")))
    assert broken.getpixel((32, 32))[0] > 200


def test_what_cannot_be_drawn_is_an_error_and_the_next_is_drawn(renderer):
    sound = _file(_scene())
    bomb = bytearray(_file(Image.new("L", (8, 8)), "BMP"))
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2
    cases = [
        (b"", "unsupported"),
        (b"plain words", "unsupported"),
        (_file(_scene(), "JPEG")[:700], "truncated"),
        (bytes(bomb), "too_large"),
        (b"\x89PNG\r\n\x1a\n" + os.urandom(500), None),
    ]
    for data, code in cases:
        for draw in (renderer.clear, renderer.blurred):
            with pytest.raises(MediaError) as caught:
                draw(data)
            assert code in (None, caught.value.code)
    assert _shown(renderer.clear(sound)).size == (400, 300)


def _sabotage(monkeypatch, act) -> None:
    """Have workers act when they meet the word; patched before they are forked."""
    honest = renderwork.handle

    def handle(asked, files, reply):
        if asked.endswith(b"SABOTAGE"):
            act(reply)
        else:
            honest(asked, files, reply)

    monkeypatch.setattr(renderwork, "handle", handle)


def _spin(_reply) -> None:
    while True:
        pass


def _crash(_reply) -> None:
    ctypes.string_at(0)


@pytest.mark.parametrize(
    ("act", "kind", "code"),
    [
        (_crash, MediaError, "crashed"),
        (lambda _reply: bytearray(8 << 30), MediaError, None),
        (lambda _reply: 1 // 0, MediaError, "undecodable"),
        (lambda _reply: Path("/etc/hostname").read_bytes(), MediaError, "undecodable"),
        (lambda reply: reply(b"<script>no picture</script>"), TutelaError, "sandbox"),
        (lambda _reply: None, TutelaError, "sandbox"),
    ],
    ids=["crash", "memory", "error", "file", "lie", "nothing"],
)
def test_a_worker_that_breaks_or_lies_spoils_its_own_picture_only(monkeypatch, act, kind, code):
    _sabotage(monkeypatch, act)
    sound = _file(_scene())
    with Renderer(1) as one:
        for _ in range(2):
            with pytest.raises(kind) as caught:
                one.clear(b"SABOTAGE")
            assert code in (None, caught.value.code)
            assert _shown(one.clear(sound)).size == (400, 300)


def test_threads_get_each_their_own_picture(renderer):
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(6):
            size = (20 + number, 30 + turn)
            if _shown(renderer.clear(_file(Image.new("RGB", size)))).size != size:
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nobody_waits_for_a_renderer_that_was_closed_or_has_failed(monkeypatch):
    reached = threading.Event()
    release = threading.Event()
    with Renderer(1) as failing:
        honest = failing._shared._pool.submit

        def submit(request: bytes) -> int:
            reached.set()
            release.wait(10)
            honest(request)
            raise RuntimeError("the pool broke")

        monkeypatch.setattr(failing._shared._pool, "submit", submit)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                failing.clear(_file(_scene()))
            except ServiceError as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert reached.wait(10)
        release.set()
        for thread in threads:
            thread.join(10)
        assert [error.message for error in errors] == [
            "the renderer has failed: the pool broke"
        ] * 3
        with pytest.raises(ServiceError, match="has failed"):
            failing.clear(_file(_scene()))
    failing.close()
    closed = Renderer(1)
    closed.close()
    with pytest.raises(ServiceError, match="was closed"):
        closed.blurred(_file(_scene()))


def test_a_caller_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(render, "_WAIT_S", 0.05)
    _sabotage(monkeypatch, _spin)
    with Renderer(1) as one:
        with pytest.raises(ServiceError) as caught:
            one.clear(b"SABOTAGE")
        assert caught.value.code == "timeout"
