"""Names of the segment files of one Expert Witness (E01) image.

Source: "Expert Witness Compression Format specification", section 3.1 (segment files): `E01` to
`E99`, then `EAA` to `EZZ`, then `FAA` to `ZZZ`; in lower case where the first one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

LAST_NUMBERED = 99
LAST = LAST_NUMBERED + 22 * 676


def extension(number: int, *, lower: bool = False) -> bytes:
    """Return the three-letter extension of segment `number` (from 1), such as `E01` or `EAA`.

    Raises:
        ValueError: `number` is below 1 or beyond `ZZZ`.
    """
    if not 1 <= number <= LAST:
        raise ValueError(f"no segment extension for {number}")
    if number <= LAST_NUMBERED:
        text = f"E{number:02}"
    else:
        first, rest = divmod(number - LAST_NUMBERED - 1, 676)
        second, third = divmod(rest, 26)
        text = chr(ord("E") + first) + chr(ord("A") + second) + chr(ord("A") + third)
    return (text.lower() if lower else text).encode()


def images(names: Iterable[bytes]) -> dict[bytes, tuple[bytes, ...]]:
    """Return the E01 images among the file names of one folder: first segment to all, in order.

    A gap among `E02` to `E99` does not hide what comes after it: the reader is to notice that a
    segment is missing. Lettered ones are taken only up to the first gap, because `EXE` is also a
    name of its own.
    """
    known = frozenset(names)
    return {
        first: tuple(_present(first[:-3], known, lower=first.endswith(b"e01")))
        for first in sorted(known)
        if first.endswith((b".E01", b".e01"))
    }


def _present(stem: bytes, known: frozenset[bytes], *, lower: bool) -> Iterator[bytes]:
    for number in range(1, LAST + 1):
        name = stem + extension(number, lower=lower)
        if name in known:
            yield name
        elif number >= LAST_NUMBERED:
            return
