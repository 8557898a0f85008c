"""Machine instructions that the kernels need: bit counts, prefetch and wide comparisons.

Each is a few lines of LLVM vector code. LLVM lowers them to one AVX-512 instruction where the
processor has it (`vpopcntw`, `vpopcntd`) and to several AVX2, SSE or NEON ones where it has not, so
there is no second path to choose or to test. Addresses are plain integers (`array.ctypes.data`);
the kernels keep every one of them inside its array, padding included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

TAG_LANES = 32  # 16-bit tags compared at once: 512 bits
PLANE_LANES = 16  # 32-bit plane words compared at once: 512 bits

# Numba types neither what an intrinsic looks like from a kernel nor these calls of its core.
_intrinsic = cast("Any", intrinsic)
_declare = cast("Any", cgutils.get_or_insert_function)
_uniform = cast("Any", types.UniTuple)


def _spread(builder: Any, element: Any, lanes: int, value: Any) -> Any:
    """Return a vector holding `value` in each lane."""
    kind = ir.VectorType(element, lanes)
    unset = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(unset, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        one, unset, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    )


def _load(builder: Any, element: Any, lanes: int, address: Any) -> Any:
    """Load a vector from an address that need only be aligned to one element."""
    pointer = builder.inttoptr(address, ir.VectorType(element, lanes).as_pointer())
    return builder.load(pointer, align=element.width // 8)


def _count(builder: Any, vector: Any) -> Any:
    """Count the set bits of each lane."""
    kind = vector.type
    name = f"llvm.ctpop.v{kind.count}i{kind.element.width}"
    call = _declare(builder.module, ir.FunctionType(kind, [kind]), name)
    return builder.call(call, [vector])


def _at_most(builder: Any, counts: Any, bound: Any) -> Any:
    """Return a 64-bit mask of the lanes of `counts` that do not exceed `bound`."""
    lanes = counts.type.count
    limit = _spread(builder, counts.type.element, lanes, bound)
    near = builder.icmp_unsigned("<=", counts, limit)
    return builder.zext(builder.bitcast(near, ir.IntType(lanes)), ir.IntType(64))


def _popcount(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _lowest(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _prefetch(_typing: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        call = _declare(builder.module, kind, "llvm.prefetch.p0")
        # to read, into all levels of cache, data
        builder.call(call, [pointer, word(0), word(3), word(1)])
        return word(0)

    return types.int32(types.uint64), generate


def _near_tags(_typing: Any, _address: Any, _tag: Any, _bound: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, tag, bound = arguments
        short = ir.IntType(16)
        tags = _load(builder, short, TAG_LANES, address)
        apart = builder.xor(tags, _spread(builder, short, TAG_LANES, tag))
        return _at_most(builder, _count(builder, apart), bound)

    return types.uint64(types.uint64, types.uint16, types.uint16), generate


def _near_planes(
    _typing: Any, _first: Any, _second: Any, _third: Any, _words: Any, _bound: Any
) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        *addresses, words, bound = arguments
        long = ir.IntType(32)
        counts = []
        for plane, address in enumerate(addresses):
            word = _spread(builder, long, PLANE_LANES, builder.extract_value(words, plane))
            apart = builder.xor(_load(builder, long, PLANE_LANES, address), word)
            counts.append(_count(builder, apart))
        total = builder.add(builder.add(counts[0], counts[1]), counts[2])
        return _at_most(builder, total, bound)

    words = _uniform(types.uint32, 3)
    address = types.uint64
    return types.uint64(address, address, address, words, types.uint32), generate


# The number of set bits of a uint64.
popcount: Callable[[Any], int] = _intrinsic(_popcount)
# The position of the lowest set bit of a uint64 that is not zero.
lowest: Callable[[Any], int] = _intrinsic(_lowest)
# Ask for the cache line at an address; harmless for any address.
prefetch: Callable[[Any], int] = _intrinsic(_prefetch)
# (address, tag uint16, bound uint16): compare 32 uint16 with a tag; bit k of the answer is set
# where they differ in at most `bound` bits.
near_tags: Callable[[Any, Any, Any], Any] = _intrinsic(_near_tags)
# (three addresses, three uint32 in a tuple, bound uint32): compare 16 codes of three plane words
# each; bit k of the answer is set where the 96 bits differ in at most `bound` places.
near_planes: Callable[[Any, Any, Any, Any, Any], Any] = _intrinsic(_near_planes)
