"""Where compiled kernels are kept, and from where none is opened."""

from __future__ import annotations

import grp
import importlib
import os
import pickle
import pwd
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import tiltyard
from tests import fork_server
from tiltyard.files import find_writer
from tiltyard.kernels.argument_types import describe_key
from tiltyard.kernels.kept_code import ENDING
from tiltyard.kernels.kernel import Kernel
from tiltyard.kernels.places import find_places
from tiltyard.scoring.compile_kernels import compile_boosters, compile_models_of_texts, compile_profiles_and_tables

KERNEL = """from tiltyard.kernels.jit import compile_kernel


@compile_kernel
def double(number):
    return 2 * number
"""
INNER = """from tiltyard.kernels.jit import compile_inline


@compile_inline
def half(number):
    return number // {}
"""
RUN = """import logging, sys
logging.basicConfig(level="WARNING", format="%(message)s")
import plain
from tiltyard.kernels.places import find_places
number, compiled = plain.double(21), "numba" in sys.modules
print(number, *find_places(plain.double.function).read[-1:], int(not compiled))
"""

# Without this root could write to folders that are read-only: it gives up CAP_DAC_OVERRIDE.
AS_A_USER = """import ctypes
libc = ctypes.CDLL(None)
header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, sets) == 0
for number in range(3):
    sets[number] &= ~(1 << 1)
assert libc.capset(header, sets) == 0
"""


class _Planted:
    """A pickle that writes a file when it is opened."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.system, (f"touch {self._mark}",)


class Package:
    """A package with one kernel, and a user who runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package, self.home = root / "package", root / "home"
        for folder in (self.package, self.home):
            folder.mkdir(mode=0o755)
        (self.package / "plain.py").write_text(KERNEL)
        self.mark = root / "opened"
        self._changed = 1_700_000_000
        self.expected = "42"

    def run(self, **more: str) -> tuple[Path, int, str]:
        """Call the kernel; returns where its cache is, whether it was loaded without numba, and what was logged."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
        environment = {**kept, "HOME": str(self.home), "TMPDIR": str(self.root), **more}
        root = os.geteuid() == 0 and sys.platform == "linux"
        command = [sys.executable, "-c", (AS_A_USER if root else "") + RUN]
        done = fork_server.run(command, cwd=self.package, env=environment, timeout=300, fresh=True)
        assert done.returncode == 0, done.stderr
        number, *path, loaded = done.stdout.rstrip().split(" ")
        assert number == self.expected
        return Path(*path) if path else Path("/nowhere"), int(loaded), done.stderr

    def change(self, name: str, text: str) -> None:
        """Write a file anew; Python takes its bytecode for old by the second in which it was written, and its size."""
        file = self.package / name
        file.write_text(text)
        self._changed += 2
        os.utime(file, (self._changed, self._changed))

    def plant(self, folder: Path, *, code: bool = True) -> None:
        """Put a pickle in place of every index in a folder that runs a program when it is opened.

        With ``code`` also other machine code in place of the kernel's; else without any.
        """
        for file in [*self.root.rglob("*.nbi")]:
            (folder / file.name).write_bytes(pickle.dumps(_Planted(self.mark)))
        for file in [*self.root.rglob(f"*{ENDING}")]:
            (folder / file.name).unlink(missing_ok=True)
            if code:
                (folder / file.name).write_bytes(self.make_other_code())
        assert any(folder.glob("*.nbi"))

    def make_other_code(self) -> bytes:
        """The file of a kernel that multiplies by three."""
        other = self.root / "other"
        if not other.exists():
            other.mkdir(mode=0o755)
            (other / "plain.py").write_text(KERNEL.replace("2 * number", "3 * number"))
            self.package, ours, self.expected = other, self.package, "63"
            self.run()
            self.package, self.expected = ours, "42"
        (file,) = (other / "__pycache__").glob(f"*{ENDING}")
        content = file.read_bytes()
        for found in (other / "__pycache__").glob("*.nbi"):
            found.unlink()
        return content


@pytest.fixture
def package(tmp_path: Path) -> Package:
    tmp_path.chmod(0o755)
    return Package(tmp_path)


def test_a_kernel_is_compiled_once(package: Package) -> None:
    """What one process has compiled, the next one finds, next to the package."""
    assert package.run() == (package.package / "__pycache__", 0, "")
    assert package.run() == (package.package / "__pycache__", 1, "")


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_cache_that_others_can_write_is_not_opened(package: Package, mode: int) -> None:
    """A planted file in a folder that others can write to is not opened; the kernel is kept elsewhere."""
    cache, _, _ = package.run()
    package.plant(cache)
    if mode == 0o775:
        # The own group of the user may write, another one may not.
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder to a group that it is not in")
        os.chown(cache, -1, 12345)
    cache.chmod(mode)
    found, hits, _ = package.run()
    assert (found.is_relative_to(package.home), hits) == (True, 0)
    assert not package.mark.exists()
    assert found.stat().st_mode & 0o777 == 0o700
    assert package.run()[:2] == (found, 1)


def test_the_planted_files_would_run_where_only_the_user_writes(package: Package) -> None:
    """The test above tests something: in a folder of the user alone the same files are opened."""
    cache, _, _ = package.run()
    package.plant(cache, code=False)
    package.run()
    assert package.mark.exists()
    package.plant(cache)
    package.expected = "63"
    assert package.run() == (cache, 1, "")


@pytest.mark.parametrize("which", ["folder", "above", "link"])
def test_a_named_cache_that_others_can_change_is_reported(package: Package, which: str) -> None:
    """NUMBA_CACHE_DIR is not used where a folder on the way, also behind a link, can be written by others."""
    above = package.root / "shared"
    above.mkdir()
    named = above / "numba"
    named.mkdir(mode=0o700)
    if which == "link":
        (package.root / "link").symlink_to(above)
        named = package.root / "link" / "numba"
    cache, _, log = package.run(NUMBA_CACHE_DIR=str(named))
    assert cache.is_relative_to(named)
    assert log == ""
    package.plant(cache)
    (above if which != "folder" else cache).chmod(0o777)
    found, hits, log = package.run(NUMBA_CACHE_DIR=str(named))
    assert not found.is_relative_to(named)
    assert hits == 0
    assert not package.mark.exists()
    assert "NUMBA_CACHE_DIR is not used" in log
    assert "0777" in log


def test_without_a_safe_folder_nothing_is_kept_and_the_log_says_so(package: Package) -> None:
    """Where others can write everything, the kernel is compiled at each start, and one line says why."""
    cache, _, _ = package.run()
    package.plant(cache)
    package.root.chmod(0o777)
    for _ in range(2):
        found, hits, log = package.run()
        assert (found, hits) == (Path("/nowhere"), 0)
        assert log.count("No cache of compiled kernels can be used") == 1
    assert not package.mark.exists()


def test_what_came_with_the_package_is_read_and_not_written(package: Package) -> None:
    """In an image the package's cache is read-only: it is read, and what it lacks goes to the user's cache."""
    if os.geteuid() == 0 and sys.platform != "linux":
        pytest.skip("root can write everywhere")
    cache, _, _ = package.run()
    cache.chmod(0o555)
    assert package.run()[1] == 1
    cache.chmod(0o755)
    for file in cache.iterdir():
        file.unlink()
    cache.chmod(0o555)
    found, hits, _ = package.run()
    assert (found.is_relative_to(package.home), hits) == (True, 0)
    assert package.run()[:2] == (found, 1)
    cache.chmod(0o755)


@pytest.mark.parametrize("ending", [".nbi", ".nbc", ENDING])
@pytest.mark.parametrize("content", [b"", b"\x80", None])
def test_a_torn_file_is_compiled_again(package: Package, ending: str, content: bytes | None) -> None:
    """A file that a power cut left empty, torn or cut off is replaced, and the kernel works."""
    cache, _, _ = package.run()
    (file,) = cache.glob(f"*{ending}")
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    for code in cache.glob(f"*{ENDING}"):
        if code != file:
            code.unlink()
    assert package.run()[1] == 0
    assert package.run()[1] == 1


def test_a_changed_kernel_is_compiled_again(package: Package) -> None:
    """Code is loaded for its own source alone, and for that of what it calls and of the constants it names."""
    assert package.run()[1] == 0
    for text, number in (
        (KERNEL.replace("2 * number", "4 * number"), "84"),
        ("FACTOR = 5\n" + KERNEL.replace("2 * number", "FACTOR * number"), "105"),
        ("from inner import half\n" + KERNEL.replace("2 * number", "half(number)"), "10"),
    ):
        package.change("inner.py", INNER.format(2))
        package.change("plain.py", text)
        package.expected = number
        assert [package.run()[1] for _ in range(2)] == [0, 1]
    package.change("inner.py", INNER.format(7))
    package.expected = "3"
    assert [package.run()[1] for _ in range(2)] == [0, 1]


def test_an_image_compiles_every_kernel_ahead() -> None:
    """Compiling ahead leaves no kernel of the package to be compiled at a start, and none that needs numba there."""
    compile_models_of_texts()
    compile_profiles_and_tables()
    compile_boosters()
    source = Path(tiltyard.__file__).parent
    marks = "\n@compile_kernel\n", "\n@compile_holding_lock\n"
    texts = {file: file.read_text(encoding="utf-8") for file in source.rglob("*.py")}
    modules = [file for file, text in texts.items() if any(mark in text for mark in marks)]
    assert len(modules) > 5
    for module in modules:
        name = ".".join(module.with_suffix("").relative_to(source.parent).parts)
        kernels = [one for one in vars(importlib.import_module(name)).values() if isinstance(one, Kernel)]
        for kernel in kernels:
            stem = f"{Path(kernel.function.__code__.co_filename).stem}.{kernel.function.__name__}"
            places = find_places(kernel.function).read
            # One that only another calls is compiled as a part of it.
            assert any(any(place.glob(f"{stem}-*.nbi")) for place in places), kernel
            if kernel.signatures:
                kept = [file for place in places for file in place.glob(f"{stem}-*{ENDING}")]
                # An array of one row is in both orders, and of the type of one in C's.
                assert len(kept) >= len({describe_key(types) for types in kernel.signatures}), kernel


def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    """A folder counts as this user's only if no other user owns it or one above it."""
    tmp_path.chmod(0o755)
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    assert find_writer(mine) == ""
    assert find_writer(Path("/")) == ""
    assert "can be written by others" in find_writer(Path("/tmp"))
    if os.geteuid() == 0:
        os.chown(mine, 12345, 12345)
        assert "belongs to the user 12345" in find_writer(mine)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic links"):
        find_writer(tmp_path / "loop")


@pytest.mark.parametrize(
    ("user", "group", "mode", "trusted"),
    [
        ("www-data", "www-data", 0o2775, True),
        ("www-data", "www-data", 0o2777, False),
        ("www-data", "daemon", 0o2775, False),
        ("games", "games", 0o2775, False),
    ],
)
def test_a_group_may_write_only_if_this_user_is_alone_in_it(user: str, group: str, mode: int, trusted: bool) -> None:
    """A folder that the user's private group may write, as a volume in a pod with an fsGroup, is as safe as the user's.

    Another group's is not, nor that of one with another number than the user, nor a folder for everybody.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    ids = pwd.getpwnam(user)
    with tempfile.TemporaryDirectory() as folder:
        volume = Path(folder) / "volume"
        volume.mkdir()
        os.chown(volume, 0, grp.getgrnam(group).gr_gid)
        volume.chmod(mode)
        Path(folder).chmod(0o755)
        try:
            os.seteuid(ids.pw_uid)
            why = find_writer(volume)
        finally:
            os.seteuid(0)
    assert (why == "") is trusted
    assert trusted or f"mode {mode:04o}" in why
