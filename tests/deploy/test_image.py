"""What the image is made of: the recipe is sound, and its packages are the locked ones."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def tool(name: str) -> str:
    """The program next to the interpreter or on the PATH; the test is skipped where there is none."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def pins(name: str) -> dict[str, str]:
    """The packages of a lock file, with their versions and conditions."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "--index-url" not in text
    assert "://" not in text
    return dict(re.findall(r"^([a-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+)", text, flags=re.MULTILINE))


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile keeps the rules of its trade."""
    done = subprocess.run([tool("hadolint"), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.requirement("R-DEPLOY-01")
def test_the_image_holds_what_developers_test() -> None:
    """Each package of the image, and of what builds it, has the version of the developers' lock."""
    tested = pins("dev")
    assert len(pins("runtime")) > 100
    for lock in ("runtime", "build"):
        assert {name: version for name, version in pins(lock).items() if tested.get(name) != version} == {}


def test_the_image_has_all_that_the_project_names() -> None:
    """Dependencies and optional parts but Ray's, which is 80 MB: `make lock` was run after the latest change."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    parts = [extra for name, extra in extras.items() if name not in ("all", "dev", "ray")]
    wanted = [*project["dependencies"], *(one for extra in parts for one in extra)]
    names = {canonicalize_name(Requirement(one).name) for one in wanted}
    assert names - {name.partition("[")[0] for name in pins("runtime")} == set()


@pytest.mark.requirement("R-DOC-01")
def test_the_extras_all_and_dev_hold_every_optional_part() -> None:
    """``pip install -e ".[dev]"`` installs every optional part and what the developers' lock names."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {"postgres", "prefect", "s3"} <= extras.keys()
    assert Requirement(extras["all"][0]).extras == extras.keys() - {"all", "dev", "ray"}
    [parts, *tools] = extras["dev"]
    assert (Requirement(parts).name, Requirement(parts).extras) == ("tiltyard", {"all"})
    names = {canonicalize_name(Requirement(one).name) for one in tools}
    assert names - {name.partition("[")[0] for name in pins("dev")} == set()


def test_nothing_is_installed_without_its_hash() -> None:
    """Every install names a lock with hashes, or the wheel that was just built."""
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert len(installs) == 4
    assert all("--require-hashes" in line or "--no-deps dist/" in line for line in installs)


def test_the_container_runs_as_nobody_in_particular() -> None:
    """A fixed user without a name on the host, the program itself as process 1, and telemetry off."""
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in final
    assert '\nENTRYPOINT ["tiltyard"]\n' in final
    assert "\nVOLUME /var/lib/tiltyard\n" in final
    for quiet in ("MLFLOW_DISABLE_TELEMETRY=true", "PREFECT_SERVER_ANALYTICS_ENABLED=false", "DO_NOT_TRACK=1"):
        assert quiet in final


def test_nothing_secret_reaches_the_build() -> None:
    """The build sees what is named, and nothing else of the folder."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not any(rule.startswith("!") and ("env" in rule or "data" in rule) for rule in rules)
    assert "**/.env*" in rules


@pytest.mark.parametrize(
    ("status", "body", "well"),
    [
        (200, b'{"model_loaded": true}', True),
        (503, b'{"model_loaded": false}', True),
        (503, b"<h1>Service Unavailable</h1>", False),
        (503, b"[]", False),
        (500, b"{}", False),
    ],
)
def test_the_health_check_tells_life_from_death(status: int, body: bytes, well: bool) -> None:
    """A server that says itself that it waits for a champion is well; any other error is not."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Responder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Responder) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        assert health(f"http://127.0.0.1:{server.server_port}/health") == (0 if well else 1)
        server.shutdown()


def test_the_health_check_fails_where_nobody_listens() -> None:
    """A closed port is not well."""
    assert health("http://127.0.0.1:9/health") == 1


def health(url: str) -> int:
    """Exit code of the health check, run as the image runs it."""
    script = ROOT / "deploy" / "container" / "healthcheck.py"
    return subprocess.run(
        [sys.executable, "-E", "-S", str(script), url], capture_output=True, timeout=60, check=False
    ).returncode
