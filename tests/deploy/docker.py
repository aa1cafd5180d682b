"""Docker, where there is one: an image built from this folder, and a Compose project of a test's own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.deploy.test_image import DOCKERFILE, ROOT

IMAGE = "tiltyard:proof"
# More for `docker build` and more Compose files, for hosts that need them: a network, images of another place.
BUILD_ARGS = shlex.split(os.environ.get("TILTYARD_DOCKER_BUILD_ARGS", ""))
MORE_FILES = [file for file in os.environ.get("TILTYARD_COMPOSE_FILES", "").split(os.pathsep) if file]
PATIENCE = 900


def docker(*words: str, check: bool = True) -> str:
    """What a docker command prints, and what it complains of."""
    done = subprocess.run(
        ["docker", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0 or not check, f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}"
    return done.stdout.strip()


def need_docker(*images: str) -> None:
    """Skip the test where no daemon responds, or an image is neither here nor to be fetched."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker daemon answers")
    for image in images:
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
            pulled = subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, text=True, check=False)
            if pulled.returncode:
                pytest.skip(f"the image {image} cannot be had: {pulled.stderr.strip()}")


@pytest.fixture(scope="session")
def image() -> str:
    """The image of this folder, built once."""
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, flags=re.MULTILINE)
    assert base is not None
    need_docker(base[1])
    docker("build", "--quiet", *BUILD_ARGS, "--tag", IMAGE, ".")
    return IMAGE


class Stand:
    """A Compose project with its own secrets and ports."""

    def __init__(self, name: str, env: Path) -> None:
        files = [str(ROOT / "compose.yaml"), *MORE_FILES]
        named = [word for file in files for word in ("--file", file)]
        self._words = ("compose", *named, "--project-name", name, "--env-file", str(env))
        self.secrets = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.+)$", env.read_text(encoding="utf-8"), re.MULTILINE))

    def __call__(self, *words: str, check: bool = True) -> str:
        """Run a command of Compose."""
        return docker(*self._words, *words, check=check)

    def tiltyard(self, *words: str, check: bool = True) -> str:
        """Run a command of Tiltyard where one trains."""
        return self("exec", "-T", "training", "tiltyard", *words, check=check)

    def url(self, port: str, path: str = "/") -> str:
        """An address on this machine."""
        return f"http://127.0.0.1:{self.secrets[port]}{path}"

    def predict(self, text: str) -> httpx.Response:
        """Ask the server, with the key of .env."""
        return ask(self.url("API_PORT", "/predict"), text, self.secrets["CALLER_KEY"])


def ask(url: str, text: str, key: str | None = None) -> httpx.Response:
    """Ask a server for a prediction."""
    headers = {"X-API-Key": key} if key else {}
    return httpx.post(url, json={"text": text}, headers=headers, timeout=60)


def until(wanted: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if wanted():
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    raise AssertionError(f"not within {PATIENCE} seconds: {what}")


def free_port() -> int:
    """A port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
