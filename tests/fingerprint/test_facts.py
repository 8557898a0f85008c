"""What EXIF says, in fixed words; and nothing where it says nothing that can be relied on."""

from __future__ import annotations

import io
import logging
import struct

import exifread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tutela.fingerprint import facts
from tutela.fingerprint.content import examine
from tutela.fingerprint.exif import ENTRIES, Block
from tutela.fingerprint.picture import DecodeLimits

BODY, LENS, UNIQUE, TAKEN, OFFSET, MAKER_NOTE = 0xA431, 0xA435, 0xA420, 0x9003, 0x9011, 0x927C
BERLIN = {1: "N", 2: (52.0, 30.0, 1.5), 3: "E", 4: (13.0, 2.0, 3.0)}


def exif(make: str = "Example", more: dict | None = None, gps: dict | None = None) -> Image.Exif:
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0131] = make, "Model One", "firmware 1.0"
    block.get_ifd(0x8769).update(more or {})
    block.get_ifd(0x8825).update(gps or {})
    return block


def said(**how: object) -> dict[str, str]:
    return dict(facts.read(exif(**how).tobytes()))


FULL = {
    BODY: " 0012345 ",
    LENS: "L-77",
    UNIQUE: "ab" * 16,
    TAKEN: "2020:01:02 03:04:05",
    OFFSET: "+02:00",
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_says_the_same(kind, coffee, encode):
    block = exif(more=FULL, gps=BERLIN)
    block[0x0112] = 6
    seen = examine(encode(coffee.resize((96, 64)), kind, exif=block.tobytes()))
    assert dict(seen.facts) == {
        "Make": "Example",
        "Model": "Model One",
        "Software": "firmware 1.0",
        "Body Serial": "0012345",
        "Lens Serial": "L-77",
        "Capture Time": "2020-01-02T03:04:05+02:00",
        "Latitude": "52.500417",
        "Longitude": "13.034167",
        "Orientation": "6",
        "Unique ID": "ab" * 16,
    }
    assert (seen.width, seen.height) == (64, 96)  # as a viewer shows it


def test_sizes_are_those_of_the_whole_picture(coffee, encode):
    large = encode(coffee.resize((2402, 1606)), "JPEG")
    seen = examine(large)
    assert (seen.width, seen.height) == (2402, 1606)
    assert seen.facts == ()


def test_south_and_west_are_negative():
    gps = BERLIN | {1: "S", 3: "W"}
    assert said(gps=gps)["Latitude"] == "-52.500417"
    assert said(gps=gps)["Longitude"] == "-13.034167"


@pytest.mark.parametrize(
    "wrong",
    [
        {1: ""},
        {1: "X"},
        {1: "E"},
        {3: "N"},
        {2: (91.0, 0.0, 0.0)},
        {2: (90.0, 0.0, 1.0)},
        {4: (180.0, 30.0, 0.0)},
        {2: (52.0, 60.0, 0.0)},
        {2: (52.0, 1.0, 60.0)},
        {2: (52.0, 30.0)},
        {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
    ],
)
def test_a_place_that_is_not_sure_is_no_place(wrong):
    assert not {"Latitude", "Longitude"} & set(said(gps=BERLIN | wrong))


def test_half_a_place_and_a_fraction_of_nothing_are_no_place():
    assert "Latitude" not in said(gps={1: "N", 2: (52.0, 30.0, 1.5)})
    block = bytearray(exif(gps=BERLIN).tobytes())
    at = block.index(struct.pack(">II", 52, 1))
    block[at + 4 : at + 8] = bytes(4)
    assert "Latitude" not in dict(facts.read(bytes(block)))


@pytest.mark.parametrize("serial", ["0000000", "", "   ", "---", "1\x072", "9" * 201])
def test_a_serial_that_means_nothing_links_nothing(serial):
    assert "Body Serial" not in said(more={BODY: serial})


@pytest.mark.parametrize(
    ("taken", "offset", "expected"),
    [
        ("2020:01:02 03:04:05", "", "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "+2:00", "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "-03:30", "2020-01-02T03:04:05-03:30"),
        ("0000:00:00 00:00:00", "", None),
        ("2020:02:30 00:00:00", "", None),
        ("2020-01-02 03:04:05", "", None),
        ("yesterday", "", None),
    ],
)
def test_times(taken, offset, expected):
    assert said(more={TAKEN: taken, OFFSET: offset}).get("Capture Time") == expected


def test_the_time_of_digitizing_stands_in():
    assert said(more={0x9004: "2019:01:01 00:00:00"})["Capture Time"] == "2019-01-01T00:00:00"


# -- maker's notes, written by hand -----------------------------------------------------------


def directory(order: str, *entries: tuple[int, int, int, bytes]) -> bytes:
    packed = [struct.pack(f"{order}HHI", *e[:3]) + e[3].ljust(4, b"\0") for e in entries]
    return struct.pack(f"{order}H", len(packed)) + b"".join(packed) + bytes(4)


def with_note(make: str, note: bytes) -> dict[str, str]:
    return said(make=make, more={MAKER_NOTE: note})


def test_a_serial_in_the_maker_s_note():
    nikon = b"Nikon\0\x02\x10\0\0MM\0*" + struct.pack(">I", 8)
    nikon += directory(">", (0x001D, 2, 8, struct.pack(">I", 26))) + b"3001234\0"
    assert with_note("NIKON CORPORATION", nikon)["Body Serial"] == "3001234"
    fuji = b"FUJIFILM" + struct.pack("<I", 12)
    fuji += directory("<", (0x0010, 2, 8, struct.pack("<I", 30))) + b"FPX 9 A\0"
    assert with_note("FUJIFILM", fuji)["Body Serial"] == "FPX 9 A"
    canon = directory(">", (0x000C, 4, 1, struct.pack(">I", 1420301234)))
    assert with_note("Canon", canon)["Body Serial"] == "1420301234"


def test_a_body_serial_of_exif_comes_first_and_a_stranger_s_note_is_not_read():
    canon = directory(">", (0x000C, 4, 1, struct.pack(">I", 77)))
    assert said(make="Canon", more={MAKER_NOTE: canon, BODY: "5"})["Body Serial"] == "5"
    assert "Body Serial" not in with_note("Another", canon)


# -- hostile blocks ---------------------------------------------------------------------------


GOOD = exif(
    make="Canon",
    more=FULL | {BODY: "", MAKER_NOTE: directory(">", (0x000C, 4, 1, b"\0\0\0\7"))},
    gps=BERLIN,
).tobytes()


def test_the_block_that_is_damaged_below_says_everything():
    assert {word for word, _ in facts.read(GOOD)} == set(facts.WORDS) - {"Orientation"}


def bounded(data: bytes) -> None:
    found = facts.read(data)
    assert len(found) <= 32
    assert [word for word, _ in found] == [w for w in facts.WORDS if w in dict(found)]
    for _, value in found:
        assert 0 < len(value) <= 200
        assert value.isprintable()


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0MM\0*"]))
def test_any_bytes_are_taken(noise, head):
    bounded(head + noise)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=8))
def test_any_damage_is_taken(changes):
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    bounded(bytes(data))


def test_any_cut_is_taken():
    for end in range(len(GOOD)):
        bounded(GOOD[:end])


def test_a_directory_that_holds_itself_and_one_without_end():
    loop = b"II*\0" + struct.pack("<I", 8) + directory("<", (0x8769, 4, 1, struct.pack("<I", 8)))
    assert facts.read(loop) == ()
    endless = b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(12 * 65535)
    assert len(Block(endless).first()) <= ENTRIES


def test_a_hostile_block_fails_no_picture(coffee, encode):
    for block in (GOOD[:40], b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 60000):
        seen = examine(encode(coffee.resize((96, 64)), "JPEG", exif=block))
        assert seen.fingerprints
        assert seen.width == 96


def test_facts_that_cannot_be_had_cost_no_fingerprint(coffee, encode, monkeypatch):
    def broken(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(facts, "read", broken)
    monkeypatch.setattr("tutela.fingerprint.content.blurred_frame", broken)
    seen = examine(encode(coffee, "JPEG"), DecodeLimits(), thumbnail=True)
    assert seen.fingerprints
    assert (seen.facts, seen.thumbnail) == ((), b"")


def test_the_same_is_read_as_by_another_reader(coffee, encode):
    logging.getLogger("exifread").setLevel(logging.CRITICAL)
    data = encode(coffee, "JPEG", exif=exif(more=FULL, gps=BERLIN))
    theirs = exifread.process_file(io.BytesIO(data), details=False)
    ours = dict(examine(data).facts)
    assert ours["Make"] == theirs["Image Make"].printable
    assert ours["Body Serial"] == theirs["EXIF BodySerialNumber"].printable.strip()
    degrees = [float(part) for part in theirs["GPS GPSLatitude"].values]
    assert float(ours["Latitude"]) == pytest.approx(
        degrees[0] + degrees[1] / 60 + degrees[2] / 3600
    )
