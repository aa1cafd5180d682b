"""Pack a project's champion into a folder from which it is served without any registry, for an image.

    python deploy/carry.py --project examples/sentiment --to model --at /opt/model

The folder holds the version's verified files, the project file, and an MLflow database that knows this one version,
by its own number and with its tags, as the champion. ``--at`` is where the folder will lie when it is served.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from tiltyard import wiring
from tiltyard.errors import TiltyardError, UsageError
from tiltyard.project import load_project
from tiltyard.registry import read_package
from tiltyard.registry.mlflow_backend.mlflow_client import open_client
from tiltyard.registry.mlflow_backend.mlflow_registry import METRIC_TAG
from tiltyard.registry.ports import VersionInfo

HERE = Path(__file__).parent
# In a registry that was made anew, numbers are given in order: those before ours are made and removed.
MOST_NUMBERS = 10_000


def carry(project_folder: Path, to: Path, at: str) -> VersionInfo:
    """Write the folder; what it held before is gone.

    Raises:
        TiltyardError: there is no champion, its files are not what was registered, or the folder is in use.
    """
    project = load_project(project_folder)
    if to.exists() and not (to / "mlflow.db").is_file() and any(to.iterdir()):
        raise UsageError(f"{to} is there and was not made by this command.", next_step="Choose another folder.")
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    info = registry.get_version(project.model_name, alias="champion")
    files = registry.fetch(info, settings.cache)
    read_package(files, settings.trusted_types, trusted_keys=wiring.trusted_keys(settings), info=info)
    shutil.rmtree(to, ignore_errors=True)
    (to / "project").mkdir(parents=True)
    shutil.copytree(files, to / "files")
    shutil.copyfile(project.root / "tiltyard.toml", to / "project" / "tiltyard.toml")
    shutil.copyfile(HERE / "model" / "start.sh", to / "start.sh")
    (to / "start.sh").chmod(0o755)
    _write_registry(to / "mlflow.db", info, f"file://{at}/files")
    (to / "version.json").write_text(json.dumps({"model": info.name, "version": info.version}) + "\n")
    return info


def _write_registry(database: Path, info: VersionInfo, source: str) -> None:
    client = open_client(f"sqlite:///{database.resolve()}")
    client.create_registered_model(info.name)
    number = int(info.version)
    if number > MOST_NUMBERS:
        raise UsageError(f"Version {number} is too high to carry.", next_step="Serve it from the registry itself.")
    for _ in range(number - 1):
        before = client.create_model_version(info.name, source)
        client.delete_model_version(info.name, before.version)
    made = client.create_model_version(
        info.name,
        source,
        info.run_id,
        tags={**info.tags, **{f"{METRIC_TAG}{name}": repr(value) for name, value in info.metrics.items()}},
        description=info.description or None,
    )
    client.set_registered_model_alias(info.name, "champion", made.version)
    database.with_name(database.name + ".lock").unlink(missing_ok=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pack a project's champion for an image.")
    parser.add_argument("--project", type=Path, required=True, help="folder of the project file")
    parser.add_argument("--to", type=Path, required=True, help="folder to write")
    parser.add_argument("--at", default="/opt/model", help="where it will lie when it is served (%(default)s)")
    given = parser.parse_args()
    try:
        info = carry(given.project, given.to, given.at)
    except TiltyardError as error:
        print(f"error: {error.message}\n next: {error.next_step}", file=sys.stderr)
        return 1
    print(f"{given.to}: version {info.version} of {info.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
