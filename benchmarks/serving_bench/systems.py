"""The systems that are compared: how each is installed, started and requested."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving_bench.environments import Environment
from benchmarks.serving_bench.subjects import Subject

APPS = Path(__file__).parent / "apps"
HOST = "127.0.0.1"
SKLEARN = f"scikit-learn=={importlib.metadata.version('scikit-learn')}"


@dataclass(frozen=True)
class Stand:
    """Where a server is started.

    Attributes:
        environment: its Python; None for the one that runs the benchmark.
        subject: what it serves.
        folder: its empty folder.
        port: its port on the loopback.
    """

    environment: Environment | None
    subject: Subject
    folder: Path
    port: int

    def program(self, name: str) -> str:
        """A command of its environment."""
        return self.environment.program(name) if self.environment else name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.environment.python) if self.environment else sys.executable


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        name: as in the figures.
        title: what it is, for people.
        requirements: what its environment holds; empty for Tiltyard, which runs where the benchmark does.
        command: from a stand to the server's command.
        path: where inputs are sent.
        body: from the task and an input to a request's body.
        confidence: from a response to the probability of its label; None for an echo.
        shown: the package whose version is shown.
    """

    name: str
    title: str
    requirements: tuple[str, ...]
    command: Callable[[Stand], list[str]]
    path: str
    body: Callable[[str, Any], Any]
    confidence: Callable[[Any], float] | None
    shown: str


def _plain_body(task: str, item: Any) -> Any:
    return {"text": item} if task == "text" else {"features": item}


def _mlflow_body(task: str, item: Any) -> Any:
    return {"inputs": [item]} if task == "text" else {"dataframe_records": [item]}


def _inference_body(task: str, item: Any) -> Any:
    if task == "text":
        return {"inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [item]}]}
    return {
        "inputs": [
            {
                "name": name,
                "shape": [1, 1],
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "data": [value],
                **({"parameters": {"content_type": "str"}} if isinstance(value, str) else {}),
            }
            for name, value in item.items()
        ]
    }


def _tiltyard_command(stand: Stand) -> list[str]:
    project = str(stand.subject.project)
    return [stand.python, "-m", "tiltyard", "serve", "--project", project, "--port", str(stand.port)]


def _uvicorn_command(app: str) -> Callable[[Stand], list[str]]:
    def command(stand: Stand) -> list[str]:
        quiet = ["--no-access-log", "--log-level", "warning", "--workers", "1"]
        where = ["--host", HOST, "--port", str(stand.port), "--app-dir", str(APPS)]
        return [stand.python, "-m", "uvicorn", f"{app}:app", *where, *quiet]

    return command


def _mlflow_command(stand: Stand) -> list[str]:
    model = stand.folder / "model"
    subprocess.run(
        [stand.python, str(APPS / "save_mlflow.py"), str(stand.subject.model), str(model)],
        check=True,
        capture_output=True,
        timeout=300,
        cwd=stand.folder,
    )
    where = ["--host", HOST, "--port", str(stand.port), "--workers", "1"]
    return [stand.program("mlflow"), "models", "serve", "-m", str(model), "--env-manager", "local", *where]


def _bentoml_command(stand: Stand) -> list[str]:
    where = ["--host", HOST, "--port", str(stand.port)]
    return [stand.program("bentoml"), "serve", "bento_app:Model", "--working-dir", str(APPS), *where]


def _mlserver_command(stand: Stand) -> list[str]:
    settings = {
        "host": HOST,
        "http_port": stand.port,
        "grpc_port": stand.port + 1,
        "metrics_port": stand.port + 2,
        "parallel_workers": 0,
        "debug": False,
        "logging_settings": None,
    }
    model = {
        "name": "bench",
        "implementation": "mlserver_model.Model",
        "max_batch_size": 32,
        "max_batch_time": 0.002,
        "parameters": {"version": "1"},
    }
    (stand.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (stand.folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    (stand.folder / "mlserver_model.py").write_text((APPS / "mlserver_model.py").read_text("utf-8"), "utf-8")
    return [stand.program("mlserver"), "start", str(stand.folder)]


def _of_inference(response: Any) -> float:
    return float(next(output for output in response["outputs"] if output["name"] == "confidence")["data"][0])


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System(
            "tiltyard", "Tiltyard: validation, durable ledger, metrics", (), _tiltyard_command, "/predict", _plain_body,
            lambda response: float(response["confidence"]), "tiltyard",
        ),
        System(
            "uvicorn-echo", "uvicorn, raw ASGI, echoes the body", ("uvicorn[standard]",), _uvicorn_command("echo_asgi"),
            "/predict", _plain_body, None, "uvicorn",
        ),
        System(
            "fastapi-echo", "FastAPI, pydantic in and out, no model", ("fastapi", "uvicorn[standard]"),
            _uvicorn_command("fastapi_echo"), "/predict", _plain_body, None, "fastapi",
        ),
        System(
            "fastapi-jsonl", "FastAPI, scikit-learn pipeline, JSON Lines log",
            ("fastapi", "uvicorn[standard]", SKLEARN, "pandas", "joblib"), _uvicorn_command("fastapi_jsonl"),
            "/predict", _plain_body, lambda response: float(response["confidence"]), "fastapi",
        ),
        System(
            "mlflow", "mlflow models serve", ("mlflow==3.17.2", SKLEARN, "pandas", "joblib"), _mlflow_command,
            "/invocations", _mlflow_body, lambda response: max(response["predictions"][0]), "mlflow",
        ),
        System(
            "bentoml", "BentoML, adaptive batching", ("bentoml==1.4.39", SKLEARN, "pandas<3", "joblib"),
            _bentoml_command, "/predict", lambda _task, item: {"inputs": [item]},
            lambda response: float(response[0]["confidence"]),
            "bentoml",
        ),
        System(
            "mlserver", "MLServer, adaptive batching",
            ("mlserver==1.7.1", SKLEARN, "numpy<2", "pandas<3", "joblib"), _mlserver_command, "/v2/models/bench/infer",
            _inference_body, _of_inference, "mlserver",
        ),
    )
}  # fmt: skip
