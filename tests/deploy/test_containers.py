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
