"""Project folders that an older build left work with this one: nothing that users have on disk is lost.

``make_state.py`` made the folders. MLflow keeps absolute paths, which a user's folder would still have: here they are
rewritten to where the test unpacks it.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.films import Films, environment, serving
from tiltyard.sqlite import open_sqlite

pytestmark = pytest.mark.journey

STATES = Path(__file__).parent / "states"
NAMES = ("films", "loans")


@dataclass(frozen=True)
class OldState:
    """A project folder of an older build.

    Attributes:
        project: the command line on it.
        expected: what the older build listed and predicted.
    """

    project: Films
    expected: dict[str, Any]

    @property
    def inputs(self) -> list[str]:
        """The inputs that the older build predicted, as the command line takes them."""
        return [each if isinstance(each, str) else json.dumps(each) for each in self.expected["inputs"]]

    def recorded_ids(self) -> list[str]:
        """Ids of the predictions in the ledger, whatever the spools hold."""
        with closing(open_sqlite(self.project.root / ".tiltyard" / "ledger.db")) as ledger:
            return [str(id_) for (id_,) in ledger.execute("SELECT id FROM predictions")]


def unpack(name: str, root: Path) -> OldState:
    """Unpack a state and rewrite the absolute paths in it."""
    root.mkdir()
    with tarfile.open(STATES / f"{name}.tar.xz") as archive:
        archive.extractall(root, filter="data")
    text = (root / "expected.json").read_text(encoding="utf-8")
    old = json.loads(text)["root"]
    with sqlite3.connect(root / ".tiltyard" / "mlflow.db") as store:
        for table, column in (
            ("runs", "artifact_uri"), ("experiments", "artifact_location"), ("model_versions", "source"),
            ("model_versions", "storage_location"), ("logged_models", "artifact_location"),
        ):  # fmt: skip
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, str(root)))
    store.close()
    for file in (root / ".tiltyard" / "cache").glob("*/*.json"):
        file.write_text(file.read_text(encoding="utf-8").replace(old, str(root)), encoding="utf-8")
    return OldState(Films(root), json.loads(text.replace(old, str(root))))


@pytest.fixture(scope="module", params=NAMES)
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OldState:
    """Each state, for commands that change nothing."""
    return unpack(request.param, tmp_path_factory.mktemp("state") / request.param)


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[str], OldState]:
    """A copy of a state for the test alone."""
    return lambda name: unpack(name, tmp_path / name)


def test_versions_are_listed_with_their_aliases_and_metrics(state: OldState) -> None:
    """list-versions and model-info say of each version what the older build said."""
    listed: Any = state.project.call_json("list-versions")
    assert [_common(new, old) for new, old in zip(listed, state.expected["versions"], strict=True)] == state.expected[
        "versions"
    ]
    champion: Any = state.project.call_json("model-info")
    assert (champion["version"], champion["aliases"]) == ("2", ["champion"])


def test_the_history_is_the_same_and_its_chain_is_whole(state: OldState) -> None:
    """Every decision is there, its digest too, and the end of the chain that the older build noted is still in it."""
    known = state.expected["history"]
    listed: Any = state.project.call_json("history")
    assert [_common(new, old) for new, old in zip(listed, known, strict=False)] == known
    verified: Any = state.project.call_json("history", "--verify")
    assert (verified["whole"], verified["broken"]) == (True, [])
    noted: Any = state.project.call_json("history", "--verify", "--anchor", state.expected["chain"]["end"])
    assert noted["whole"]


def test_every_version_predicts_what_it_predicted(state: OldState) -> None:
    """Each version, by its number, gives the labels and probabilities that it gave under the older build."""
    for version, wanted in state.expected["predictions"].items():
        made: Any = state.project.call_json("predict", "--version", version, "--", *state.inputs)
        _assert_same_predictions(made, wanted)


# What a user writes who has a stored version and these libraries: first plain skops, then MLflow.
FRESH = """
import json, sys
from pathlib import Path
import mlflow, pandas as pd
import skops.io

probabilities, labels = {}, {}
for root in map(Path, sys.argv[1:]):
    for file in (root / ".tiltyard" / "artifacts" / "models").rglob("model.skops"):
        manifest = json.loads((file.parent / "tiltyard" / "manifest.json").read_text("utf-8"))
        rows = manifest["samples"]["inputs"]
        inputs = [row["text"] for row in rows] if root.name == "films" else pd.DataFrame(rows)
        model = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
        probabilities[str(file.parent)] = model.predict_proba(inputs).tolist()
    mlflow.set_tracking_uri(f"sqlite:///{root}/.tiltyard/mlflow.db")
    labels[root.name] = {}
    for version in "123":
        model = mlflow.sklearn.load_model(f"models:/{root.name}-classifier/{version}")
        labels[root.name][version] = [str(label) for label in model.predict(inputs)]
print(json.dumps([probabilities, labels]))
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Any], dict[str, Any]]:
    """The folder of each state, and what one process without Tiltyard predicts by all their versions."""
    place = tmp_path_factory.mktemp("opened")
    roots = {name: unpack(name, place / name).project.root for name in NAMES}
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, roots.values())],
        cwd=place, env=environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    probabilities, labels = json.loads(done.stdout.splitlines()[-1])
    return roots, probabilities, labels


@pytest.mark.parametrize("name", NAMES)
def test_plain_skops_and_mlflow_open_every_version_in_a_fresh_process(
    name: str, opened: tuple[dict[str, Path], dict[str, Any], dict[str, Any]]
) -> None:
    """A process that never imports Tiltyard by itself loads the stored versions and predicts as at their training."""
    roots, probabilities, labels = opened
    models = roots[name] / ".tiltyard" / "artifacts" / "models"
    folders = sorted(path.parent for path in models.rglob("model.skops"))
    assert len(folders) == 3
    for folder in folders:
        manifest = json.loads((folder / "tiltyard" / "manifest.json").read_text("utf-8"))
        for made, wanted in zip(probabilities[str(folder)], manifest["samples"]["probabilities"], strict=True):
            assert made == pytest.approx(wanted, abs=1e-9)
    assert set(labels[name]) == {"1", "2", "3"}
    assert all(set(predicted) <= set(manifest["classes"]) for predicted in labels[name].values())


def test_notifications_snapshots_and_keys_are_listed(state: OldState) -> None:
    """Pending notifications, kept rows, API keys and alerts are those that the older build listed."""
    for words, key in (
        (("outbox", "list"), "outbox"),
        (("data", "snapshots"), "snapshots"),
        (("keys", "api", "list"), "api_keys"),
        (("alerts",), "alerts"),
    ):
        listed: Any = state.project.call_json(*words)
        known = state.expected[key]
        if isinstance(known, dict):
            listed, known = listed["snapshots"], known["snapshots"]
        assert [_common(new, old) for new, old in zip(listed, known, strict=True)] == known, key


@pytest.mark.parametrize("name", NAMES)
def test_a_spool_that_was_not_shipped_is_shipped_once(name: str, unpacked: Callable[[str], OldState]) -> None:
    """What killed workers of the older build left in their spools is exported, with what was in the ledger, once."""
    state = unpacked(name)
    unshipped = {response["prediction_id"]: response for response in state.expected["unshipped"]}
    assert not unshipped.keys() & set(state.recorded_ids())
    file = state.project.root / "all.jsonl"
    state.project.call("predictions", "export", "--to", str(file))
    exported = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    counted = Counter(row["prediction_id"] for row in exported)
    assert set(counted.values()) == {1}
    rows = {row["prediction_id"]: row for row in exported}
    for response in (*state.expected["shipped"], *unshipped.values()):
        assert rows[response["prediction_id"]]["confidence"] == response["confidence"]
        assert rows[response["prediction_id"]]["model_version"] == response["model_version"]
    counts: Any = state.project.call_json("feedback", "stats")
    assert (counts["labels"], counts["predictions"]) == (40, len(exported))


def test_the_champion_is_served_to_the_holders_of_old_keys(unpacked: Callable[[str], OldState]) -> None:
    """The server accepts the older build's key and no request without one, and predicts what that build predicted."""
    state = unpacked("films")
    with serving(state.project) as (address, _):
        assert httpx.post(f"{address}/predict", json={"text": "x"}, timeout=60).status_code == 401
        _assert_served(state, address, "text")


def test_the_last_good_version_is_served_while_the_registry_is_away(unpacked: Callable[[str], OldState]) -> None:
    """What the older build remembered as good on this host is served where the registry cannot be reached."""
    state = unpacked("loans")
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with serving(state.project, fresh=False, **away) as (address, _):
        _assert_served(state, address, "features")


@pytest.mark.parametrize("name", NAMES)
def test_predictions_and_labels_are_monitored(name: str, unpacked: Callable[[str], OldState]) -> None:
    """A monitoring run reads the profile, the predictions and the labels that the older build recorded."""
    state = unpacked(name)
    state.project.call("rollback", "--reason", "version 1 made the predictions")
    done = state.project.call("monitor", "--until", state.expected["at"], "--json", check=False)
    assert done.returncode in (0, 3), done.stdout
    seen = json.loads(done.stdout)
    assert seen["version"] == "1"
    degradation = next(found for found in seen["findings"] if found["code"] == "performance.degradation")
    assert degradation["evidence"]["labelled"] == 40


def test_decisions_continue_the_old_chain(unpacked: Callable[[str], OldState]) -> None:
    """Rollback, promotion and approval work on the old versions, and the chain of decisions stays whole."""
    state = unpacked("films")
    state.project.call("rollback", "--reason", "worse on labels")
    champion: Any = state.project.call_json("model-info")
    assert champion["version"] == "1"
    waiting: Any = state.project.call_json("approve")
    assert [(each["version"], each["champion"]) for each in waiting] == [("2", "1")]
    state.project.call("approve", "2", "--reason", "as promised")
    champion = state.project.call_json("model-info")
    assert champion["version"] == "2"
    promoted = state.project.call("promote", "3", "--json", check=False)
    assert promoted.returncode in (0, 3), promoted.stderr
    verified: Any = state.project.call_json("history", "--verify", "--anchor", state.expected["chain"]["end"])
    assert verified["whole"]
    assert verified["events"] > state.expected["chain"]["events"]
    kinds = [event["kind"] for event in json.loads(state.project.call("history", "--json").stdout)]
    assert kinds.count("rolled-back") == 2


def test_a_host_with_trusted_keys_loads_what_was_signed_and_refuses_the_rest(
    unpacked: Callable[[str], OldState],
) -> None:
    """Signatures of the older build are verified: the signed version predicts, an unsigned one is refused."""
    state = unpacked("films")
    (state.project.root / ".env").write_text(
        f"TILTYARD_TRUSTED_KEYS='{json.dumps([state.expected['public_key']])}'\n", encoding="utf-8"
    )
    made: Any = state.project.call_json("predict", "--version", "3", "--", *state.inputs)
    _assert_same_predictions(made, state.expected["predictions"]["3"])
    refused = state.project.call("predict", "--version", "1", "fine", check=False)
    assert refused.returncode != 0
    assert "sign" in refused.stderr


def test_a_version_is_exported_evaluated_and_trained_again(unpacked: Callable[[str], OldState]) -> None:
    """The exported pickles are there, the version is evaluated, and its rows and recipe give the same model again."""
    state = unpacked("loans")
    state.project.call("export", "1", "--to", "exported")
    assert {path.suffix for path in (state.project.root / "exported").iterdir()} >= {".pkl", ".json"}
    state.project.call("evaluate", "--json")
    again: Any = state.project.call_json("train", "--from-version", "3")
    made: Any = state.project.call_json("predict", "--version", again["model_version"], "--", *state.inputs)
    _assert_same_predictions(made, state.expected["predictions"]["3"], version=again["model_version"])


def _assert_served(state: OldState, address: str, field: str) -> None:
    headers = {"X-API-Key": state.expected["api_key"]}
    for input_, wanted in zip(state.expected["inputs"], state.expected["predictions"]["2"], strict=True):
        response = httpx.post(f"{address}/predict", json={field: input_}, headers=headers, timeout=60)
        if response.status_code != 422:  # an empty text is predicted on the command line and refused by the server
            assert response.status_code == 200, response.text
            _assert_same_predictions([response.json()], [wanted])


def _assert_same_predictions(made: Any, wanted: Any, version: str | None = None) -> None:
    assert len(made) == len(wanted)
    for new, old in zip(made, wanted, strict=True):
        same = {**old, "confidence": pytest.approx(old["confidence"], abs=1e-9)}
        same["probabilities"] = pytest.approx(old["probabilities"], abs=1e-9)
        if version is not None:
            same["model_version"] = version
        assert {name: new[name] for name in old} == same


def _common(new: Any, old: Any) -> Any:
    """What the older build knew of a thing, as this build says it."""
    return {name: new.get(name) for name in old} if isinstance(old, dict) else new
