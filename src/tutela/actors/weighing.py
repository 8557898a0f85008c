"""The agency's weights: a versioned TOML file, checked when it is read."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec

from tutela.core.errors import SettingsError

SHIPPED = "v1.toml"
MAX_BYTES = 64 * 1024

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class Material(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a known thing counts."""

    first_seen_bonus: Positive
    first_seen_ahead_hours: Positive
    perceptual: Part
    linked: Part
    reach_views: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)]
    assumed_views: Count
    default_reliability: Part


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the context counts, as parts of the lower bound."""

    admin_role: Part
    per_further_site: Part
    spread_cap: Part
    recent: Part
    recent_days: Count
    per_marker: Part
    markers_cap: Part
    cap: Part


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which bound ranks."""

    z: Positive
    burst_days: Count
    worst_part: Part


class Enough(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a lead needs at least."""

    entities: Count
    exact_entities: Count
    days: Count
    weeks: Count
    first_seen: Count
    first_seen_part: Part
    worst_part: Part
    worst_points: Positive


class Safeguarding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From what part of self-generated things on an account is taken for a child's."""

    self_generated_part: Part


class Takeover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What looks as if somebody else used an account."""

    window_days: Count
    window_part: Part
    quiet_days: Count
    quiet_posts: Count
    hours_apart: Positive
    hours_chance: Part
    style_z: Positive


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What looks as if nobody wrote it."""

    posts: Count
    wordings_part: Part
    hours_posts: Count
    hours_focus: Part


class Linking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What speaks how much for two accounts being one person's."""

    rare_accounts: Count
    independent: Count
    signature: Part
    contact: Part
    handle: Part
    avatar: Part
    media: Part
    media_bits: Positive
    style_hint_z: Positive


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of weights."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    severity: dict[int, Positive]
    material: Material
    context: Context
    bound: Bound
    evidence: Enough
    safeguarding: Safeguarding
    takeover: Takeover
    program: Program
    link: Linking
    reliability: dict[str, Part] = {}

    def severity_points(self, severity: float) -> float:
        """Return the points of a severity, between two steps by a straight line."""
        steps = sorted(self.severity)
        if severity <= steps[0]:
            return self.severity[steps[0]]
        for low, high in pairwise(steps):
            if severity <= high:
                part = (severity - low) / (high - low)
                return self.severity[low] * (1 - part) + self.severity[high] * part
        return self.severity[steps[-1]]

    def trust(self, source: str) -> float:
        """Return how far a list is believed."""
        return self.reliability.get(source, self.material.default_reliability)


def load(path: Path | None = None) -> Weights:
    """Read weights from a file of the agency, or those that are shipped.

    Raises:
        SettingsError: the file cannot be read, or says something unknown or out of range.
    """
    try:
        if path is None:
            data = (resources.files(__package__) / "weights" / SHIPPED).read_bytes()
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"the weights cannot be read: {error.strerror}",
            code="weights_unreadable",
            hint="name a file of weights in the settings, or leave it out for those shipped",
        ) from error
    return parse(data)


def parse(data: bytes) -> Weights:
    """Return the weights in a file.

    Raises:
        SettingsError: it is no TOML, too long, or says something unknown or out of range.
    """
    if len(data) > MAX_BYTES:
        raise SettingsError("the weights are longer than 64 KiB", code="weights_long")
    try:
        weights = msgspec.toml.decode(data, type=Weights, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(
            f"the weights do not hold: {error}",
            code="weights_wrong",
            hint="compare the file with the weights that are shipped",
        ) from error
    if not weights.severity:
        raise SettingsError("the weights give no severity", code="weights_wrong")
    return weights
