"""An environment for each peer, made once with uv in a cache folder outside the repository."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MINUTES = 15


class NotInstalledError(Exception):
    """A peer's environment could not be made; the text says why."""


@dataclass(frozen=True)
class Environment:
    """A Python with a peer in it.

    Attributes:
        python: its interpreter.
        versions: what is installed, by name.
    """

    python: Path
    versions: dict[str, str]

    def program(self, name: str) -> str:
        """The path of one of its commands."""
        return str(self.python.with_name(name))


def default_cache() -> Path:
    """Where environments are kept: ``TILTYARD_BENCH_CACHE``, else the user's cache."""
    chosen = os.environ.get("TILTYARD_BENCH_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "tiltyard-bench"


def environment(cache: Path, name: str, requirements: tuple[str, ...]) -> Environment:
    """The environment of a peer, made if it is not there yet.

    Raises:
        NotInstalledError: it cannot be made.
    """
    key = hashlib.sha256(json.dumps([*requirements, sys.version_info[:2]]).encode()).hexdigest()[:10]
    folder = cache / f"{name}-{key}"
    python = folder / "bin" / "python"
    ready = folder / "ready.json"
    if not ready.exists():
        uv = _find_uv(cache)
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        _run_command([uv, "venv", "--quiet", "--clear", "--python", _find_python() or version, str(folder)])
        _run_command([uv, "pip", "install", "--quiet", "--python", str(python), *requirements])
        listed = _run_command([uv, "pip", "list", "--quiet", "--format", "json", "--python", str(python)])
        versions = {str(item["name"]): str(item["version"]) for item in json.loads(listed)}
        ready.write_text(json.dumps(versions, indent=1), encoding="utf-8")
    return Environment(python, json.loads(ready.read_text(encoding="utf-8")))


def _find_python() -> str | None:
    """The interpreter that this one's environment was made from."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return str(base) if base.exists() else None


def _find_uv(cache: Path) -> str:
    sibling = Path(sys.executable).with_name("uv")
    found = str(sibling) if sibling.exists() else shutil.which("uv")
    if found:
        return found
    folder = cache / "uv"
    if not (folder / "bin" / "uv").exists():
        _run_command([sys.executable, "-m", "venv", str(folder)])
        _run_command([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    return str(folder / "bin" / "uv")


def _run_command(command: list[str]) -> str:
    # This program's own environment must not be used instead of the new one.
    outside = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=False, env=outside)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"{command[0]} {command[1]}: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise NotInstalledError(f"{Path(command[0]).name} {command[1]}: {' '.join(said[-3:])}")
    return done.stdout
