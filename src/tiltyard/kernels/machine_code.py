"""Machine code in an object file, linked into this process without LLVM.

Numba compiles for a process whose addresses are all 64 bits wide, so an object file of its is linked by writing
addresses into it: those of its parts, and those of functions of Python, of the C library and of numba's small
extension modules, which are loaded without numba. It is done for ELF of x86-64; what another machine or a later LLVM
asks for is refused, and the caller has numba link it.
"""

from __future__ import annotations

import builtins
import ctypes
import importlib
import importlib.util
import mmap
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_RELOCATABLE, _X86_64 = 1, 62  # e_type and e_machine
_SYMBOLS, _RELOCATIONS, _NO_BITS = 2, 4, 8  # sh_type
_START_UP = (14, 15, 16)  # sh_type of functions that would have to run
_ALLOCATED, _EXECUTABLE, _THREAD_LOCAL = 0x2, 0x4, 0x400  # sh_flags
_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2  # st_shndx
_ADDRESS, _RELATIVE, _FAR_RELATIVE = 1, 2, 24  # R_X86_64_64, R_X86_64_PC32, R_X86_64_PC64
_WEAK = 2
_ENVIRONMENT = "_ZN08NumbaEnv"  # where a function looks for the objects of Python that it needs
_UNWINDING = b".eh_frame"
_SMALL = 2**31

_kept: list[Any] = []  # code stays for as long as the process


class UnlinkableError(Exception):
    """An object file asks for what this linker does not do."""


class _Section(NamedTuple):
    name: bytes
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


class _Symbol(NamedTuple):
    name: str
    weak: bool
    section: int
    value: int
    size: int


def check_linkable(code: bytes) -> None:
    """Check that an object file can be linked on this host.

    Raises:
        UnlinkableError: it cannot; the text says why.
    """
    _Object(code).link(executable=False)


def link_function(code: bytes, wrapper: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of an object file, as Python calls it.

    Args:
        code: the object file, as numba compiled it on this host.
        wrapper: the symbol of the function that takes Python's arguments.
        function: the function in Python, for names and globals.

    Raises:
        UnlinkableError: the file asks for what this linker does not do.
        OSError: this host gives no memory for code.
    """
    linked = _Object(code).link(executable=True)
    made = _load_extension("numba._dynfunc")
    context = made.Environment(function.__globals__)
    for symbol, address in linked.addresses.items():
        if symbol.startswith(_ENVIRONMENT):
            ctypes.c_void_p.from_address(address).value = id(context)
    _kept.extend((linked.memory, context))
    module = sys.modules[function.__module__]
    name = function.__qualname__.split(".")[-1]
    call: Callable[..., Any] = made.make_function(
        module, name, f"compiled wrapper for {name!r}", linked.addresses[wrapper], context, (linked.memory,)
    )
    return call


class _Linked(NamedTuple):
    memory: mmap.mmap | None
    addresses: dict[str, int]


class _Object:
    """An object file: its sections and symbols."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        if len(code) < 64 or code[:6] != b"\x7fELF\x02\x01":
            raise UnlinkableError("it is not an ELF of 64 bits")
        kind, machine = struct.unpack_from("<HH", code, 16)
        if (kind, machine) != (_RELOCATABLE, _X86_64):
            raise UnlinkableError(f"it is of kind {kind} for machine {machine}")
        self._sections = self._read_sections()
        self._symbols = self._read_symbols()

    def link(self, *, executable: bool) -> _Linked:
        """Place it in memory, and write addresses into it; else only look whether that can be done."""
        places, size, code_size = self._lay_out()
        memory = mmap.mmap(-1, max(size, mmap.PAGESIZE), prot=mmap.PROT_READ | mmap.PROT_WRITE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for number, place in places.items():
            section = self._sections[number]
            if section.kind != _NO_BITS:
                memory[place : place + section.size] = self._code[section.offset : section.offset + section.size]
        addresses = self._find_addresses(places, start)
        for number, section in enumerate(self._sections):
            if section.kind == _RELOCATIONS and section.info in places:
                self._relocate(number, memory, start, places, addresses)
        if not executable:
            return _Linked(None, {})
        if code_size and _libc().mprotect(ctypes.c_void_p(start), code_size, mmap.PROT_READ | mmap.PROT_EXEC):
            number = ctypes.get_errno()
            raise OSError(number, "memory cannot be made executable")
        found = {symbol.name: address for symbol, address in zip(self._symbols, addresses, strict=True) if symbol.name}
        return _Linked(memory, found)

    def _read_sections(self) -> list[_Section]:
        (offset,) = struct.unpack_from("<Q", self._code, 40)
        each, count, names = struct.unpack_from("<HHH", self._code, 58)
        raw = [struct.unpack_from("<IIQQQQIIQQ", self._code, offset + each * number) for number in range(count)]
        base = raw[names][4]
        return [
            _Section(self._text(base + name), kind, flags, place, size, link, info, max(1, alignment))
            for name, kind, flags, _, place, size, link, info, alignment, _ in raw
        ]

    def _text(self, offset: int) -> bytes:
        return self._code[offset : self._code.index(b"\0", offset)]

    def _read_symbols(self) -> list[_Symbol]:
        tables = [section for section in self._sections if section.kind == _SYMBOLS]
        if len(tables) != 1:
            raise UnlinkableError(f"its tables of symbols are {len(tables)}")
        names = self._sections[tables[0].link].offset
        found = []
        for offset in range(tables[0].offset, tables[0].offset + tables[0].size, 24):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self._code, offset)
            found.append(_Symbol(self._text(names + name).decode(), info >> 4 == _WEAK, section, value, size))
        return found

    def _lay_out(self) -> tuple[dict[int, int], int, int]:
        """Where each section lies that is needed, code first on separate pages; the sizes of all and of code."""
        places: dict[int, int] = {}
        at = code_size = 0
        for of_code in (True, False):
            for number, section in enumerate(self._sections):
                # No exception passes through this code: numba's functions return a status.
                if not section.flags & _ALLOCATED or section.name == _UNWINDING:
                    continue
                if section.kind in _START_UP or section.flags & _THREAD_LOCAL:
                    raise UnlinkableError(f"it has a section {section.name.decode()}")
                if bool(section.flags & _EXECUTABLE) is of_code:
                    at = _round_up(at, section.alignment)
                    places[number] = at
                    at += section.size
            if of_code:
                at = code_size = _round_up(at, mmap.PAGESIZE)
        self._common = {}
        for number, symbol in enumerate(self._symbols):
            if symbol.section == _COMMON:
                at = _round_up(at, max(1, symbol.value))
                self._common[number] = at
                at += symbol.size
        return places, at, code_size

    def _find_addresses(self, places: dict[int, int], start: int) -> list[int]:
        """The address of each symbol; 0 of those that nothing can need."""
        found = []
        for number, symbol in enumerate(self._symbols):
            if symbol.section == _COMMON:
                found.append(start + self._common[number])
            elif symbol.section == _ABSOLUTE:
                found.append(symbol.value)
            elif symbol.section == _UNDEFINED:
                found.append(_find_outside(symbol) if symbol.name else 0)
            elif symbol.section in places:
                found.append(start + places[symbol.section] + symbol.value)
            else:
                found.append(0)
        return found

    def _relocate(
        self, number: int, memory: mmap.mmap, start: int, places: dict[int, int], addresses: list[int]
    ) -> None:
        section = self._sections[number]
        target = places[section.info]
        for offset in range(section.offset, section.offset + section.size, 24):
            where, info, addend = struct.unpack_from("<QQq", self._code, offset)
            kind, value = info & 0xFFFFFFFF, addresses[info >> 32] + addend
            place = target + where
            if kind == _ADDRESS:
                struct.pack_into("<Q", memory, place, value % 2**64)
            elif kind == _FAR_RELATIVE:
                struct.pack_into("<q", memory, place, value - start - place)
            elif kind == _RELATIVE and -_SMALL <= value - start - place < _SMALL:
                struct.pack_into("<i", memory, place, value - start - place)
            else:
                raise UnlinkableError(f"it has a relocation of kind {kind}")


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _find_outside(symbol: _Symbol) -> int:
    found = _find_address(symbol.name)
    if found is None and not symbol.weak:
        raise UnlinkableError(f"it needs {symbol.name}, which this process does not have")
    return found or 0


@cache
def _find_address(name: str) -> int | None:
    """The address of a function outside of the object file, as numba tells LLVM."""
    known = _read_helpers().get(name)
    if known is not None:
        return known
    if name == "_Py_NoneStruct":
        return id(None)
    if name.startswith("PyExc_"):
        kind = getattr(builtins, name.removeprefix("PyExc_"), None)
        return None if kind is None else id(kind)
    for library in _list_libraries():
        try:
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        except AttributeError:
            continue
    return None


def _list_libraries() -> Iterator[Any]:
    yield ctypes.pythonapi
    yield _libc()
    try:
        yield ctypes.CDLL("libm.so.6")
    except OSError:
        return


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


@cache
def _read_helpers() -> dict[str, int]:
    """The addresses of numba's C functions, by the names that its code has for them."""
    helpers = _load_extension("numba._helperlib").c_helpers
    found = dict(helpers)  # functions of mathematics, by their own names
    found |= {f"numba_{name}": address for name, address in helpers.items()}
    found |= {f"numba_{name}": address for name, address in _load_extension("numba._dynfunc").c_helpers.items()}
    memory = _load_extension("numba.core.runtime._nrt_python").c_helpers
    return found | {name if name.startswith("_") else f"NRT_{name}": address for name, address in memory.items()}


@cache
def _load_extension(name: str) -> ModuleType:
    """One of numba's extension modules, without the packages around it, which import LLVM."""
    if "numba" in sys.modules:
        return importlib.import_module(name)
    package = importlib.util.find_spec("numba")
    if package is None or not package.submodule_search_locations:
        raise UnlinkableError("numba is not installed")
    parts = name.split(".")[1:]
    folder = Path(package.submodule_search_locations[0], *parts[:-1])
    for suffix in EXTENSION_SUFFIXES:
        spec = importlib.util.spec_from_file_location(name, folder / f"{parts[-1]}{suffix}")
        if spec is None or spec.loader is None or not (folder / f"{parts[-1]}{suffix}").is_file():
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        # Python keeps it for a later import of numba; under its name it would be a module without its package.
        sys.modules.pop(name, None)
        return module
    raise UnlinkableError(f"there is no {name}")
