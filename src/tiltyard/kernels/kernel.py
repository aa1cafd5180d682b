"""What stands for a function that numba compiles: it finds machine code for its arguments, and imports no numba."""

from __future__ import annotations

import functools
import importlib
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tiltyard.kernels.argument_types import ARRAY_FLAGS, UnknownTypeError, describe_key, key_of_types, list_types
from tiltyard.kernels.sources import note_source

_INTRINSICS = "tiltyard.kernels.intrinsics"


class Intrinsic:
    """An instruction of ``tiltyard.kernels.intrinsics``, by its name; only kernels can use it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_arguments: Any) -> Any:
        """Not here: what it does is an instruction of compiled code.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"only a kernel that numba compiles can use {self.name}")

    @property
    def _numba_type_(self) -> Any:
        """What numba takes for this object where a kernel names it."""
        from numba.core.registry import cpu_target  # noqa: PLC0415 - only who compiles needs numba

        found = getattr(importlib.import_module(_INTRINSICS), self.name)
        return cpu_target.typing_context.resolve_value_type(found)


class Inlined:
    """A function that numba compiles as a part of kernels.

    Args:
        function: the function.
        options: numba's, by name.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._options = options
        self._lock = threading.RLock()
        self._dispatcher: Any = None
        note_source(function)

    def __call__(self, *arguments: Any) -> Any:
        """Call what numba compiled."""
        return self.dispatcher(*arguments)

    @property
    def dispatcher(self) -> Any:
        """Numba's form of the function; where a setting lets numba compile nothing, the function."""
        with self._lock:
            if self._dispatcher is None:
                self._dispatcher = self._make_dispatcher()
            return self._dispatcher

    @property
    def _numba_type_(self) -> Any:
        """What numba takes for this object where a kernel names it."""
        from numba import typeof  # noqa: PLC0415 - only who compiles needs numba

        return typeof(self.dispatcher)

    def _make_dispatcher(self) -> Any:
        importlib.import_module(_INTRINSICS)  # before numba looks its names up
        from numba import njit  # noqa: PLC0415 - only who compiles needs numba

        return njit(**self._options)(self.function)


class Kernel(Inlined):
    """A function that numba compiles for each type of its arguments, once on this host.

    A call takes what was compiled for the types of its arguments: from this process, or from the file that another one
    wrote. Only where there is neither, numba is imported.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        super().__init__(function, **options)
        self._calls: dict[int, Callable[..., Any]] = {}
        self._keys: dict[Any, Callable[..., Any]] = {}
        self._held: list[Any] = []

    def __call__(self, *arguments: Any) -> Any:
        """Call it with arrays, numbers and tuples of them."""
        call = self._calls.get(_find_mark()(id(arguments), _TUPLE, _ARRAY))
        return (call or self._find_call(arguments))(*arguments)

    def for_types_of(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """What is called for arguments of these types.

        It checks no types itself: with other types it reads memory that is not there.
        """
        key = key_of_types(arguments)
        with self._lock:
            found = self._keys.get(key)
            if found is None:
                found = self._keys[key] = self._load(key) or self.dispatcher
            return found

    @property
    def signatures(self) -> list[Any]:
        """The types of arguments for which it was called in this process."""
        return list(self._keys)

    def _find_call(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        call = self.for_types_of(arguments)
        mark = _find_mark()(id(arguments), _TUPLE, _ARRAY)
        if mark:
            with self._lock:
                # A mark is made of addresses: as long as these are held, no other type gets one of them.
                self._held.append(list_types(arguments))
                self._calls[mark] = call
        return call

    def _load(self, key: Any) -> Callable[..., Any] | None:
        """What another process compiled, without numba."""
        from tiltyard.kernels.kept_code import load_code  # noqa: PLC0415 - most processes call few kernels

        try:
            types = describe_key(key)
        except UnknownTypeError:
            return None
        return load_code(self.function, types)

    def _make_dispatcher(self) -> Any:
        dispatcher = super()._make_dispatcher()
        from numba.core.dispatcher import Dispatcher  # noqa: PLC0415 - only who compiles needs numba

        from tiltyard.kernels.cache import KernelCache  # noqa: PLC0415 - likewise

        # Where a setting lets numba compile nothing, it returns the function.
        if isinstance(dispatcher, Dispatcher):
            # njit(cache=True) opens any folder that it finds.
            setattr(dispatcher, "_cache", KernelCache(self.function))  # noqa: B010 - numba has no public name for it
        return dispatcher


_read_word = Intrinsic("read_word")
_read_int = Intrinsic("read_int")
_TUPLE, _ARRAY = id(tuple), id(np.ndarray)
# Where CPython and numpy keep the type of an object, size and items of a tuple, and what an array is.
_TYPE, _SIZE, _ITEMS = 8, 16, 24
_DIMENSIONS, _DTYPE, _ARRAY_FLAGS = 24, 56, 64
_STIR_1, _STIR_2 = 0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64  # splitmix64 (Steele, Lea and Flood, 2014)


def _stir(code: Any, word: Any) -> Any:
    code = (code ^ word) * _STIR_1
    code = (code ^ (code >> 29)) * _STIR_2
    return code ^ (code >> 32)


def _mark_single(item: Any, array: Any, code: Any) -> Any:
    code = _stir_words(code, _read_word(item + _TYPE))
    if _read_word(item + _TYPE) == array:
        code = _stir_words(code, _read_word(item + _DTYPE))
        code = _stir_words(code, (_read_int(item + _DIMENSIONS) << 32) | (_read_int(item + _ARRAY_FLAGS) & ARRAY_FLAGS))
    return code


def _mark_types(arguments: Any, kind_of_tuple: Any, array: Any) -> Any:
    """A number that is equal for arguments of the same types, given as the address of their tuple.

    0 where tuples are nested deeper than arguments of kernels are.
    """
    # Stirred, so that no number of arguments can make up for the length of a tuple among them.
    code = _stir_words(_STIR_2, _read_word(arguments + _SIZE))
    for first in range(_read_word(arguments + _SIZE)):
        outer = _read_word(arguments + _ITEMS + 8 * first)
        if _read_word(outer + _TYPE) != kind_of_tuple:
            code = _mark_one(outer, array, code)
            continue
        code = _stir_words(code, -1 - _read_word(outer + _SIZE))
        for second in range(_read_word(outer + _SIZE)):
            middle = _read_word(outer + _ITEMS + 8 * second)
            if _read_word(middle + _TYPE) != kind_of_tuple:
                code = _mark_one(middle, array, code)
                continue
            code = _stir_words(code, -1 - _read_word(middle + _SIZE))
            for third in range(_read_word(middle + _SIZE)):
                inner = _read_word(middle + _ITEMS + 8 * third)
                if _read_word(inner + _TYPE) == kind_of_tuple:
                    return 0
                code = _mark_one(inner, array, code)
    return code


_stir_words = Inlined(_stir, forceinline=True)
_mark_one = Inlined(_mark_single, forceinline=True)
_MARKS = Kernel(_mark_types)


@functools.cache
def _find_mark() -> Callable[[int, int, int], int]:
    """What marks arguments; where objects lie in memory in another way, or nothing is compiled, all have the mark 0."""
    usual = (object.__basicsize__, tuple.__basicsize__) == (_SIZE, _ITEMS)
    if not usual or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return lambda *_: 0
    return _MARKS.for_types_of((0, _TUPLE, _ARRAY))
