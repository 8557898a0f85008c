"""The order of review: what is likely to matter comes first, and each thing says why.

A priority orders work and never concludes. It is the weight of the strongest reason; equal ones
stand as they lay in the evidence. Reasons are keys for texts, with their values:

    exact_hit       the bytes are on a list that this case does not take grades from
    digest_hit      MD5 or SHA-1 alone are on a list: they can be forged
    looks_like      a listed picture lies so many bits away
    near_known      a picture of this case that is known or graded as illegal lies so near
    in_series       it is in a series
    camera_of_known the camera body made something known or graded as illegal in this case
    large_stack     so many look alike
    many_places     it lay in so many places
"""

from __future__ import annotations

from collections.abc import Iterable

from tutela.casework.known import Stored

_EXACT, _DIGEST, _LOOKS, _NEAR, _SERIES, _CAMERA, _STACK, _PLACES = (
    1000,
    800,
    700,
    650,
    500,
    400,
    100,
    50,
)
_EACH_BIT = 5
LARGE = 5
_MOST = 99
# What was written for other purposes than order, and stays.
KEPT = frozenset({"known_list", "known_agreement", "ignorable", "no_picture", "undecodable"})

Weighed = tuple[int, Stored]


def of_hit(list_name: str, strength: str, algorithm: str, distance_bits: int) -> Weighed:
    """Return what a hit of an alert list weighs."""
    if strength == "exact":
        return _EXACT, ("exact_hit", {"list": list_name})
    if algorithm in ("md5", "sha1"):
        return _DIGEST, ("digest_hit", {"list": list_name, "algorithm": algorithm})
    values: dict[str, int | str] = {
        "list": list_name,
        "algorithm": algorithm,
        "distance_bits": distance_bits,
    }
    return _LOOKS - _EACH_BIT * distance_bits, ("looks_like", values)


def of_near(distance_bits: int) -> Weighed:
    """Return what nearness to a known picture weighs."""
    return _NEAR - _EACH_BIT * distance_bits, ("near_known", {"distance_bits": distance_bits})


def of_series(series: int) -> Weighed:
    """Return what being in a series weighs."""
    return _SERIES, ("in_series", {"series": series})


def of_camera() -> Weighed:
    """Return what the camera of something known weighs."""
    return _CAMERA, ("camera_of_known", {})


def of_counts(stack_size: int, sightings: int) -> list[Weighed]:
    """Return what numbers weigh."""
    found: list[Weighed] = []
    if stack_size >= LARGE:
        found.append((_STACK + min(stack_size, _MOST), ("large_stack", {"size": stack_size})))
    if sightings >= LARGE:
        found.append((_PLACES + min(sightings, 49), ("many_places", {"places": sightings})))
    return found


def weigh(found: Iterable[Weighed]) -> tuple[int, list[Stored]]:
    """Return the priority and the reasons, the strongest first, each key once."""
    best: dict[str, Weighed] = {}
    for weight, reason in sorted(found, key=lambda one: -one[0]):
        best.setdefault(reason[0], (weight, reason))
    ranked = list(best.values())
    return (ranked[0][0] if ranked else 0), [reason for _, reason in ranked]
