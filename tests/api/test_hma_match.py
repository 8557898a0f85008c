"""`/m` and `/h` in the shapes of HMA 1.1 (`blueprints/matching.py`, `blueprints/hashing.py`)."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from api_support import digest, image, video
from litestar.testing import TestClient
from matching_support import follow, matched, near
from PIL import Image

from tutela.api import app
from tutela.core.entry import Role as ListRole
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.exchange.candidate import Candidate
from tutela.fingerprint import content
from tutela.scan.hasher import Hasher

PICTURE = digest(1, "sha3_256")


def drawn() -> bytes:
    blocks = np.random.default_rng(4).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(blocks).resize((320, 240), Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def hasher():
    with Hasher(1) as one:
        yield one


@pytest.fixture
def serving(small, tmp_path, hasher):
    """A member of two lists, one of them with a drawn picture, and a client that speaks HMA."""
    file = drawn()
    pdq = content.fingerprint(file)[0]
    own = Candidate(digests=Digests(sha256=hashlib.sha256(file).digest()), fingerprints=(pdq,),
                    codes=image(1).codes)  # fmt: skip
    small.ids = small.add(image(1), video(2), own)
    other = small.another_list("second-list")
    small.ids += small.add(image(1), list_id=other)
    small.join(small.members["platform"], other)
    for name in ("known", "second-list"):
        follow(small, tmp_path / "library", name)
    with matched(small, tmp_path / "library"):
        small.desk = replace(small.desk, hasher=hasher)
        with TestClient(app.build(small.desk)) as client:
            client.headers.update(small.members["platform"].bearer)
            small.client = client
            yield small


def get(serving, path: str, **params: str):
    return serving.client.get(path, params=params)


def test_a_signal_is_looked_up_by_bank(serving):
    said = get(serving, "/m/lookup", signal=near(PICTURE, 4).hex(), signal_type="pdq", seed="x")
    assert said.json() == {
        "KNOWN": [{"bank_content_id": serving.ids[0], "distance": "4"}],
        "SECOND_LIST": [{"bank_content_id": serving.ids[3], "distance": "4"}],
    }
    one = get(
        serving, "/m/lookup", signal=PICTURE.hex(), signal_type="pdq", banks="SECOND_LIST"
    ).json()  # fmt: skip
    assert list(one) == ["SECOND_LIST"]
    none = get(serving, "/m/lookup", signal="0" * 64, signal_type="pdq")
    assert (none.status_code, none.json()) == (200, {})


def test_a_raw_look_up_gives_numbers(serving):
    signal = {"signal": PICTURE.hex(), "signal_type": "pdq"}
    assert get(serving, "/m/raw_lookup", **signal).json() == {
        "matches": [serving.ids[0], serving.ids[3]]
    }
    assert get(serving, "/m/raw_lookup", **signal, include_distance="true").json() == {
        "matches": [
            {"bank_content_id": serving.ids[0], "distance": "0"},
            {"bank_content_id": serving.ids[3], "distance": "0"},
        ]
    }
    md5 = {"signal": digest(2, "md5").hex(), "signal_type": "video_md5"}
    assert get(serving, "/m/raw_lookup", **md5, include_distance="true").json() == {
        "matches": [{"bank_content_id": serving.ids[1], "distance": "-"}]
    }


def test_signals_are_compared(serving):
    asked = {
        "pdq": [PICTURE.hex(), near(PICTURE, 9).hex()],
        "video_md5": ["0" * 32, "1" * 32],
        "video_sha256": ["a" * 64, "A" * 64],
    }
    assert serving.client.post("/m/compare", json=asked).json() == {
        "pdq": [True, {"distance": 9}],
        "video_md5": [False, {}],
        "video_sha256": [True, {}],
    }
    far = {"pdq": [PICTURE.hex(), near(PICTURE, 32).hex()]}
    assert serving.client.post("/m/compare", json=far).json() == {"pdq": [False, {"distance": 32}]}


def test_the_index_says_how_much_it_holds(serving):
    said = get(serving, "/m/index/status").json()
    assert {name: (one["present"], one["size"]) for name, one in said.items()} == {
        "pdq": (True, 3),
        "video_md5": (True, 3),
        "video_sha256": (True, 4),
    }
    assert said["pdq"]["built_to"] > 1_700_000_000
    assert list(get(serving, "/m/index/status", signal_type="pdq").json()) == ["pdq"]


def test_a_file_is_hashed_and_looked_up(serving):
    file = drawn()
    expected = content.fingerprint(file)[0].bits.hex()
    photo = {"photo": ("x.png", file, "image/png")}
    assert serving.client.post("/h/hash", files=photo).json() == {"pdq": expected}
    assert serving.client.post("/m/lookup", files=photo).json() == {
        "pdq": {"KNOWN": [{"bank_content_id": serving.ids[2], "distance": "0"}]}
    }
    video_ = {"video": ("x.mp4", b"no video", "video/mp4")}
    md5 = hashlib.md5(b"no video").hexdigest()
    assert serving.client.post("/h/hash?types=video_md5", files=video_).json() == {"video_md5": md5}
    assert serving.client.post("/m/lookup?types=video_md5", files=video_).json() == {
        "video_md5": {}
    }


def test_a_file_that_is_known_to_be_harmless_meets_nothing(serving, tmp_path):
    good = serving.another_list("good", ListRole.ALLOW)
    serving.add(Candidate(digests=Digests(sha256=hashlib.sha256(drawn()).digest()), codes=()),
                list_id=good)  # fmt: skip
    serving.withdraw(serving.ids[2])
    near_it = content.fingerprint(drawn())[0]
    serving.add(Candidate(fingerprints=(Fingerprint(PDQ, near(near_it.bits, 3)),),
                          codes=image(1).codes))  # fmt: skip
    serving.join(serving.members["platform"], good)
    for name in ("known", "good"):
        follow(serving, tmp_path / "library", name)
    serving.desk.matching.rights._kept.clear()
    photo = {"photo": ("x.png", drawn(), "image/png")}
    assert serving.client.post("/m/lookup", files=photo).json() == {"pdq": {}}


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/m/lookup", {"signal": "00", "signal_type": "pdq"}, 422, "value"),
        ("/m/lookup", {"signal": "00" * 32, "signal_type": "tlsh"}, 400, "signal_type"),
        ("/m/lookup", {"signal": "00" * 32}, 400, "usage"),
        ("/m/lookup", {"url": "http://127.0.0.1/x"}, 403, "no_fetch"),
        ("/h/hash", {"url": "http://127.0.0.1/x"}, 403, "no_fetch"),
        ("/m/index/status", {"signal_type": "tlsh"}, 400, "signal_type"),
        (
            "/m/lookup",
            {"signal": "00" * 32, "signal_type": "pdq", "banks": "SECRET"},
            404,
            "not_found",
        ),
    ],
)
def test_what_cannot_be_answered_says_why(serving, path, params, status, code):
    response = get(serving, path, **params)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_one_file_and_no_more(serving):
    two = [("photo", ("a", b"1", "x/y")), ("video", ("b", b"2", "x/y"))]
    assert serving.client.post("/h/hash", files=two).status_code == 400
    unknown = {"sound": ("a", b"1", "x/y")}
    assert serving.client.post("/h/hash", files=unknown).json()["code"] == "content_type"


def test_a_broken_picture_has_an_empty_signal(serving):
    broken = {"photo": ("x.png", drawn()[:200], "image/png")}
    assert serving.client.post("/h/hash", files=broken).json() == {"pdq": ""}
    assert serving.client.post("/m/lookup", files=broken).json() == {"pdq": {}}


def test_a_file_is_matched_by_digests_and_fingerprints(serving):
    response = serving.client.post(
        "/v1/match", content=drawn(), headers={"content-type": "image/png"}
    )
    said = response.json()
    assert said["file"] == {
        "sha256": hashlib.sha256(drawn()).hexdigest(),
        "size_bytes": len(drawn()),
        "fingerprints": 8,
        "reason": "",
    }
    (match,) = said["contents"][0]["matches"]
    assert (match["entry"], match["strength"]) == (serving.ids[2], "exact")
    broken = serving.client.post(
        "/v1/match", content=b"none", headers={"content-type": "image/png"}
    )
    assert broken.json()["file"]["reason"] == "unsupported"
