"""A remote MLflow server: the same calls, and MLflow's own pages over what they wrote."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.films import make_films
from tests.fork_server import WEBHOOK_KEY
from tests.mlflow_server import serving
from tests.notifications.receivers import Receiver, receiver
from tests.postgres import PostgresServer
from tiltyard.errors import ArtifactError
from tiltyard.ledger import OutboxItem, SqlLedger
from tiltyard.notifications import MLflowWebhookSender
from tiltyard.notifications.mlflow_webhook import sign_like_mlflow
from tiltyard.pipeline import QuietRunner, TrainingRequest, Workspace, train
from tiltyard.project import AlertsSection, DestinationSection, load_project
from tiltyard.promotion.notifications import decision_notices
from tiltyard.registry import ExperimentTracker, MlflowRegistry, Registry
from tiltyard.registry.mlflow_backend.mlflow_client import open_client
from tiltyard.registry.mlflow_env import quiet_mlflow
from tiltyard.registry.package.manifest import MANIFEST
from tiltyard.registry.package.signing import SIGNATURE, Signer
from tiltyard.registry.package.version_seal import SEAL_TAG
from tiltyard.registry.ports import VERDICT_TAG
from tiltyard.settings import Settings
from tiltyard.testing.records import make_event
from tiltyard.testing.registry import write_example_package
from tiltyard.testing.registry_contract import RegistryContract


@dataclass(frozen=True)
class Server:
    """A real MLflow server on loopback, and the store behind it: PostgreSQL where it can be had, else SQLite."""

    address: str
    store: str

    def emptied(self) -> Server:
        """The same without any registered model."""
        client = open_client(self.address)
        for model in client.search_registered_models():
            client.delete_registered_model(model.name)
        return self


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for this module."""
    root = tmp_path_factory.mktemp("mlflow")
    try:
        database: PostgresServer = request.getfixturevalue("postgres")
        store = database.database().replace("postgresql://", "postgresql+psycopg://")
    except pytest.skip.Exception:
        store = f"sqlite:///{root / 'mlflow.db'}"
    # Its webhooks may go to a receiver on this machine, from the moment that they are requested.
    near = {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    }
    with serving(root, store, environment=near | WEBHOOK_KEY) as address:
        yield Server(address, store)


class TestRemoteRegistry(RegistryContract):
    """Over HTTP."""

    @pytest.fixture
    def registry(self, server: Server) -> Registry:
        return MlflowRegistry(tracking_uri=server.emptied().address)


def pyfunc(address: str, name: str) -> Any:
    """The champion, as MLflow's own generic loader has it."""
    with quiet_mlflow():
        import mlflow

        # MLflow keeps both in this process's environment too, where other tests would find them.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", address)
            patch.setenv("MLFLOW_REGISTRY_URI", address)
            return mlflow.pyfunc.load_model(f"models:/{name}@champion")


@pytest.mark.requirement("R-TRACK-15", "R-TRACK-17", "R-REG-16", "R-DEPLOY-08")
def test_a_remote_server_serves_as_tracking_store_and_registry(server: Server, tmp_path: Path) -> None:
    """Training, promotion and loading over HTTP; MLflow's pages and its own API show version, alias and run."""
    address = server.emptied().address
    films = make_films(tmp_path / "films", rows=300)
    project = load_project(films.root)
    registry = MlflowRegistry(tracking_uri=address)
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester")
        tracker = ExperimentTracker(project.name, tracking_uri=address)
        outcome = train(project, tracker, workspace, QuietRunner(), TrainingRequest(promote=True))
    champion = registry.champion(project.model_name)
    assert champion is not None
    assert (champion.version, champion.run_id) == ("1", outcome.run_id)
    assert list(registry.load_model(project.model_name).predict(["a wonderful film"])) == ["positive"]
    loaded = pyfunc(address, project.model_name)
    assert list(loaded.predict(np.array(["a wonderful film"]))) == ["positive"]
    assert "<title>MLflow</title>" in httpx.get(address, timeout=30).text
    search = httpx.get(f"{address}/api/2.0/mlflow/registered-models/search", timeout=30).json()
    (model,) = search["registered_models"]
    assert model["name"] == project.model_name
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    run = httpx.get(f"{address}/api/2.0/mlflow/runs/get", params={"run_id": outcome.run_id}, timeout=30).json()["run"]
    assert {metric["key"] for metric in run["data"]["metrics"]} >= {"accuracy", "f1", "positive.recall"}


def test_a_version_is_sealed_on_a_remote_server(server: Server, tmp_path: Path) -> None:
    """Signed files that are registered there are sealed there, and load where the key is trusted."""
    signer = Signer(bytes(range(32)))
    settings = Settings.model_validate(
        {"root": tmp_path, "signing_key": signer.text, "trusted_keys": (signer.public.text,)}
    )
    registry = MlflowRegistry(tracking_uri=server.emptied().address, settings=settings)
    write_example_package(tmp_path / "model")
    manifest = tmp_path / "model" / MANIFEST
    (tmp_path / "model" / SIGNATURE).write_bytes(signer.sign(manifest.read_bytes()))
    info = registry.register_model(str(tmp_path / "model"), "films")
    assert SEAL_TAG in info.tags
    assert list(registry.load_model("films", version="1").predict(["a warm and funny film"])) == ["good"]
    client, logged = open_client(server.address), info.source.partition("/models/")[2].partition("/")[0]
    again = client.create_model_version("films", info.source, tags=dict(info.tags), model_id=logged)
    with pytest.raises(ArtifactError) as refused:
        registry.load_model("films", version=str(again.version))
    assert refused.value.code == "artifact.other-version"


def test_a_decision_leaves_in_the_shape_of_mlflows_webhooks(server: Server, tmp_path: Path) -> None:
    """MLflow's server and our outbox tell of the same new champion and verdict; bodies and signatures are alike."""
    client, name = open_client(server.emptied().address), "hooked"
    registry = MlflowRegistry(tracking_uri=server.address)
    alerts = AlertsSection(decisions=("ci",), destinations={"ci": DestinationSection(kind="mlflow")})
    with receiver() as theirs, receiver() as ours:
        events = ["model_version_alias.created", "model_version_tag.set"]
        hook = client.create_webhook("ci", theirs.url, events, secret="s3cret")
        try:
            write_example_package(tmp_path / "package")
            info = registry.register_model(str(tmp_path / "package"), name)
            failed = [{"code": "gate.floor", "passed": False}]
            verdict = json.dumps({"promoted": False, "reason": "worse", "gates": failed})
            registry.set_tag(name, info.version, VERDICT_TAG, verdict)
            registry.set_alias(name, "champion", info.version)
            wait_for_requests(theirs, 2)
        finally:
            client.delete_webhook(hook.webhook_id)
        sender = MLflowWebhookSender(ours.url, "s3cret")
        gates = [{"code": "gate.better", "passed": True}, {"code": "gate.floor", "passed": False}]
        for kind in ("refused", "promoted"):
            evidence = {"verdict": {"gates": gates}} if kind == "refused" else {}
            event = make_event(kind=kind, subject=f"{name}/{info.version}", reason="worse", evidence=evidence)
            (notice,) = decision_notices(alerts, event)
            sender.send(OutboxItem(notice))
    assert read_contents(ours) == read_contents(theirs)
    assert [content["entity"] for content in read_contents(ours).values()] == [
        "model_version_alias",
        "model_version_tag",
    ]
    for headers, body in (*ours.requests, *theirs.requests):
        delivery, sent = headers["x-mlflow-delivery-id"], headers["x-mlflow-timestamp"]
        assert headers["x-mlflow-signature"] == sign_like_mlflow("s3cret", delivery, sent, body)


def read_contents(receiver: Receiver) -> dict[str, Any]:
    """What a receiver got, by entity and without the time."""
    contents = [json.loads(body) for _, body in receiver.requests]
    for content in contents:
        assert datetime.fromisoformat(content.pop("timestamp")).tzinfo is not None
    return {content["entity"]: content for content in sorted(contents, key=lambda content: str(content["entity"]))}


def wait_for_requests(receiver: Receiver, count: int) -> None:
    """MLflow's server sends in the background."""
    deadline = time.monotonic() + 30
    while len(receiver.requests) < count:
        assert time.monotonic() < deadline, receiver.requests
        time.sleep(0.05)
