"""A model with a champion that is always wrong, a trainer that is quick, and ways to die."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tests.pipeline.remediation.metrics_server import Balancer
from tiltyard.data import Dataset
from tiltyard.data.content_hash import row_digests
from tiltyard.ledger import Event, FindingRecord, Label, new_id
from tiltyard.pipeline.remediation.ab_test_wait import make_ab_test_wait
from tiltyard.pipeline.remediation.actions import ActionContext
from tiltyard.pipeline.remediation.responder import Responder
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry import VersionInfo
from tiltyard.serving.telemetry import Metrics
from tiltyard.testing import MemoryLedger, make_prediction
from tiltyard.testing.registry import MemoryRegistry, write_example_package

MODEL = "films-classifier"
TEXTS = [f"{words} number {n}" for n in range(12) for words in ("a warm and funny film", "dull, slow and far too long")]
TRUTH = ["good", "bad"] * 12


class Killed(BaseException):
    """The process is gone."""


class CrashingProxy:
    """Another object whose effects are counted, and in front of the n-th of which the process dies."""

    def __init__(self, inner: Any, effects: frozenset[str], count: Callable[[str], None]) -> None:
        self._inner, self._effects, self._count = inner, effects, count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._effects:
            return found

        def effect(*arguments: Any, **named: Any) -> Any:
            self._count(name)
            return found(*arguments, **named)

        return effect


@dataclass
class ModelEnv:
    """Registry and ledger that outlive the processes that work with them."""

    folder: Path
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    steps: list[str] = field(default_factory=list)
    trained: int = 0

    def project(self, **response: Any) -> Project:
        section = {"on_drift": "retrain", "on_decay": "rollback", "min_new_labels": 3, **response}
        return Project.model_validate(
            {
                "project": {"name": "films", "task": "text-classification"},
                "data": {"source": "films.csv", "text": "text", "label": "label"},
                "response": section,
            }
        )

    def responder(
        self, die_before: int | None = None, *, live: bool = False, approval: bool = False, **response: Any
    ) -> Responder:
        """A fresh process; it dies in front of its n-th effect. With ``live``, challengers predict in the shadow."""
        self.effects = 0

        def count(_name: str) -> None:
            self.effects += 1
            if self.effects == die_before:
                raise Killed

        names = frozenset({"register_model", "set_alias", "delete_alias", "set_tag", "append"})
        registry: Any = CrashingProxy(self.registry, names, count)
        ledger: Any = CrashingProxy(self.ledger, names, count)
        workspace = Workspace(registry, ledger, self.folder / "cache", (), "the loop")
        project = self.project(**response)
        more: dict[str, Any] = {"serving": {"challenger": {"mode": "shadow"}}} if live else {}
        more |= {"promotion": {"approval": "required"}} if approval else {}
        if more:
            project = Project.model_validate({**project.model_dump(by_alias=True, exclude_unset=True), **more})
        context = ActionContext(
            project, workspace, QuickTrainer(self, workspace), make_ab_test_wait(project, workspace)
        )
        return Responder(context, on_step=self.steps.append)

    def register(
        self, workspace: Workspace | None = None, *, right: bool, tags: Mapping[str, str] | None = None
    ) -> VersionInfo:
        """Register a version that always is right, or always wrong."""
        package = _packages() / f"{right}"
        if not package.exists():
            write_example_package(package, _pipeline(right=right), model_name=MODEL)
        registry: Any = self.registry if workspace is None else workspace.registry
        ledger: Any = self.ledger if workspace is None else workspace.ledger
        info: VersionInfo = registry.register_model(package.as_uri(), MODEL, tags=tags, run_id=f"run {self.trained}")
        self.trained += 1
        ledger.append(Event("registered", f"{MODEL}/{info.version}", datetime.now(UTC), "ada"))
        return info

    def make_champion(self, version: str, before: str | None = None) -> None:
        if before:
            self.registry.set_alias(MODEL, "previous", before)
        self.registry.set_alias(MODEL, "champion", version)
        evidence = {"champion": before}
        self.ledger.append(Event("promoted", f"{MODEL}/{version}", datetime.now(UTC), "ada", evidence=evidence))

    def label(
        self,
        count: int,
        *,
        version: str = "1",
        says: str = "bad",
        truth: str = "good",
        unit: str | None = None,
        groups: int = 0,
    ) -> None:
        now = datetime.now(UTC)
        rows = [
            make_prediction(
                project=MODEL, version=version, at=now, label=says,
                input={"text": f"a warm and funny film, {n}"} | ({"@group": n % groups} if groups else {}),
                probabilities={"bad": 0.5, "good": 0.5}, unit=unit,
            )
            for n in range(count)
        ]  # fmt: skip
        self.ledger.record(rows)
        self.ledger.record_labels([Label(row.id, truth, now, "test") for row in rows])

    def shadow(self, count: int, *, says: str, champion: str = "bad", truth: str = "good") -> None:
        """The challenger, version 2, predicts next to the champion, and the truth comes."""
        now = datetime.now(UTC)
        for _ in range(count):
            fields: dict[str, Any] = {"project": MODEL, "at": now}
            seen = make_prediction(**fields, version="1", label=champion)
            hidden = make_prediction(**fields, version="2", label=says, route="shadow", key=seen.id)
            self.ledger.record([seen, hidden])
            self.ledger.record_labels([Label(seen.id, truth, now, "test")])

    def kinds(self, subject: str = MODEL) -> list[str]:
        return [event.kind for event in self.ledger.events(subject=subject)]

    def named(self, alias: str) -> str | None:
        return next((one.version for one in self.registry.list_versions(MODEL) if alias in one.aliases), None)


class QuickTrainer:
    """A ``Trainer`` whose versions always are right."""

    def __init__(self, model_env: ModelEnv, workspace: Workspace) -> None:
        self._model_env, self._workspace = model_env, workspace

    def train(self, tags: Mapping[str, str]) -> VersionInfo:
        return self._model_env.register(self._workspace, right=True, tags=tags)

    def test_rows(self) -> Dataset:
        inputs, labels = pd.Series(TEXTS, dtype=object), pd.Series(TRUTH, dtype=str)
        frame = pd.DataFrame({"text": inputs, "label": labels})
        return Dataset("films", "text-classification", inputs, labels, frame, "test", row_digests(inputs, labels))


def found(code: str, **changes: Any) -> FindingRecord:
    fields: dict[str, Any] = {"severity": "error", "subject": "all", "message": "It moved.", "version": "1"}
    return FindingRecord(id=new_id(), at=datetime.now(UTC), project=MODEL, code=code, **(fields | changes))


@functools.cache
def _packages() -> Path:
    """The folder of the packages that are always right and always wrong; each is made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _pipeline(*, right: bool) -> Pipeline:
    truth = TRUTH if right else [{"good": "bad", "bad": "good"}[label] for label in TRUTH]
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0)).fit(TEXTS, truth)


@pytest.fixture
def model_env(tmp_path: Path) -> ModelEnv:
    """A model whose champion, version 1, always is wrong."""
    made = ModelEnv(tmp_path)
    made.make_champion(made.register(right=False).version)
    made.label(5)
    return made


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One address of three servers, which ask for the key ``good``."""
    monkeypatch.setattr(Balancer, "servers", tuple(Metrics(server=name) for name in "abc"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Balancer) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
