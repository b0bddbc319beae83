"""What can be done with a row of numbers in one register: the operations of `lanes`, as LLVM's instructions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, registry
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBER = ir.DoubleType()
BYTES = 8  # arrays are aligned to numbers, not to rows
TERMS = 14  # the next is less than the last bit
# The logarithm of 2 to 32 bits, so that small multiples of it are exact, and what is left of it.
LOG_2 = float.fromhex("0x1.62e42feep-1")
LOG_2_REST = 1.90821492927058770002e-10


class Lanes(types.Type):
    """The type of a row of ``size`` numbers."""

    size: int

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(name=f"Lanes({size})")

    @property
    def vector(self) -> Any:
        """The machine's type of it."""
        return ir.VectorType(NUMBER, self.size)


@registry.register_default(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.vector)  # type: ignore[no-untyped-call]


def _operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an operation of compiled code from what types it and builds its instructions."""
    return cast("Callable[..., Any]", intrinsic(prefer_literal=True)(function))


def _place(context: Any, builder: Any, array_type: Any, array: Any, first: Any, lanes: Lanes) -> Any:
    """Find where in an array a row stands that begins with some number of it."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [first]), lanes.vector.as_pointer())


def _first(builder: Any, index: Any, lanes: Lanes) -> Any:
    """Find the first number of a row, where all rows before it are as long."""
    return builder.mul(index, ir.Constant(index.type, lanes.size))


def _sized(size: Any) -> Lanes:
    return size if isinstance(size, Lanes) else Lanes(size.literal_value)


def _spread(builder: Any, vector: Any, number: Any) -> Any:
    row = ir.Constant(vector, ir.Undefined)
    for k in range(vector.count):
        row = builder.insert_element(row, number, _lane(k))
    return row


def _lane(k: int) -> Any:
    return ir.Constant(ir.IntType(32), k)


def _loading(find_first: Callable[[Any, Any, Lanes], Any]) -> Callable[..., Any]:
    @_operation
    def operation(_: Any, size: Any, array: Any, index: Any) -> Any:
        lanes = _sized(size)

        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            first = find_first(builder, given[2], lanes)
            row = builder.load(_place(context, builder, signature.args[1], given[1], first, lanes))
            row.align = BYTES
            return row

        return lanes(size, array, types.uintp), build

    return operation


def _writing(find_first: Callable[[Any, Any, Lanes], Any], *, added: bool) -> Callable[..., Any]:
    @_operation
    def operation(_: Any, array: Any, index: Any, row: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            first = find_first(builder, given[1], signature.args[2])
            place = _place(context, builder, signature.args[0], given[0], first, signature.args[2])
            written = given[2]
            if added:
                before = builder.load(place)
                before.align = BYTES
                written = builder.fadd(before, written)
            builder.store(written, place).align = BYTES
            return context.get_dummy_value()

        return types.void(array, types.uintp, row), build

    return operation


def _as_given(_builder: Any, number: Any, _lanes: Lanes) -> Any:
    return number


# Read a row: ``load(size, array, index)``, where for ``size`` a row of that size can stand. Write one, and add one to
# what stands there: ``store(array, index, row)``. ``index`` counts rows, and in those that end on ``_at`` numbers.
load, load_at = _loading(_first), _loading(_as_given)
store, store_at = (_writing(find, added=False) for find in (_first, _as_given))
accumulate, accumulate_at = (_writing(find, added=True) for find in (_first, _as_given))


@_operation
def fill(_: Any, size: Any, number: Any) -> Any:
    """Make a row of one number: ``fill(size, number)``, where for ``size`` a row of that size can stand."""
    lanes = _sized(size)

    def build(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return _spread(builder, lanes.vector, given[1])

    return lanes(size, types.float64), build


def _between_rows(instruction: str) -> Callable[..., Any]:
    @_operation
    def operation(_: Any, x: Any, y: Any) -> Any:
        def build(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
            return getattr(builder, instruction)(*given)

        return x(x, y), build

    return operation


add, subtract, multiply, divide = (_between_rows(name) for name in ("fadd", "fsub", "fmul", "fdiv"))


@_operation
def larger(_: Any, x: Any, y: Any) -> Any:
    """Take the larger number of each lane."""

    def build(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *given), *given)

    return x(x, y), build


def _of_each(name: str) -> Callable[..., Any]:
    @_operation
    def operation(_: Any, row: Any) -> Any:
        def build(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kind = ir.FunctionType(signature.args[0].vector, [signature.args[0].vector])
            name_of_size = f"llvm.{name}.v{signature.args[0].size}f64"
            called = cgutils.get_or_insert_function(builder.module, kind, name_of_size)  # type: ignore[no-untyped-call]
            return builder.call(called, given)

        return row(row), build

    return operation


@_operation
def widen(_: Any, size: Any, row: Any) -> Any:
    """Make a longer row, of ``size`` numbers: those of a row, and zeros behind them."""

    def build(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _shuffled(builder, given[1], signature.return_type.size)

    return _sized(size)(size, row), build


@_operation
def narrow(_: Any, size: Any, row: Any) -> Any:
    """Take the first ``size`` numbers of a row."""

    def build(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _shuffled(builder, given[1], signature.return_type.size)

    return _sized(size)(size, row), build


def _shuffled(builder: Any, row: Any, size: int, first: int = 0) -> Any:
    """Take ``size`` lanes from ``first`` on; those that the row does not have are zeros."""
    zeros = ir.Constant(row.type, None)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), size), [min(first + k, row.type.count) for k in range(size)])
    return builder.shuffle_vector(row, zeros, lanes)


absolute, log = (_of_each(name) for name in ("fabs", "log"))


@_operation
def exp(_: Any, row: Any) -> Any:
    """Raise e to each number, up to 709: nothing to what is below -708. Right to two units in the last place.

    A number is a whole multiple of log 2, which goes to the exponent, and a rest within half of that, for which
    fourteen terms of the series are enough (as in W. J. Cody and W. Waite 1980, Software Manual for the Elementary
    Functions). The C library takes numbers one by one, and several times as long.
    """

    def build(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = Lanes(1 << (signature.args[0].size - 1).bit_length())  # others are cut up by the machine
        integers = ir.VectorType(ir.IntType(64), lanes.size)

        def every(number: float) -> Any:
            return ir.Constant(lanes.vector, [number] * lanes.size)

        number = _shuffled(builder, given[0], lanes.size)
        # Added to this, a number is rounded to a whole one, which then stands in the lowest bits.
        whole = every(1.5 * 2.0**52)
        shifted = builder.fadd(builder.fmul(number, every(1 / math.log(2))), whole)
        times = builder.fsub(shifted, whole)
        rest = builder.fsub(number, builder.fmul(times, every(LOG_2)))
        rest = builder.fsub(rest, builder.fmul(times, every(LOG_2_REST)))
        # Neighbours are joined, and what comes of them again, as in G. Estrin (1960): a chain as short as can be.
        terms = [every(1 / math.factorial(term)) for term in range(TERMS)]
        while len(terms) > 1:
            pairs = [
                builder.fadd(low, builder.fmul(rest, high)) for low, high in zip(terms[::2], terms[1::2], strict=False)
            ]
            terms = pairs + terms[len(pairs) * 2 :]
            rest = builder.fmul(rest, rest)
        bits = builder.shl(builder.bitcast(shifted, integers), ir.Constant(integers, [52] * lanes.size))
        found = builder.bitcast(builder.add(builder.bitcast(terms[0], integers), bits), lanes.vector)
        found = builder.select(builder.fcmp_ordered(">", number, every(-708.0)), found, every(0.0))
        return _shuffled(builder, found, signature.args[0].size)

    return row(row), build


def _over_lanes(join: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    @_operation
    def operation(_: Any, row: Any) -> Any:
        def build(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
            return halved(builder, given[0])

        return types.float64(row), build

    def halved(builder: Any, row: Any) -> Any:
        """Join one half of the lanes with the other, and so on: a chain as short as can be."""
        size = row.type.count
        if size == 1:
            return builder.extract_element(row, _lane(0))
        half = size // 2
        joined = halved(builder, join(builder, *(_shuffled(builder, row, half, first) for first in (0, half))))
        return join(builder, joined, builder.extract_element(row, _lane(size - 1))) if size % 2 else joined

    return operation


total = _over_lanes(lambda builder, x, y: builder.fadd(x, y))
largest = _over_lanes(lambda builder, x, y: builder.select(builder.fcmp_ordered(">", x, y), x, y))


@_operation
def at_least(_: Any, row: Any, number: Any, kept: Any) -> Any:
    """Keep of another row the lanes where this one is at least ``number``, and -1 in the others."""

    def build(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = signature.args[0].vector
        limit = _spread(builder, vector, given[1])
        none = ir.Constant(vector, [-1.0] * signature.args[0].size)
        return builder.select(builder.fcmp_ordered(">=", given[0], limit), given[2], none)

    return kept(row, types.float64, kept), build


@_operation
def find(_: Any, row: Any, number: Any) -> Any:
    """Find the first lane that holds a number which one of them does hold."""

    def build(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = signature.args[0]
        same = builder.fcmp_ordered("==", given[0], _spread(builder, lanes.vector, given[1]))
        bits = builder.zext(builder.bitcast(same, ir.IntType(lanes.size)), ir.IntType(64))
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 0))

    return types.int64(row, types.float64), build
