"""A server as the requirements start it: as a module, and from Python, without a project file."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import httpx
import pytest

from tests import fork_server
from tests.films import environment
from tests.serving.fake_registry import MODEL
from tiltyard import ModelServer
from tiltyard.project import ServingSection
from tiltyard.registry import MlflowRegistry
from tiltyard.serving.__main__ import main


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, text_package: Path, fresh_store: Path) -> Path:
    """A state folder whose registry has a champion."""
    folder = tmp_path_factory.mktemp("home")
    store = shutil.copyfile(fresh_store, folder / "mlflow.db")
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{store}")
    registry.register_model(text_package.as_uri(), MODEL)
    registry.register_model(text_package.as_uri(), MODEL)
    registry.set_alias(MODEL, "champion", "1")
    registry.set_alias(MODEL, "challenger", "2")
    return folder


@pytest.mark.requirement("R-SERVE-19", "R-SERVE-20", "R-DEPLOY-11")
@pytest.mark.parametrize(("stage", "version"), [([], "1"), (["--model-stage", "staging"], "2")])
def test_the_module_serves_the_version_of_a_stage_in_any_case(
    home: Path, tmp_path: Path, stage: list[str], version: str
) -> None:
    """`python -m tiltyard.serving --model-name …` serves the champion, or the version of the stage that is named."""
    process = fork_server.popen(
        [sys.executable, "-m", "tiltyard.serving", "--model-name", MODEL, "--port", "0", *stage],
        cwd=tmp_path,
        env={**environment(), "TILTYARD_HOME": str(home), "TILTYARD_LOG": "json"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        response = httpx.post(f"{url}/predict", json={"text": "a warm film"}, timeout=30).json()
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert response["model_version"] == version
    assert f'"prediction_id": "{response["prediction_id"]}"' in errors


def test_a_wrong_start_is_an_error_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a model's name, or open to others without a key, it does not start, and says why without a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILTYARD_HOME", str(tmp_path))
    for options, expected in (
        ([], "--model-name"),
        (["--model-name", "x", "--host", "0.0.0.0"], "tiltyard keys api new"),
    ):
        monkeypatch.setattr(sys, "argv", ["serving", *options, "--port", "0"])
        with pytest.raises(SystemExit) as exited:
            main()
        assert exited.value.code == 2
        assert expected in capsys.readouterr().err


def test_a_server_from_python_says_its_address_and_what_it_serves(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run()` without arguments writes name, version, alias, address and pages to standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILTYARD_HOME", str(home))
    server = ModelServer(MODEL, port=0)
    lines = ""

    def stop_when_announced(text: str) -> int:
        nonlocal lines
        lines += text
        server.stop()
        return len(text)

    monkeypatch.setattr(sys.stderr, "write", stop_when_announced)
    server.run()
    assert f"Serving {MODEL} (version 1, alias champion) at http://127.0.0.1:" in lines
    assert "/docs" in lines
    assert capsys.readouterr().out == ""


def test_the_port_is_the_stated_one_else_that_of_the_dashboard() -> None:
    """Without a port `ModelServer` takes that of its options, and 8050 where they state none."""
    ports = [
        ModelServer(MODEL, port=port, options=options)._options.port
        for port, options in ((None, None), (None, ServingSection(port=9000)), (7000, ServingSection(port=9000)))
    ]
    assert ports == [8050, 9000, 7000]


@pytest.mark.requirement("R-SERVE-18")
@pytest.mark.parametrize(
    ("stage", "alias"), [("Production", "champion"), ("production", "champion"), ("STAGING", "challenger")]
)
def test_a_server_from_python_takes_stage_names_in_any_case(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, alias: str
) -> None:
    """`ModelServer(model_name=…, model_stage=…, port=…).run()` serves; Production in any case means the champion."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILTYARD_HOME", str(home))
    server = ModelServer(model_name=MODEL, model_stage=stage, port=0)
    urls: SimpleQueue[str] = SimpleQueue()
    thread = threading.Thread(target=server.run, args=(lambda address: urls.put(address.url),))
    thread.start()
    try:
        info = httpx.get(f"{urls.get(timeout=60)}/model-info", timeout=30).json()
    finally:
        server.stop()
        thread.join(60)
    assert (info["model_name"], info["alias"]) == (MODEL, alias)
