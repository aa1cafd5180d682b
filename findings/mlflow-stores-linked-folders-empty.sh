#!/usr/bin/env bash
# MLflow 3.17.2: a folder that is logged keeps linked files, and loses linked folders without a word.
#
# What one would guess: `log_artifacts(FOLDER)` stores what a reader of the folder sees, or fails. A link to a file is
# followed, so a link to a folder is, too.
# What happens: MLflow walks with `os.walk`, which names a linked folder and does not enter it. The store gets an empty
# folder of that name; nothing is raised or printed, and the run ends as finished. For the same reason a folder that
# cannot be listed at that moment is missing with all that is below it.
# Seen with Python 3.11 on Linux, a local store of artifacts: ['plots/linked-file.txt', 'plots/linked-folder'], and
# nothing in the second. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_LOGGING_LEVEL=CRITICAL
mkdir plots elsewhere
echo text > elsewhere/a.txt
ln -s ../elsewhere/a.txt plots/linked-file.txt
ln -s ../elsewhere plots/linked-folder
"$folder/venv/bin/python" - <<'PY'
from pathlib import Path

from mlflow import MlflowClient

client = MlflowClient("sqlite:///mlflow.db")
experiment = client.create_experiment("plots", artifact_location=(Path.cwd() / "artifacts").as_uri())
run = client.create_run(experiment).info.run_id
client.log_artifacts(run, "plots", "plots")
client.set_terminated(run)
stored = sorted(entry.path for entry in client.list_artifacts(run, "plots"))
below = [entry.path for entry in client.list_artifacts(run, "plots/linked-folder")]
print("here:", sorted(str(path) for path in Path("plots").rglob("*")), "and a.txt below the link")
print("stored:", stored, "below the linked folder:", below, "run:", client.get_run(run).info.status)
assert stored == ["plots/linked-file.txt", "plots/linked-folder"], stored
assert below == [], below
assert client.get_run(run).info.status == "FINISHED"
PY
