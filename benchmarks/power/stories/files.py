"""Stories of single files: API keys, idempotency keys, the last good version, snapshots."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from benchmarks.power.stories.databases import list_damage
from benchmarks.power.stories.ledger import open_central
from benchmarks.power.story import Log, Marks, Verdict

from tiltyard.data.dataset import Dataset
from tiltyard.data.loading import load_dataset
from tiltyard.data.snapshots.snapshot import find_snapshot, read_snapshot, take_snapshot
from tiltyard.errors import UnavailableError
from tiltyard.ledger.codec import encode_predictions
from tiltyard.project import load_project
from tiltyard.registry import VersionInfo
from tiltyard.registry.package.manifest import verify
from tiltyard.registry.package.signing import KeyRing
from tiltyard.registry.version_cache import fetch_version
from tiltyard.serving.auth.keyfile import KeyFile
from tiltyard.serving.auth.keys import NewKey
from tiltyard.serving.model.last_good import LastGood
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.idempotency import Idempotency, IdempotentRequest
from tiltyard.serving.problem_details import RequestError
from tiltyard.testing import make_prediction
from tiltyard.testing.registry import write_example_package

ROUNDS = 3
PROJECT = """[project]
name = "films"
task = "text-classification"

[data]
source = "{number}.csv"
text = "text"
label = "label"
"""


class ApiKeys:
    """API keys that are made and revoked."""

    name = "API keys"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """Nothing is there before."""

    def run(self, root: Path, log: Log) -> None:
        """Make keys, and revoke every other one."""
        for number in range(2 * ROUNDS):
            key = NewKey.generate(["predict"]).key
            with log.step("make", ids=[key.id]):
                _key_file(root).add(key)
            if number % 2:
                with log.step("revoke", ids=[key.id]):
                    _key_file(root).revoke(key.id)

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """Each key is there, each revoked one is revoked, and another can be made."""
        keys = _key_file(root).read()
        verdict.expect("keys", marks.values("done", "make", "ids"), [key.id for key in keys])
        revoked = [key.id for key in keys if key.revoked_at is not None]
        verdict.expect("revocations", marks.values("done", "revoke", "ids"), revoked)
        unknown = {key.id for key in keys} - set(marks.values("tried", "make", "ids"))
        verdict.expect_whole([f"The key {id_} was never made" for id_ in unknown])
        _key_file(root).add(NewKey.generate(["predict"]).key)


class IdempotencyKeys:
    """Requests with a key, of which each may be sent again after the power came back."""

    name = "idempotency keys"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """The ledger is there."""
        open_central(root).close()

    def run(self, root: Path, log: Log) -> None:
        """Predict for requests with keys, as the service does."""
        with log.step("open") as opened:
            ledger = open_central(root)
        if not opened.done:
            return
        for number in range(2 * ROUNDS):
            with log.step("predict", numbers=[number]):
                asyncio.run(_predict_once(Idempotency(ledger, _claims(root)), ledger, _request(number)))
        with log.step("close"):
            ledger.close()

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """The same request gets the first one's predictions; another one with its key is refused."""
        with open_central(root) as ledger:
            repeated, refused = [], []
            for number in marks.values("done", "predict", "numbers"):
                idempotency = Idempotency(ledger, _claims(root))
                found = asyncio.run(_find(idempotency, _request(number)))
                repeated += [number] * (len(found) == 2)
                try:
                    asyncio.run(_find(idempotency, _request(number, "another text")))
                except RequestError:
                    refused.append(number)
            verdict.expect("predictions", marks.values("done", "predict", "numbers"), repeated)
            verdict.expect("claims", marks.values("done", "predict", "numbers"), refused)
            asyncio.run(_predict_once(Idempotency(ledger, _claims(root)), ledger, _request(-1)))
        verdict.expect_whole(list(list_damage(root)))


class LastGoodVersion:
    """Versions that are fetched into the cache of this host, and noted as the last good one."""

    name = "last good version"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """The registry has a version."""
        write_example_package(root / "registry")

    def run(self, root: Path, log: Log) -> None:
        """Fetch one version after the other, and note it as served."""
        for number in range(1, ROUNDS + 1):
            info = _version(number)
            with log.step("serve", versions=[info.version]):
                folder = fetch_version(
                    info, root / "cache", KeyRing(), lambda target: Path(shutil.copytree(root / "registry", target))
                )
                # Of what is served, its name and folder alone are kept.
                served = cast(ServedVersion, SimpleNamespace(info=info, folder=folder))
                if not LastGood(_last_good(root)).save(served):
                    # The server logs it and serves the version all the same: nothing was promised.
                    raise UnavailableError(f"Version {info.version} is not noted.", next_step="See the log.")

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """Without the registry, the last version that was served is there and whole."""
        served = [int(version) for version in marks.values("done", "serve", "versions")]
        found = LastGood(_last_good(root)).load()
        if served:
            kept = int(found.info.version) if found is not None else 0
            verdict.expect("last good versions", [True], [kept >= served[-1]])
        if found is not None:
            folder = fetch_version(found.info, root / "cache", KeyRing(), _away)
            verify(folder)
        fetch_version(_version(9), root / "cache", KeyRing(), lambda to: Path(shutil.copytree(root / "registry", to)))


class Snapshots:
    """Snapshots of rows that grow."""

    name = "snapshots"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """The projects and their rows are there."""
        for number in range(1, ROUNDS + 1):
            (root / f"{number}.toml").write_text(PROJECT.format(number=number), encoding="utf-8")
            kinds = ("negative", "positive")
            lines = [f"text number {row} of a film,{kinds[row % 2]}" for row in range(200 * number)]
            (root / f"{number}.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")

    def run(self, root: Path, log: Log) -> None:
        """Take a snapshot of ever more rows."""
        for number in range(1, ROUNDS + 1):
            with log.step("read") as read:
                dataset = _dataset(root, number)
            if not read.done:
                continue
            with log.step("snapshot", kept=[[dataset.fingerprint, len(dataset)]]):
                take_snapshot(dataset, root / "data" / "snapshots")

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """Each is there and reads as it was, and another can be taken."""
        store = root / "data" / "snapshots"
        for digest, rows in marks.values("done", "snapshot", "kept"):
            folder = store / "films"
            there = [path.name for path in folder.glob("*.parquet")] if folder.is_dir() else []
            verdict.expect("snapshots", [f"{digest}.parquet"], there)
            if f"{digest}.parquet" in there and len(read_snapshot(find_snapshot(store, "films", digest))) != rows:
                verdict.corrupt.append(f"The snapshot {digest} has not the rows that it had")
        for number in (1, ROUNDS):
            dataset = _dataset(root, number)
            read_snapshot(take_snapshot(dataset, store).uri)


def _key_file(root: Path) -> KeyFile:
    return KeyFile(root / "state" / "api-keys.json")


def _claims(root: Path) -> Path:
    return root / "state" / "cache" / "idempotency.db"


def _request(number: int, text: str = "not bad at all") -> IdempotentRequest:
    inputs = [{"text": f"{text} {position}"} for position in range(2)]
    return IdempotentRequest("films", "caller", f'"request-{number}"'.encode(), inputs)


async def _predict_once(idempotency: Idempotency, ledger: Any, request: IdempotentRequest) -> None:
    try:
        found = await idempotency.find(request)
        if len(found) < len(request.ids):
            inputs = [{"text": f"not bad at all {position}"} for position in range(2)]
            predictions = [make_prediction(id=id_, input=given) for id_, given in zip(request.ids, inputs, strict=True)]
            ledger.record_rows(encode_predictions(predictions))
    finally:
        idempotency.release(request)


async def _find(idempotency: Idempotency, request: IdempotentRequest) -> dict[int, Any]:
    try:
        return dict(await idempotency.find(request))
    finally:
        idempotency.release(request)


def _version(number: int) -> VersionInfo:
    return VersionInfo("films", str(number), (), "run", datetime(2026, 11, 26, tzinfo=UTC), source="somewhere")


def _last_good(root: Path) -> Path:
    return root / "cache" / "films" / "serving-champion.json"


def _away(_folder: Path) -> Path:
    raise UnavailableError("The registry is away.", next_step="Wait.", code="registry.away")


def _dataset(root: Path, number: int) -> Dataset:
    return load_dataset(load_project(root / f"{number}.toml"))
