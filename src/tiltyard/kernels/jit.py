"""Kernels: functions that numba compiles, or that another process has compiled.

Modules of kernels import this one, and none of them imports numba: a kernel that was compiled on this host is loaded
without it (``machine_code``). Numba comes with the first kernel that has to be compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiltyard.kernels.kernel import Inlined, Intrinsic, Kernel


def compile_kernel(function: Callable[..., Any]) -> Kernel:
    """Compile at the first call, for each type of arguments; kept on disk where none but this user can write it."""
    return Kernel(function, nogil=True)


def compile_loops(function: Callable[..., Any]) -> Kernel:
    """Like ``compile_kernel``, with numpy's division, which gives infinity or NaN where Python's raises.

    Without the check several values are divided at once.
    """
    return Kernel(function, nogil=True, error_model="numpy")


def compile_holding_lock(function: Callable[..., Any]) -> Kernel:
    """Like ``compile_kernel``, for kernels that read objects by their addresses: no other thread runs meanwhile."""
    return Kernel(function)


def compile_inline(function: Callable[..., Any]) -> Inlined:
    """Compile as a part of its callers: arrays are passed by value, which costs more than a short loop does."""
    return Inlined(function, forceinline=True, nogil=True)


def compile_reordered(function: Callable[..., Any]) -> Inlined:
    """Inlined, with sums in any order, several at a time: for numbers whose sums are exact, none of them NaN."""
    return Inlined(function, forceinline=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})


ascii_kinds = Intrinsic("ascii_kinds")
bits_set = Intrinsic("bits_set")
count_exceeded = Intrinsic("count_exceeded")
count_items = Intrinsic("count_items")
eight_bytes = Intrinsic("eight_bytes")
find_item = Intrinsic("find_item")
find_type = Intrinsic("find_type")
keep_common_bits = Intrinsic("keep_common_bits")
list_item = Intrinsic("list_item")
lowest_bit = Intrinsic("lowest_bit")
prefetch = Intrinsic("prefetch")
read_float = Intrinsic("read_float")
take_error = Intrinsic("take_error")
