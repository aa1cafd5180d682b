"""A stored model that somebody made to do harm is refused before it can.

Anyone who can write a model's file can write its manifest too, so each of these is resealed: digests alone do not help.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.registry.fitted import FRAME, TELLTALE, Telltale, fitted, package, reseal
from tests.serving.interfaces import Running
from tiltyard.errors import ArtifactError
from tiltyard.ledger import SqlLedger
from tiltyard.monitoring.monitored_version import read_champion
from tiltyard.pipeline import Workspace
from tiltyard.project import ServingSection
from tiltyard.promotion.manual_change import point_alias
from tiltyard.registry import MlflowRegistry, VersionInfo, read_package
from tiltyard.registry.mlflow_backend.mlflow_client import open_client
from tiltyard.registry.mlflow_env import quiet_mlflow
from tiltyard.registry.package.manifest import MANIFEST
from tiltyard.registry.package.packaging import MODEL_FILE
from tiltyard.registry.package.signing import SIGNATURE, KeyRing, Signer
from tiltyard.registry.package.skops_archive import SCHEMA
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.model.champion_check import champion_check
from tiltyard.serving.model.manager import ModelManager, ServedAlias
from tiltyard.serving.server import ModelServer, ServerBackends
from tiltyard.settings import Settings
from tiltyard.testing.ledger import MemoryLedger


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package that a test may damage."""
    package(tmp_path / "model", fitted("naive Bayes").model)
    return tmp_path / "model"


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


def test_the_payload_runs_where_it_is_unpickled(tmp_path: Path) -> None:
    """The payload of these tests does run where it is unpickled."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_a_pickle_in_place_of_the_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    """A version that holds a pickle in place of its model is refused, and the pickle is not run."""
    (folder / MODEL_FILE).unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    reseal(folder)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.not-skops"
    assert not (tmp_path / "ran").exists()


def test_a_pickle_named_as_a_skops_file_is_not_run(folder: Path, tmp_path: Path) -> None:
    """A pickle under the name of a skops file is refused, and not run."""
    (folder / MODEL_FILE).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    reseal(folder)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.not-skops"
    assert not (tmp_path / "ran").exists()


def test_pickled_objects_in_an_array_are_not_run(folder: Path, tmp_path: Path) -> None:
    """An array of pickled objects inside a skops file is refused, and not run."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(tmp_path / "ran")], dtype=object), allow_pickle=True)
    rewrite(folder / MODEL_FILE, {name: buffer.getvalue() for name in names(folder / MODEL_FILE) if ".npy" in name})
    reseal(folder)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.unreadable"
    assert not (tmp_path / "ran").exists()


def test_function_that_runs_commands(folder: Path) -> None:
    """A model that would call a function of the operating system is refused by the function's name."""
    skops.io.dump(FunctionTransformer(os.system), folder / MODEL_FILE)
    reseal(folder)
    with pytest.raises(ArtifactError, match=r"posix\.system|nt\.system") as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.untrusted-type"


def test_types_of_its_own_choice(folder: Path) -> None:
    """A model's own list of trusted types is not used."""
    skops.io.dump(FunctionTransformer(os.system), folder / MODEL_FILE)
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(
        described.replace("skops_trusted_types: null", "skops_trusted_types: [posix.system, nt.system]")
    )
    reseal(folder)
    with pytest.raises(ArtifactError, match="does not allow"):
        read_package(folder)


def test_partial_of_a_foreign_function(tmp_path: Path) -> None:
    """That a partial is trusted does not make the function in it trusted."""
    import functools

    skops.io.dump(FunctionTransformer(functools.partial(os.system, "true")), tmp_path / "m.skops")
    with pytest.raises(ArtifactError, match=r"posix\.system|nt\.system"):
        read_model(tmp_path / "m.skops", trusted_type_names())


def test_archive_that_unpacks_to_far_more(tmp_path: Path) -> None:
    """An archive that would unpack to far more than it takes on the disk is refused without being unpacked."""
    with zipfile.ZipFile(tmp_path / "m.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(60_000_000))
        archive.writestr(SCHEMA, "{}")
    with pytest.raises(ArtifactError, match="would unpack to 60 MB") as refusal:
        read_model(tmp_path / "m.skops")
    assert refusal.value.code == "artifact.too-large"


@pytest.mark.parametrize("schema", ["", "{", "[]", "{}", '{"protocol": 2}', '{"protocol": 99}', "[" * 100_000])
def test_a_senseless_description_is_refused(tmp_path: Path, schema: str) -> None:
    """A skops file whose description makes no sense is refused in one line."""
    write_model(fitted("naive Bayes").model, tmp_path / "m.skops")
    rewrite(tmp_path / "m.skops", {SCHEMA: schema.encode()})
    with pytest.raises(ArtifactError) as refusal:
        read_model(tmp_path / "m.skops")
    assert "\n" not in refusal.value.message


def test_a_missing_array_is_refused(tmp_path: Path) -> None:
    """A skops file without one of its arrays is refused."""
    write_model(fitted("naive Bayes").model, tmp_path / "m.skops")
    rewrite(tmp_path / "m.skops", {name: None for name in names(tmp_path / "m.skops") if ".npy" in name})
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_model(tmp_path / "m.skops")


@pytest.mark.parametrize(
    ("field", "number"),
    [(field, number) for field in ("left_child", "right_child", "feature") for number in (10**6, -7, 0)][:-1],
)
@pytest.mark.parametrize("name", ["random forest", "extra trees", "gradient boosting"])
def test_tree_that_points_outside_itself(name: str, field: str, number: int, tmp_path: Path) -> None:
    """A forest that would send scikit-learn out of its arrays, or in circles, is refused."""
    tree = copied(fitted(name).model, tmp_path)
    owner = tree[-1].estimators_[0] if name != "gradient boosting" else tree[-1].estimators_[0, 0]
    state = owner.tree_.__getstate__()
    state["nodes"][field][0] = number
    owner.tree_.__setstate__(state)
    write_model(tree, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError) as refusal:
        read_model(tmp_path / "bad.skops", trusted_type_names())
    assert refusal.value.code == "artifact.unsound-tree"


@pytest.mark.parametrize(
    ("field", "number"),
    [("left", 10**6), ("right", 0), ("feature_idx", 999), ("feature_idx", -1), ("bitset_idx", 10**6)],
)
def test_boosting_tree_that_points_outside_itself(field: str, number: int, tmp_path: Path) -> None:
    """So is a histogram boosting model."""
    model = copied(fitted("histogram boosting").model, tmp_path)
    trees = [tree for stage in model[-1]._predictors for tree in stage]
    for tree in trees:
        tree.nodes["is_categorical"][:] = 1
        tree.nodes[field][tree.nodes["is_leaf"] == 0] = number
    write_model(model, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError) as refusal:
        read_model(tmp_path / "bad.skops", trusted_type_names())
    assert refusal.value.code == "artifact.unsound-tree"


def test_forest_for_fewer_columns_than_its_trees(tmp_path: Path) -> None:
    """A forest that claims fewer columns than its trees read is refused."""
    model = copied(fitted("random forest").model, tmp_path)
    model[-1].n_features_in_ = 1
    write_model(model, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError, match="RandomForestClassifier"):
        read_model(tmp_path / "bad.skops", trusted_type_names())


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor, GradientBoostingRegressor])
def test_forest_of_numbers_for_fewer_columns_than_its_trees(kind: type[Any], tmp_path: Path) -> None:
    """So is one that predicts numbers."""
    rows = np.random.default_rng(0).normal(size=(60, 5))
    model = kind(n_estimators=3, random_state=0).fit(rows, rows[:, 0])
    write_model(make_pipeline(model), tmp_path / "sound.skops")
    own = read_model(tmp_path / "sound.skops", trusted_type_names())
    assert np.array_equal(own.predict(rows), model.predict(rows))
    own[-1].n_features_in_ = 1
    write_model(own, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError, match=kind.__name__):
        read_model(tmp_path / "bad.skops", trusted_type_names())


def copied(model: Any, folder: Path) -> Any:
    """A model of the test's own."""
    write_model(model, folder / "sound.skops")
    own = read_model(folder / "sound.skops", trusted_type_names())
    assert np.array_equal(own.predict_proba(FRAME), model.predict_proba(FRAME))
    return own


def names(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def rewrite(file: Path, changes: dict[str, bytes | None]) -> None:
    """Replace members of an archive, or take them out."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def test_rewriting_alone_changes_nothing(folder: Path) -> None:
    """A file that was taken apart and put together again is read: the tests above prove what they say."""
    rewrite(folder / MODEL_FILE, {})
    reseal(folder)
    read_package(folder)
    with zipfile.ZipFile(folder / MODEL_FILE) as archive:
        assert json.loads(archive.read(SCHEMA))["protocol"] >= 0


OURS, THEIRS = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))
RING = KeyRing((OURS.public,))


def sign(folder: Path, signer: Signer = OURS) -> None:
    """Sign a version's manifest as it is now."""
    (folder / SIGNATURE).write_bytes(signer.sign((folder / MANIFEST).read_bytes()))


@dataclass(frozen=True)
class ProjectEnv:
    """A registry over MLflow, and a live model that serves version 1, which is signed by a trusted key."""

    registry: MlflowRegistry
    ledger: SqlLedger
    live: ModelManager
    sound: Path
    cache: Path

    def propose(self, folder: Path) -> VersionInfo:
        """Register a folder as the next version, and make it champion."""
        info = self.registry.register_model(str(folder), "films")
        self.registry.set_alias("films", "champion", info.version)
        return info


@pytest.fixture(scope="module")
def project_env(fresh_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectEnv]:
    root = tmp_path_factory.mktemp("project_env")
    shutil.copyfile(fresh_store, root / "mlflow.db")
    settings = Settings.model_validate(
        {"root": root, "trusted_keys": (OURS.public.text,), "signing_key": OURS.text}  # it seals what it registers
    )
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{root / 'mlflow.db'}", settings=settings)
    package(root / "sound", fitted("naive Bayes").model)
    sign(root / "sound")
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        live = ModelManager(ServedAlias("films"), VersionLoader(registry, root / "cache", (), RING), ledger.append)
        made = ProjectEnv(registry, ledger, live, root / "sound", root / "cache")
        made.propose(made.sound)
        assert live.refresh().changed
        yield made


def plain_pickle(folder: Path, ran: Path) -> None:
    """An MLflow model as MLflow itself writes it with pickle, that never was a package."""
    model = DummyClassifier().fit([[0]], ["good"])
    model.payload = Payload(ran)
    shutil.rmtree(folder)
    with quiet_mlflow():
        import mlflow.sklearn

        mlflow.sklearn.save_model(model, str(folder), serialization_format="pickle", pip_requirements=[])
    assert b"mkdir" in (folder / "model.pkl").read_bytes()


def signed_pickle(folder: Path, ran: Path) -> None:
    """A pickle with manifest and signature, as somebody with the key would make it."""
    (folder / MODEL_FILE).unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Payload(ran)))
    reseal(folder)
    sign(folder)


def signed_disguise(folder: Path, ran: Path) -> None:
    """A pickle under the name of the model."""
    (folder / MODEL_FILE).write_bytes(pickle.dumps(Payload(ran)))
    reseal(folder)
    sign(folder)


def untrusted_type(folder: Path, ran: Path) -> None:
    """A skops file with a type that acts when it is constructed; its MLmodel does not mention it."""
    write_model(Telltale(str(ran)), folder / MODEL_FILE)
    reseal(folder)
    sign(folder)


def trusts_itself(folder: Path, ran: Path) -> None:
    """The same, and the version's own MLmodel trusts the type."""
    shutil.rmtree(folder)
    package(folder, Telltale(str(ran)), trusted_types=(TELLTALE,))
    assert TELLTALE in (folder / "MLmodel").read_text()
    sign(folder)


def one_byte(folder: Path, ran: Path) -> None:
    """One byte of the model, the signature being as it was."""
    content = bytearray((folder / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / MODEL_FILE).write_bytes(content)


def manifest_anew(folder: Path, ran: Path) -> None:
    """Another model, with a manifest that fits it."""
    write_model(fitted("logistic regression").model, folder / MODEL_FILE)
    reseal(folder)


def manifest_in_words(folder: Path, ran: Path) -> None:
    """Other words in the manifest: what a server would take for the labels."""
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**content, "classes": content["classes"][::-1]}))


def signature_away(folder: Path, ran: Path) -> None:
    """No signature."""
    (folder / SIGNATURE).unlink()


def foreign_key(folder: Path, ran: Path) -> None:
    """Another key than ours."""
    sign(folder, THEIRS)


def borrowed_name(folder: Path, ran: Path) -> None:
    """Another key under the name of ours."""
    stored = THEIRS.sign((folder / MANIFEST).read_bytes()).decode()
    (folder / SIGNATURE).write_text(stored.replace(THEIRS.public.id, OURS.public.id))


def borrowed_signature(folder: Path, ran: Path) -> None:
    """The champion's signature on another version."""
    signature = (folder / SIGNATURE).read_bytes()
    shutil.rmtree(folder)
    package(folder, fitted("logistic regression").model)
    (folder / SIGNATURE).write_bytes(signature)


ATTACKS: dict[Callable[[Path, Path], None], str] = {
    plain_pickle: "artifact.no-manifest",
    signed_pickle: "artifact.not-skops",
    signed_disguise: "artifact.not-skops",
    untrusted_type: "artifact.untrusted-type",
    trusts_itself: "artifact.untrusted-type",
    one_byte: "artifact.digest",
    manifest_anew: "artifact.signature",
    manifest_in_words: "artifact.signature",
    signature_away: "artifact.unsigned",
    foreign_key: "artifact.foreign-key",
    borrowed_name: "artifact.signature",
    borrowed_signature: "artifact.signature",
}


@pytest.mark.parametrize(("attack", "code"), ATTACKS.items(), ids=lambda given: getattr(given, "__name__", None))
def test_an_attack_on_a_server(
    attack: Callable[[Path, Path], None], code: str, project_env: ProjectEnv, tmp_path: Path
) -> None:
    """A champion that an attacker made is not constructed; the one before serves on, and the refusal is an event."""
    folder = Path(shutil.copytree(project_env.sound, tmp_path / "model"))
    attack(folder, tmp_path / "ran")
    assert not (tmp_path / "ran").exists()
    info = project_env.propose(folder)
    refresh = project_env.live.refresh()
    assert refresh.error is not None
    assert (refresh.changed, refresh.error.code) == (False, code)
    serving = project_env.live.require()
    assert serving.info.version == "1"
    assert serving.scorer.score([{"text": "the film"}]).labels
    refusals = [
        event for event in project_env.ledger.events(kind="refused") if event.subject == f"films/{info.version}"
    ]
    assert [event.evidence["code"] for event in refusals] == [code]
    with pytest.raises(ArtifactError) as refusal:
        project_env.registry.load_model("films", version=info.version)
    assert refusal.value.code == code
    assert not (tmp_path / "ran").exists()


def test_exchanged_while_it_is_read(project_env: ProjectEnv, tmp_path: Path) -> None:
    """A model that is exchanged between its check and its construction, again and again, is never constructed."""
    folder = Path(shutil.copytree(project_env.sound, tmp_path / "model"))
    shutil.copy(folder / MODEL_FILE, tmp_path / "good")
    write_model(Telltale(str(tmp_path / "ran")), tmp_path / "evil")
    done = threading.Event()

    def exchange() -> None:
        while not done.is_set():
            for name in ("evil", "good"):
                shutil.copy(tmp_path / name, tmp_path / "next")
                (tmp_path / "next").replace(folder / MODEL_FILE)

    attacker = threading.Thread(target=exchange)
    attacker.start()
    outcomes = set()
    try:
        for attempt in range(2000):
            if attempt > 100 and "artifact.digest" in outcomes:
                break
            try:
                read_package(folder, (TELLTALE,), trusted_keys=RING)
                outcomes.add("read")
            except ArtifactError as error:
                outcomes.add(error.code)
    finally:
        done.set()
        attacker.join()
    assert outcomes <= {"read", "artifact.digest"}
    assert "artifact.digest" in outcomes
    assert not (tmp_path / "ran").exists()


def test_an_attack_on_the_copy_of_a_host(project_env: ProjectEnv, tmp_path: Path) -> None:
    """A server that starts while the registry is away does not take a copy that was changed since it served."""
    cache = Path(shutil.copytree(project_env.cache, tmp_path / "cache"))
    remembered = cache / "films" / "serving-champion.json"
    remembered.write_text(remembered.read_text().replace(str(project_env.cache), str(cache)))
    away = MlflowRegistry(tracking_uri=f"sqlite:///{tmp_path / 'file'}/mlflow.db")
    (tmp_path / "file").touch()

    def started() -> ModelManager:
        live = ModelManager(ServedAlias("films"), VersionLoader(away, cache, (), RING))
        assert live.refresh().error is not None
        return live

    assert started().require().info.version == "1"
    for manifest in cache.glob(f"films/1-*/{MANIFEST}"):
        manifest_anew(manifest.parents[1], tmp_path)
    assert started().current is None


@pytest.mark.parametrize("attack", [plain_pickle, untrusted_type, trusts_itself], ids=lambda given: given.__name__)
def test_the_attacks_are_real(attack: Callable[[Path, Path], None], project_env: ProjectEnv, tmp_path: Path) -> None:
    """What the server refuses does act where it is constructed: the tests above prove what they say."""
    folder = Path(shutil.copytree(project_env.sound, tmp_path / "model"))
    attack(folder, tmp_path / "ran")
    assert not (tmp_path / "ran").exists()
    if attack is plain_pickle:
        pickle.loads((folder / "model.pkl").read_bytes())
    else:
        read_package(folder, (TELLTALE,), trusted_keys=RING)
    assert (tmp_path / "ran").exists()


def test_a_server_over_http(project_env: ProjectEnv, tmp_path: Path) -> None:
    """The server as a whole verifies by its keys: an unsigned champion is 409, the old one serves."""
    folder = Path(shutil.copytree(project_env.sound, tmp_path / "model"))
    project_env.propose(project_env.sound)
    backends = ServerBackends(project_env.registry, MemoryLedger(), tmp_path / "cache", trusted_keys=RING)
    running = Running(ModelServer("films", options=ServingSection(port=0), backends=backends))
    try:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert client.post("/admin/reload").status_code == 200
            before = client.post("/predict", json={"text": "the film"}).json()["model_version"]
            signature_away(folder, tmp_path)
            project_env.propose(folder)
            refused = client.post("/admin/reload")
            assert (refused.status_code, refused.json()["code"]) == (409, "artifact.unsigned")
            assert client.post("/predict", json={"text": "the film"}).json()["model_version"] == before
    finally:
        running.stop()


def test_an_old_version_under_a_new_number(project_env: ProjectEnv) -> None:
    """Sound, signed files that somebody registers again are not loaded as the new version, not even with its old seal.

    The genuine old version is: a rollback to it works.
    """
    client = open_client(project_env.registry._tracking_uri)
    genuine = project_env.propose(project_env.sound)
    assert project_env.live.refresh().changed
    for tags, code in (({}, "artifact.unsealed"), (dict(genuine.tags), "artifact.other-version")):
        again = client.create_model_version("films", genuine.source, genuine.run_id, tags=tags)
        project_env.registry.set_alias("films", "champion", str(again.version))
        refresh = project_env.live.refresh()
        assert refresh.error is not None
        assert refresh.error.code == code
        assert project_env.live.require().info.version == genuine.version
        refusals = [
            event for event in project_env.ledger.events(kind="refused") if event.subject == f"films/{again.version}"
        ]
        assert [event.evidence["code"] for event in refusals] == [code]
        with pytest.raises(ArtifactError) as watching:
            read_champion(project_env.registry, "films", project_env.cache, RING)
        assert watching.value.code == code
    project_env.registry.set_alias("films", "champion", "1")
    assert project_env.live.refresh().changed
    assert project_env.live.require().info.version == "1"


def test_a_version_of_another_model(project_env: ProjectEnv, tmp_path: Path) -> None:
    """Files that were packaged for another model are not taken under this name, whichever key signed them."""
    folder = tmp_path / "songs"
    package(folder, fitted("naive Bayes").model, model_name="songs")
    sign(folder)
    songs = project_env.registry.register_model(str(folder), "songs")
    assert project_env.registry.load_model("songs", version=songs.version) is not None
    serving = project_env.live.require().info.version
    client = open_client(project_env.registry._tracking_uri)
    stolen = client.create_model_version("films", songs.source, tags=dict(songs.tags))
    project_env.registry.set_alias("films", "champion", str(stolen.version))
    refresh = project_env.live.refresh()
    assert refresh.error is not None
    assert refresh.error.code == "artifact.other-model"
    assert "songs" in refresh.error.message
    assert project_env.live.require().info.version == serving
    with pytest.raises(ArtifactError, match="packaged as a version of songs"):
        project_env.registry.load_model("films", version=str(stolen.version))


def test_a_champion_that_no_decision_made(project_env: ProjectEnv, tmp_path: Path) -> None:
    """An alias that was moved in the registry itself, to a sound and signed version, does not make it serve.

    The move becomes an event; a decision for that version lets it serve, without a restart.
    """
    registry = project_env.registry
    first = project_env.propose(project_env.sound)
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester", trusted_keys=RING)
        point_alias(workspace, "films", version=first.version, alias="champion", reason="for the test")
        right = champion_check(registry, ledger)
        live = ModelManager(
            ServedAlias("films"),
            VersionLoader(registry, tmp_path / "cache", (), RING),
            ledger.append,
            champion_check=right,
        )
        assert live.refresh().changed
        second = project_env.propose(project_env.sound)
        for _ in range(2):
            refresh = live.refresh()
            assert refresh.error is not None
            assert refresh.error.code == "champion.unexplained"
        assert live.require().info.version == first.version
        assert [event.kind for event in ledger.events(subject=f"films/{second.version}")] == [
            "alias-changed-outside",
            "refused",
        ]
        point_alias(workspace, "films", version=second.version, alias="champion", reason="it was meant")
        assert live.refresh().changed
        assert live.require().info.version == second.version
