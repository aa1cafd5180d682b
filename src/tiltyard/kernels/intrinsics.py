"""Instructions that numba does not offer, for kernels.

This module imports numba, and is imported where a kernel is compiled; kernels name its instructions by ``jit``. Those
that read Python's objects take one as its address, ``id(thing)``: the caller holds the object and all that is read from
it, and keeps the interpreter's lock.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(context: Any, word: Any) -> Any:  # noqa: ARG001
    """The index of the lowest bit that is set in a uint64 other than zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def bits_set(context: Any, word: Any) -> Any:  # noqa: ARG001
    """How many bits of a uint64 are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def ascii_kinds(context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Which of ``array[index:index + 64]``, bytes that must be there, are of some kinds: four uint64, bit k for byte k.

    In order: letters of ASCII; its digits; its white space, as Python has it; and bytes that are not ASCII.
    """
    kinds = types.UniTuple(types.uint64, 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, masks = ir.IntType(8), ir.IntType(64)
        wide = ir.VectorType(byte, 64)
        base = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(base, [arguments[1]]), wide.as_pointer())
        loaded = builder.load(pointer, align=1)

        def within(values: Any, first: int, count: int) -> Any:
            moved = builder.sub(values, ir.Constant(wide, [first] * 64))
            return builder.icmp_unsigned("<", moved, ir.Constant(wide, [count] * 64))

        # The bit of 32 makes small letters of capitals; what it makes of others is not a letter.
        letters = within(builder.or_(loaded, ir.Constant(wide, [32] * 64)), ord("a"), 26)
        spaces = builder.or_(within(loaded, 9, 5), within(loaded, 28, 5))
        found = (letters, within(loaded, ord("0"), 10), spaces, within(loaded, 128, 128))
        return context.make_tuple(builder, signature.return_type, [builder.bitcast(one, masks) for one in found])

    return kinds(array, index), generate


@intrinsic  # type: ignore[untyped-decorator]
def count_exceeded(context: Any, array: Any, index: Any, value: Any) -> Any:  # noqa: ARG001
    """How many of ``array[index:index + 16]``, float64 that must be there, a float64 is not at most; all for a NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(ir.DoubleType(), 16)
        base = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(base, [arguments[1]]), wide.as_pointer())
        first = builder.insert_element(ir.Constant(wide, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0))
        same = builder.shuffle_vector(
            first, ir.Constant(wide, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), 16), [0] * 16)
        )
        above = builder.fcmp_unordered(">", same, builder.load(pointer, align=8))
        return builder.zext(builder.ctpop(builder.bitcast(above, ir.IntType(16))), ir.IntType(64))

    return types.int64(array, types.int64, types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def keep_common_bits(context: Any, out: Any, index: Any, array: Any, places: Any) -> Any:  # noqa: ARG001
    """Clear in 64 bytes of ``out`` from an index on each bit that is not set in all of 64 bytes of ``array``.

    Both arrays have items of one type; an index counts items, whatever their dimensions. All bytes must be there.

    Args:
        out: changed.
        index: int64, where the bytes begin in ``out``.
        array: read.
        places: four int64, where bytes begin in ``array``.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(ir.IntType(64), 8)

        def point(number: int, place: Any) -> Any:
            base = cgutils.create_struct_proxy(signature.args[number])(context, builder, arguments[number]).data
            return builder.bitcast(builder.gep(base, [place]), wide.as_pointer())

        target = point(0, arguments[1])
        found = builder.load(target, align=1)
        for place in cgutils.unpack_tuple(builder, arguments[3], 4):
            found = builder.and_(found, builder.load(point(2, place), align=1))
        builder.store(found, target, align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, array, types.UniTuple(types.int64, 4)), generate


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Prefetch ``array[index]`` into the cache; ``index`` is not negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(base, [arguments[1]]), ir.IntType(8).as_pointer())
        integer = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, integer, integer, integer])
        name = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(name, [pointer, integer(0), integer(3), integer(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic  # type: ignore[untyped-decorator]
def eight_bytes(context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """``array[index:index + 8]``, which must be there, of bytes as one uint64, in the machine's order."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(base, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(array, index), generate


@intrinsic  # type: ignore[untyped-decorator]
def find_item(context: Any, mapping: Any, key: Any) -> Any:  # noqa: ARG001
    """The address of what a dictionary holds for a key, both given as addresses; 0 where it holds none.

    The reference is borrowed: the dictionary holds the item.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        python = context.get_python_api(builder)
        kind = python.pyobj
        read = _declare(builder, "PyDict_GetItemWithError", kind, [kind, kind])
        found = builder.call(read, [builder.inttoptr(argument, kind) for argument in arguments])
        return builder.ptrtoint(found, ir.IntType(64))

    return types.int64(types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def count_items(context: Any, mapping: Any) -> Any:  # noqa: ARG001
    """How many keys a dictionary has, given as its address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        python = context.get_python_api(builder)
        count = _declare(builder, "PyDict_Size", ir.IntType(64), [python.pyobj])
        return builder.call(count, [builder.inttoptr(arguments[0], python.pyobj)])

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def list_item(context: Any, items: Any, place: Any) -> Any:  # noqa: ARG001
    """The address of an item of a list, which must be there; the list holds it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        python = context.get_python_api(builder)
        found = python.list_getitem(builder.inttoptr(arguments[0], python.pyobj), arguments[1])
        return builder.ptrtoint(found, ir.IntType(64))

    return types.int64(types.int64, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def read_word(context: Any, address: Any) -> Any:  # noqa: ARG001
    """The int64 at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def read_int(context: Any, address: Any) -> Any:  # noqa: ARG001
    """The int32 at an address, as an int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        found = builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))
        return builder.sext(found, ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def find_type(context: Any, item: Any) -> Any:  # noqa: ARG001
    """The address of an object's type."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        python = context.get_python_api(builder)
        return builder.ptrtoint(python.get_type(builder.inttoptr(arguments[0], python.pyobj)), ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def read_float(context: Any, item: Any) -> Any:  # noqa: ARG001
    """The float64 of a float or an int; -1 and an error that is raised later where an int is too large."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        python = context.get_python_api(builder)
        return python.float_as_double(builder.inttoptr(arguments[0], python.pyobj))

    return types.float64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def take_error(context: Any) -> Any:  # noqa: ARG001
    """Whether an error waits to be raised; it is taken away."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        python = context.get_python_api(builder)
        waiting = builder.ptrtoint(python.err_occurred(), ir.IntType(64))
        python.err_clear()
        return builder.icmp_unsigned("!=", waiting, ir.IntType(64)(0))

    return types.boolean(), generate


def _declare(builder: Any, name: str, gives: Any, takes: list[Any]) -> Any:
    """One of the interpreter's functions, which the process has."""
    return builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(gives, takes), name)
