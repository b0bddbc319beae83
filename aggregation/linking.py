"""Make machine code that needs no compiler from what numba compiles, on Linux and x86-64.

numba's functions take an array as its parts (memory, parent, size, bytes of a number, data, shape, strides), put down
what they return where their first argument points, and give a status. That has long been so, but is not promised: what
LLVM knows of their arguments is compared with what is expected here. The way in is built around them, and takes arrays
as the objects that numpy makes.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
from numba.core.registry import cpu_target
from numba.np.numpy_support import as_dtype

from aggregation.machine_code import DATA, MOST_RESULTS, SHAPE, STRIDES, MachineCode
from aggregation.object_file import ObjectFile, UnlinkableError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = "entry"
_RESULTS = {"none": "", "float64": "d", "int64": "q", "uint64": "Q", "bool": "?"}
_NUMBERS = {"int64": "i64", "float64": "double", "bool": "i8"}


def link(dispatcher: Any, types: tuple[Any, ...]) -> MachineCode:
    """
    Link what a numba function was compiled to.

    Parameters
    ----------
    dispatcher
        A function that numba compiled, without wrappers for callers.
    types : tuple
        The numba types of its arguments.

    Raises
    ------
    UnlinkableError
        It is not what can be linked here.

    """
    returned = next(known.return_type for known in dispatcher.nopython_signatures if known.args == types)
    module = llvm.parse_assembly(dispatcher.inspect_llvm(types))
    (kernel,) = (f for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external)
    way_in = _way_in(kernel.name, types)
    if [str(argument.type) for argument in kernel.arguments] != [passed.split()[0] for passed in way_in[0]]:
        raise UnlinkableError("numba passes arguments otherwise")
    head = f'target datalayout = "{module.data_layout}"\ntarget triple = "{module.triple}"\n'
    module.link_in(llvm.parse_assembly(head + way_in[1]))
    triple, processor, features = cpu_target.target_context.codegen().magic_tuple()  # what numba compiles for
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=processor, features=features, opt=3, reloc="pic", codemodel="small"
    )
    image, entry, needs = ObjectFile(machine.emit_object(module)).link(ENTRY)
    return MachineCode(image, entry, needs, _letters(returned))


def _letters(returned: Any) -> str:
    """Give a letter of `struct` for each number that a kernel returns."""
    kinds = [str(kind) for kind in getattr(returned, "types", [returned])]
    letters = "".join(_RESULTS.get(kind, "unknown") for kind in kinds)
    if len(letters) > MOST_RESULTS or (len(letters) > 1 and "?" in letters):  # only of eight bytes each is it plain
        raise UnlinkableError(f"a kernel returns {returned}")
    return letters


def _way_in(kernel: str, types: tuple[Any, ...]) -> tuple[list[str], str]:
    """Write a function that takes what a kernel is given from words; give what it passes on, and the function."""
    names = (f"%value{number}" for number in count())
    lines: list[str] = []

    def set_to(instruction: str) -> str:
        name = next(names)
        lines.append(f"{name} = {instruction}")
        return name

    def at(pointer: str, offset: int, kind: str) -> str:
        return set_to(f"load {kind}, ptr {set_to(f'getelementptr i8, ptr {pointer}, i64 {offset}')}")

    def parts(array: Any, found: str) -> Iterator[str]:
        data, shape, strides = (at(found, field, "ptr") for field in (DATA, SHAPE, STRIDES))
        sizes = [at(shape, 8 * axis, "i64") for axis in range(array.ndim)]
        total = "1"
        for size in sizes:
            total = set_to(f"mul i64 {total}, {size}")
        yield from ("ptr null", "ptr null", f"i64 {total}", f"i64 {as_dtype(array.dtype).itemsize}", f"ptr {data}")
        yield from (f"i64 {size}" for size in sizes)
        yield from (f"i64 {at(strides, 8 * axis, 'i64')}" for axis in range(array.ndim))

    passed = ["ptr %result", f"ptr {set_to('alloca ptr')}"]
    for number, kind in enumerate(types):
        if hasattr(kind, "ndim"):
            passed += parts(kind, at("%words", 8 * number, "ptr"))
        elif str(kind) in _NUMBERS:
            passed.append(f"{_NUMBERS[str(kind)]} {at('%words', 8 * number, _NUMBERS[str(kind)])}")
        else:
            raise UnlinkableError(f"a kernel is given {kind}")
    shapes = ", ".join(one.split()[0] for one in passed)
    lines.append(f'%status = call i32 @"{kernel}"({", ".join(passed)})')
    text = [f'declare i32 @"{kernel}"({shapes})', f"define i32 @{ENTRY}(ptr %words, ptr %result) {{", *lines]
    return passed, "\n".join([*text, "ret i32 %status", "}"])
