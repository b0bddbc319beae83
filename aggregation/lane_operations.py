"""What can be done with a row of numbers in one register: the operations of `lanes`, as LLVM's instructions."""

from __future__ import annotations

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


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any, lanes: Lanes) -> Any:
    """Find where a row of an array stands."""
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.gep(data, [builder.mul(index, ir.Constant(index.type, lanes.size))])
    return builder.bitcast(first, lanes.vector.as_pointer())


def _sized(size: Any) -> Lanes:
    return size if isinstance(size, Lanes) else Lanes(size.literal_value)


def _spread(builder: Any, vector: Any, number: Any) -> Any:
    row = ir.Constant(vector, ir.Undefined)
    for k in range(vector.count):
        row = builder.insert_element(row, number, _lane(k))
    return row


def _lane(k: int) -> Any:
    return ir.Constant(ir.IntType(32), k)


@_operation
def load(_: Any, size: Any, array: Any, index: Any) -> Any:
    """Read a row: ``load(size, array, index)``, where for ``size`` a row of that size can stand."""
    lanes = _sized(size)

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        row = builder.load(_place(context, builder, signature.args[1], given[1], given[2], lanes))
        row.align = BYTES
        return row

    return lanes(size, array, types.uintp), build


@_operation
def store(_: Any, array: Any, index: Any, row: Any) -> Any:
    """Write a row: ``store(array, index, row)``."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _place(context, builder, signature.args[0], given[0], given[1], signature.args[2])
        builder.store(given[2], place).align = BYTES
        return context.get_dummy_value()

    return types.void(array, types.uintp, row), build


@_operation
def accumulate(_: Any, array: Any, index: Any, row: Any) -> Any:
    """Add to a row where it stands: ``accumulate(array, index, row)``."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _place(context, builder, signature.args[0], given[0], given[1], signature.args[2])
        before = builder.load(place)
        before.align = BYTES
        builder.store(builder.fadd(before, given[2]), place).align = BYTES
        return context.get_dummy_value()

    return types.void(array, types.uintp, row), build


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


absolute, log, exp = (_of_each(name) for name in ("fabs", "log", "exp"))


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
