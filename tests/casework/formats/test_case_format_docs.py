"""The reference names every format, type of rows, profile and property that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutela.casework.formats import export, profile, rows, vics_head, vics_place, vics_record
from tutela.core.ids import CaseId

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "case-formats.md"
NAMES = (
    *export.ENDINGS,
    *(kind.name for kind in rows.kinds(CaseId(1))),
    *profile.profiles(),
    *(p.scheme for p in profile.profiles().values() if p.scheme),
    *vics_head.OURS,
    *vics_record.OURS,
    vics_place.INSIDE,
)


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_the_reference_names(name: str):
    assert f"`{name}`" in PAGE.read_text()
