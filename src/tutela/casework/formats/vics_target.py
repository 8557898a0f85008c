"""Where the records of a VICS file go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tutela.casework.formats.vics_record import Entry
from tutela.core.ids import CaseId, MediaId, OrganisationId
from tutela.hashlist.formats.vics_model import Model


class Target(NamedTuple):
    """Where records go: the case, its scheme, whose it is, and the file they come from."""

    case_id: CaseId
    scheme: str
    organisation_id: OrganisationId
    model: Model
    source: str


# Records with the media that they are about.
Placed = Sequence[tuple[MediaId, Entry]]
