from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tutela.core.media import Fingerprint
from tutela.fingerprint.content import spread
from tutela.fingerprint.heic import heic


@given(st.sets(st.integers(1, 5000), max_size=80), st.integers(1, 20))
def test_spread_keeps_the_first_frame_and_no_more_than_asked(numbers, frames):
    found = [Fingerprint("pdq", b"", frame=number) for number in (0, 0, *sorted(numbers))]
    kept = [one.frame for one in spread(found, frames)]
    assert kept[:2] == [0, 0]
    assert len(kept) - 2 <= frames - 1
    assert kept == sorted(kept)
    if len(numbers) < frames:
        assert set(kept) == {0} | numbers
    elif frames > 2:
        assert {min(numbers), max(numbers)} <= set(kept)


def test_heic_samples_are_made_of_whole_blocks():
    with pytest.raises(ValueError, match="multiples of 16"):
        heic(Image.new("RGB", (20, 16)))
