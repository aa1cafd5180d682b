"""Reading Python's objects from compiled loops, by the interpreter's C functions.

A kernel takes an object as its address, ``id(thing)``. Its caller holds the object, and all that is read from it, and
the kernel keeps the interpreter's lock: it is compiled by ``compile_holding_lock``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from tiltyard.kernels.cache import KernelCache


def compile_holding_lock(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like ``compile_kernel``, for kernels that read objects: no other thread runs meanwhile."""
    dispatcher = njit(function)
    if isinstance(dispatcher, Dispatcher):
        setattr(dispatcher, "_cache", KernelCache(function))  # noqa: B010 - numba has no public name for it
    return dispatcher  # type: ignore[no-any-return]


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
