"""The image and the Compose stand, run for real; skipped where there is no Docker, or an image cannot be had."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.deploy.docker import IMAGE, Stand, ask, docker, free_port, image, need_docker, until
from tests.deploy.test_compose import OURS, SERVICES, VARIABLE, write_env
from tests.deploy.test_image import ROOT

__all__ = ["image"]

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]

CLOSED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# Kills what the container's first process watches over, from inside, as the kernel does when memory is short.
KILL = "import os; os.kill(int(open('/proc/1/task/1/children').read().split()[0]), 9)"


# Scores and explains with every kind of text model, and says what the kernels were loaded from.
KERNELS = """
import json, os, sys
from pathlib import Path
import tiltyard
from tiltyard.kernels.kernel import Kernel
from tiltyard.scoring.compile_kernels import compile_models_of_texts
compile_models_of_texts()
root = Path(tiltyard.__file__).parent
files = [file for ending in ("nbi", "nbc", "kernel") for file in root.rglob(f"__pycache__/*.{ending}")]
modules = [module for name, module in sys.modules.items() if name.startswith("tiltyard.")]
kernels = {value for module in modules for value in vars(module).values() if isinstance(value, Kernel)}
print(json.dumps({
    "files": len(files),
    "of_root": all(file.stat().st_uid == file.parent.stat().st_uid == 0 for file in files),
    "writable": sum(os.access(place, os.W_OK) for file in files for place in (file, file.parent)),
    "loaded": sum(len(kernel.signatures) for kernel in kernels if kernel._dispatcher is None),
    "compiled": sum(kernel._dispatcher is not None for kernel in kernels),
}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The shipped reviews, readable by the container's user."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / "sentiment", folder, ignore=shutil.ignore_patterns(".tiltyard"))
    for path in (tmp_path.parent, tmp_path, folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    return folder


@pytest.mark.requirement("R-DEPLOY-01", "R-DEPLOY-02", "R-DEPLOY-03")
def test_one_image_trains_and_serves(image: str, project: Path) -> None:
    """Without rights and with a read-only root: it trains, asks for keys, predicts, is well, and ends in order."""
    volume = f"tiltyard-proof-{uuid4().hex[:8]}"
    where = (*CLOSED, "--volume", f"{project}:/project:ro", "--volume", f"{volume}:/var/lib/tiltyard")
    try:
        assert "Status: Set as champion" in docker("run", "--rm", *where, image, "train", "--champion")
        refused = docker("run", "--rm", *where, image, "serve", "--host", "0.0.0.0", check=False)
        assert "tiltyard keys api new" in refused
        made = docker("run", "--rm", *where, image, "keys", "api", "new", "--scope", "predict", "--json")
        key = json.loads(made)["key"]
        port = free_port()
        publish = ("--detach", "--publish", f"127.0.0.1:{port}:8000")
        server = docker("run", *publish, *where, image, "serve", "--host", "0.0.0.0")
        url = f"http://127.0.0.1:{port}"
        until(lambda: httpx.get(f"{url}/health", timeout=10).status_code == 200, "the server answers")
        response = ask(f"{url}/predict", "a warm and wonderful film", key).json()
        assert (response["sentiment"], response["model_version"]) == ("positive", "1")
        assert ask(f"{url}/predict", "a warm and wonderful film").status_code == 401
        until(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", server) == "healthy", "Docker sees it well")
        assert docker("exec", server, "id", "-u") == "10001"
        docker("stop", "--time", "60", server)
        assert docker("inspect", "-f", "{{.State.ExitCode}}", server) == "0"
        docker("rm", server)
        counted = json.loads(docker("run", "--rm", *where, image, "predictions", "stats", "--json"))
        assert counted["total_predictions"] == 1
    finally:
        for left in docker("ps", "--all", "--quiet", "--filter", f"volume={volume}").split():
            docker("rm", "--force", left)
        docker("volume", "rm", "--force", volume)


def test_kernels_are_compiled_when_the_image_is_built_and_only_root_can_write_them(image: str) -> None:
    """The container's user loads every kernel from the image, compiles none, and cannot write where they are.

    So it is too in a volume that belongs to root and to the user's group, as one of Kubernetes does.
    """
    volume = f"tiltyard-proof-{uuid4().hex[:8]}"
    try:
        where = ("--volume", f"{volume}:/var/lib/tiltyard")
        as_root = ("--user", "0", "--entrypoint", "sh")
        for step in ("true", "chown 0:10001 /var/lib/tiltyard && chmod 2775 /var/lib/tiltyard"):
            docker("run", "--rm", *where, *as_root, image, "-c", step)
            said = docker("run", "--rm", *CLOSED, *where, "--entrypoint", "python", image, "-c", KERNELS)
            found = json.loads(said.splitlines()[-1])
            assert found["files"] > 20
            assert found["loaded"] > 10
            assert (found["of_root"], found["writable"], found["compiled"]) == (True, 0, 0)
    finally:
        docker("volume", "rm", "--force", volume)


def test_a_volume_of_the_users_group_keeps_what_another_processor_compiles(image: str) -> None:
    """On another kind of processor the kernels are compiled once, into a volume as of Kubernetes, and then loaded.

    Kubernetes gives a volume to root and to the group of ``fsGroup``, which is the user's own.
    """
    volume = f"tiltyard-proof-{uuid4().hex[:8]}"
    try:
        where = ("--volume", f"{volume}:/var/lib/tiltyard", "--env", "NUMBA_CPU_NAME=generic")
        as_kubernetes = "chown 0:10001 /var/lib/tiltyard && chmod 2775 /var/lib/tiltyard"
        docker("run", "--rm", *where, "--user", "0", "--entrypoint", "sh", image, "-c", as_kubernetes)
        counts = []
        for _ in range(2):
            said = docker("run", "--rm", *CLOSED, *where, "--entrypoint", "python", image, "-c", KERNELS)
            found = json.loads(said.splitlines()[-1])
            counts.append((found["loaded"] > 0, found["compiled"] > 0))
        assert counts == [(False, True), (True, False)]
    finally:
        docker("volume", "rm", "--force", volume)


@pytest.fixture
def stand(image: str, project: Path, tmp_path: Path) -> Iterator[Stand]:
    """The whole stand with this image; it and its data are gone afterwards."""
    need_docker(*(service["image"] for name, service in SERVICES.items() if name not in OURS))
    env = write_env(tmp_path)
    ports = {name for name, _, _ in VARIABLE.findall((ROOT / "compose.yaml").read_text()) if name.endswith("_PORT")}
    with env.open("a", encoding="utf-8") as file:
        file.write(f"\nPROJECT_FOLDER={project}\nTILTYARD_TAG={IMAGE.partition(':')[2]}\n")
        file.writelines(f"{name}={free_port()}\n" for name in sorted(ports))
    made = Stand(f"tiltyard-proof-{uuid4().hex[:8]}", env)
    try:
        yield made
    finally:
        made("down", "--volumes", "--timeout", "30", check=False)


@pytest.mark.requirement(
    "R-ART-06", "R-DEPLOY-02", "R-DEPLOY-04", "R-DEPLOY-05", "R-DEPLOY-06", "R-DEPLOY-07", "R-DEPLOY-08"
)
def test_the_stand_from_start_to_reset(stand: Stand) -> None:
    """All is well before the first training; a champion serves; what is killed comes back; data stay until reset."""
    stand("up", "--detach", "--wait", "--no-build")
    state = {row["Service"]: row for row in map(json.loads, stand("ps", "--format", "json").splitlines())}
    assert set(state) == set(SERVICES) - {"buckets", "api-keys"}
    assert {row["Health"] for row in state.values()} == {"healthy"}
    assert stand.predict("This movie is amazing!").status_code == 503
    for port, title in (("MLFLOW_PORT", "MLflow"), ("PREFECT_PORT", "Prefect"), ("CONSOLE_PORT", "Tiltyard")):
        assert title in httpx.get(stand.url(port), follow_redirects=True, timeout=60).text
    assert httpx.get(stand.url("API_PORT", "/docs"), timeout=60).status_code == 200

    assert "Status: Set as champion" in stand.tiltyard("train", "--champion")
    until(lambda: stand.predict("This movie is amazing!").status_code == 200, "the champion answers")
    assert stand.predict("a warm and wonderful film").json()["sentiment"] == "positive"
    assert ask(stand.url("API_PORT", "/predict"), "a film").status_code == 401
    runs = httpx.post(stand.url("PREFECT_PORT", "/api/flow_runs/filter"), json={}, timeout=60).json()
    assert "sentiment-training" in {
        flow["name"] for flow in httpx.post(stand.url("PREFECT_PORT", "/api/flows/filter"), json={}, timeout=60).json()
    }
    assert "COMPLETED" in {run["state_type"] for run in runs}
    assert "All checks pass." in stand.tiltyard("doctor")

    stand("exec", "-T", "api", "python", "-c", KILL, check=False)
    until(lambda: stand.predict("a warm and wonderful film").status_code == 200, "the server is back")

    stand("down", "--timeout", "60")
    stand("up", "--detach", "--wait", "--no-build")
    assert stand.predict("a warm and wonderful film").json()["model_version"] == "1"
    assert json.loads(stand.tiltyard("predictions", "stats", "--json"))["total_predictions"] >= 3
    assert len(json.loads(stand.tiltyard("list-versions", "--json"))) == 1

    stand("down", "--volumes", "--timeout", "60")
    stand("up", "--detach", "--wait", "--no-build")
    assert stand.predict("a warm and wonderful film").status_code == 503
    assert json.loads(stand.tiltyard("list-versions", "--json")) == []
