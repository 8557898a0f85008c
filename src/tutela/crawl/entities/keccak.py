"""Keccak-256 as Ethereum and Monero use it: with the padding from before FIPS 202, unlike SHA3-256.

Source: the Keccak reference, version 3.0; round constants by its LFSR.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_RATE_BYTES = 136


def _round_constants() -> tuple[int, ...]:
    constants, state = [], 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            if state & 1:
                constant |= 1 << ((1 << bit) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _turns() -> tuple[tuple[int, int, int], ...]:
    """Return (from, to, left rotation) of the steps rho and pi, lanes counted x + 5 y."""
    steps, x, y = [(0, 0, 0)], 1, 0
    for t in range(24):
        steps.append((x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), (t + 1) * (t + 2) // 2 % 64))
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(steps)


_CONSTANTS = _round_constants()
_TURNS = _turns()


def keccak_256(data: bytes) -> bytes:
    """Return the 32 bytes of the digest of `data`."""
    padded = bytearray(data)
    padded += b"\0" * (_RATE_BYTES - len(data) % _RATE_BYTES)
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [0] * 25
    for at in range(0, len(padded), _RATE_BYTES):
        for lane in range(_RATE_BYTES // 8):
            begin = at + lane * 8
            lanes[lane] ^= int.from_bytes(padded[begin : begin + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _permuted(a: list[int]) -> list[int]:
    for constant in _CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ _left(c[(x + 1) % 5], 1) for x in range(5)]
        b = [0] * 25
        for source, target, turn in _TURNS:
            b[target] = _left(a[source] ^ d[source % 5], turn)
        a = [
            b[x + y] ^ (~b[(x + 1) % 5 + y] & b[(x + 2) % 5 + y] & _MASK)
            for y in range(0, 25, 5)
            for x in range(5)
        ]
        a[0] ^= constant
    return a


def _left(lane: int, turn: int) -> int:
    return ((lane << turn) | (lane >> (64 - turn))) & _MASK if turn else lane
