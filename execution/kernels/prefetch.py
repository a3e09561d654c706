"""Asking for memory before it is needed.

A row of bars is as wide as the market, and what is traded of it lies anywhere: each price that is read has to
come from main memory. Asked for some hundred instructions earlier, it is there in time.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

_READ, _KEEP, _DATA = 0, 3, 1  # what LLVM calls these choices


def prefetch(array: Any, place: tuple[int, ...]) -> None:
    """Have ``array[place]`` brought near; nothing where nothing is compiled."""
    del array, place


@intrinsic
def _ask_for(_context: Any, array: Any, place: Any) -> Any:
    signature = types.void(array, place)

    def generate(context: Any, builder: Any, call: Any, arguments: Any) -> Any:
        from llvmlite import ir

        kind = call.args[0]
        within: Any = cgutils
        cell = within.get_item_pointer(
            context,
            builder,
            kind,
            context.make_array(kind)(context, builder, arguments[0]),
            within.unpack_tuple(builder, arguments[1]),
            wraparound=False,
        )
        whole = ir.IntType(32)
        asks = ir.FunctionType(ir.VoidType(), [cell.type, whole, whole, whole])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [cell.type], asks)
        builder.call(ask, [cell, whole(_READ), whole(_KEEP), whole(_DATA)])
        return context.get_dummy_value()

    return signature, generate


# numba compares the signatures, annotations included.
@overload(prefetch, strict=False)
def _compiled(array: Any, place: Any) -> Any:
    del array, place  # types; the values come to what is returned
    # A lambda, because numba compiles it; an intrinsic is no function to be compiled.
    return lambda array, place: _ask_for(array, place)  # type: ignore[call-arg]  # noqa: PLW0108
