"""The role of a perceptual algorithm, and the group of entry points that adds one.

A licensee adds an algorithm of its own (PhotoDNA, for example) as a class named in the entry-point
group `tutela.algorithms` of a package of its own; see docs/how-to/add-an-algorithm.md.
"""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tutela.core.errors import ServiceError
from tutela.core.media import PDQ

if TYPE_CHECKING:
    from tutela.core.media import Fingerprint
    from tutela.fingerprint.picture import Picture

GROUP = "tutela.algorithms"


@runtime_checkable
class Algorithm(Protocol):
    """Makes fingerprints of pictures; its class is called without arguments.

    `name` is the algorithm's name in fingerprints, lists and the index; `bits` is the length of a
    fingerprint in bits.
    """

    name: str
    bits: int

    def fingerprints(self, picture: Picture) -> list[Fingerprint]:
        """Return the fingerprints of `picture`, its first frame first.

        Raises:
            MediaError: the first frame cannot be decoded.
        """
        ...


@functools.cache
def algorithms() -> tuple[Algorithm, ...]:
    """Return one instance of every installed algorithm, PDQ first, the others by name.

    Raises:
        ServiceError: an algorithm cannot be loaded, is none, or two have the same name.
    """
    found: dict[str, Algorithm] = {}
    for point in entry_points(group=GROUP):
        try:
            algorithm = point.load()()
        except Exception as error:
            raise ServiceError(
                f"algorithm {point.name} ({point.value}) cannot be loaded: {error}",
                code="algorithm",
                hint="repair or uninstall the package that provides it",
            ) from error
        if not isinstance(algorithm, Algorithm):
            raise ServiceError(
                f"{point.value} is no algorithm: it lacks name, bits or fingerprints()",
                code="algorithm",
                hint="see docs/how-to/add-an-algorithm.md",
            )
        if algorithm.name in found:
            raise ServiceError(
                f"two installed packages provide the algorithm {algorithm.name}",
                code="algorithm",
                hint="uninstall one of them",
            )
        found[algorithm.name] = algorithm
    return tuple(sorted(found.values(), key=lambda item: (item.name != PDQ, item.name)))
