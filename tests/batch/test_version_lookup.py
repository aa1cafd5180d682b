"""The version of a run is looked up in another process, and not at all while nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiltyard
from tests.batch.conftest import Shop, make_rows
from tiltyard.batch.version_in_use import use_version
from tiltyard.batch.version_lookup import VersionLookup
from tiltyard.errors import NotFoundError

MODEL = "shop-classifier"

# The command in a process from scratch: what it has imported when it has finished.
COMMAND = """
import json, sys
from tiltyard.cli.main import main
try:
    main(json.loads(sys.argv[1]))
finally:
    print("\\nIMPORTED" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.journey
def test_a_run_imports_no_mlflow_and_no_library_of_models(shop: Shop, tmp_path: Path) -> None:
    """The command scores and reports without MLflow and scikit-learn in its own process."""
    source = shop.write("in.parquet", make_rows(1500, 80))
    target = tmp_path / "out.parquet"
    words = ["score", str(source), "--to", str(target), "--workers", "1", "--project", str(shop.env.films.root)]
    environment = {
        "TILTYARD_HOME": str(shop.settings.home),
        "TILTYARD_LEDGER": str(shop.settings.ledger),
        "MLFLOW_TRACKING_URI": str(shop.settings.mlflow_tracking_uri),
    }
    command = [sys.executable, "-c", COMMAND, json.dumps(words)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert target.is_file(), done.stdout + done.stderr
    imported = json.loads(done.stdout.rpartition("IMPORTED")[2])
    assert {"mlflow", "fastapi", "starlette", "optuna"} & set(imported) == set()


def test_what_did_not_change_starts_no_process(shop: Shop, tmp_path: Path) -> None:
    """A change in the registry leads to a lookup; the next run reads what this host kept of it."""
    file = tmp_path / "scorer"
    registry = shop.env.workspace.registry
    registry.set_alias(MODEL, "spare", registry.get_version(MODEL, alias="champion").version)
    for turn in range(2):
        with VersionLookup(shop.settings) as versions:
            versions.begin(MODEL, alias="champion")
            info = versions.get_version(MODEL, alias="champion")
            assert "spare" in info.aliases
            assert versions.get_version(MODEL, version=info.version) == info
            copy = versions.fetch(info)
            version = use_version(shop.project, shop.settings, info, copy, shop.make_job("a", "b.csv").request)
            assert versions.compile_version(info, copy, version.verified.digest, file) == file
            assert versions.has_process == (turn == 0)
        assert file.is_file()
    registry.delete_alias(MODEL, "spare")


def test_a_version_that_is_not_there_is_named(shop: Shop) -> None:
    """The registry's own error arrives, with its next step."""
    with VersionLookup(shop.settings) as versions, pytest.raises(NotFoundError, match="99"):
        versions.get_version(MODEL, version="99")


@pytest.mark.journey
def test_files_of_the_working_folder_are_not_imported(shop: Shop, tmp_path: Path) -> None:
    """Programs that a run starts read no module of the folder in which somebody happens to work."""
    source = shop.write("in.parquet", make_rows(1500, 81))
    for name in ("mlflow", "sklearn", "py", "numba"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')\n")
    words = ["score", str(source), "--to", "out.parquet", "--workers", "2", "--project", str(shop.env.films.root)]
    environment = {
        "TILTYARD_HOME": str(tmp_path / "fresh"),
        "TILTYARD_LEDGER": str(shop.settings.ledger),
        "MLFLOW_TRACKING_URI": str(shop.settings.mlflow_tracking_uri),
    }
    command = [sys.executable, "-P", "-m", "tiltyard", *words]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert (tmp_path / "out.parquet").is_file()


def test_every_program_of_the_package_is_started_without_the_working_folder() -> None:
    """Python puts it before all other places for modules where -P is missing."""
    for file in Path(tiltyard.__file__).parent.rglob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            if '"-m", "tiltyard' in line and "sys.executable" in line:
                assert '"-P", "-m"' in line, f"{file.name}: {line.strip()}"
