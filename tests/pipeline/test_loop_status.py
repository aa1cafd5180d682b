"""The loop's own server: its health, and the metrics of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.pipeline.remediation.conftest import MODEL, ModelEnv, found
from tests.pipeline.test_loop import loop_over
from tiltyard.errors import UnavailableError
from tiltyard.pipeline.loop_metrics import READ_SECONDS, ModelCollector
from tiltyard.pipeline.loop_status import LoopStatus, loop_server
from tiltyard.serving.auth import KeyFile, NewKey, guard_for
from tiltyard.serving.process.sockets import bind


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model_env(tmp_path: Path) -> ModelEnv:
    """A model whose champion, version 1, was right on its test rows, and is wrong on all that came since."""
    made = ModelEnv(tmp_path)
    made.make_champion(made.register(right=True).version)
    made.label(60)
    return made


@contextmanager
def serving(model_env: ModelEnv, status: LoopStatus, key: NewKey | None = None) -> Iterator[httpx.Client]:
    """The loop's server, and a client of it."""
    file = KeyFile(model_env.folder / "api-keys.json")
    if key:
        file.add(key.key)
    guard = guard_for(model_env.project().serving, file.path, host="127.0.0.1", needed="read")
    with closing(bind("127.0.0.1", 0)) as listener, loop_server(status, guard, listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client


@dataclass(frozen=True)
class Samples:
    """The samples of a page."""

    text: str

    def get(self, name: str, **labels: str) -> float | None:
        """The value of a sample; None where there is none. All labels but ``worker`` are to be named."""
        for family in text_string_to_metric_families(self.text):
            for sample in family.samples:
                given = {label: value for label, value in sample.labels.items() if label != "worker"}
                if sample.name == name and given == labels:
                    return float(sample.value)
        return None


@pytest.mark.requirement("R-MORE-09")
def test_metrics_say_what_the_ledger_holds_of_the_model(model_env: ModelEnv) -> None:
    """The champion's age, findings that stand, performance by its basis, batch runs and notifications are scraped."""
    status = LoopStatus(model_env.project(), model_env.ledger, 60)
    with serving(model_env, status) as client:
        assert "tiltyard_open_findings{" not in client.get("/metrics").text
    evidence = {"value": 0.6, "baseline": 0.9}
    scored: dict[str, Any] = {"subject": "accuracy", "score": 0.33, "limit": 0.05, "evidence": evidence}
    model_env.ledger.findings.record(
        [
            found("performance.degradation", **scored),
            found("performance.slice", subject="text: a film of 1958", score=0.1),
            found("drift.verdict", severity="warning"),
            found("drift.number", subject="length", severity="warning", score=0.4),
        ]
    )
    status = LoopStatus(model_env.project(), model_env.ledger, 60)
    with serving(model_env, status) as client:
        page = Samples(client.get("/metrics").text)
    assert page.get("tiltyard_open_findings", model=MODEL, kind="performance", severity="error") == 2
    assert page.get("tiltyard_open_findings", model=MODEL, kind="drift", severity="warning") == 2
    degraded = {"model": MODEL, "code": "performance.degradation", "subject": "accuracy"}
    assert page.get("tiltyard_finding_score", **degraded) == 0.33
    assert page.get("tiltyard_finding_limit", **degraded) == 0.05
    assert page.get("tiltyard_finding_score", model=MODEL, code="drift.number", subject="length") == 0.4
    assert "a film of 1958" not in page.text  # texts from rows do not become labels
    performance = {"model": MODEL, "version": "1", "metric": "accuracy"}
    assert page.get("tiltyard_performance", **performance, basis="labels") == 0.6
    assert page.get("tiltyard_performance", **performance, basis="training") == 0.9
    history = model_env.responder().history()
    assert history.aliases.champion is not None
    since = history.aliases.champion.since.timestamp()
    assert page.get("tiltyard_champion_since_seconds", model=MODEL, version="1") == pytest.approx(since, abs=1e-3)
    assert (page.get("tiltyard_monitored_seconds", model=MODEL) or 0.0) >= since
    assert page.get("tiltyard_loop_ledger_up") == 1
    assert page.get("tiltyard_batch_runs_unfinished", model=MODEL) == 0
    assert page.get("tiltyard_notifications", state="waiting") == 0


def test_findings_about_an_earlier_champion_do_not_stand(model_env: ModelEnv) -> None:
    """Once another version serves, what was found about the one before does not stand any more."""
    model_env.ledger.findings.record([found("performance.degradation", subject="accuracy", version="1")])
    standing = ("tiltyard_open_findings", MODEL, "performance", "error")
    assert standing in read_model(model_env)
    model_env.register(right=True)
    model_env.make_champion("2", before="1")
    samples = read_model(model_env)
    assert standing not in samples
    assert ("tiltyard_champion_since_seconds", MODEL, "2") in samples


def read_model(model_env: ModelEnv) -> dict[tuple[str, ...], float]:
    """What is collected anew, by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in ModelCollector(model_env.project(), model_env.ledger).collect()
        for sample in metric.samples
    }


def test_scrapes_within_a_moment_share_one_reading(model_env: ModelEnv) -> None:
    """The ledger is read once in ``READ_SECONDS``, however often it is scraped."""
    clock = Clock()
    collector = ModelCollector(model_env.project(), model_env.ledger, clock=clock)
    first = list(collector.collect())
    loop_over(model_env).once()
    clock.now += READ_SECONDS - 1
    assert list(collector.collect()) == first
    clock.now += 1
    assert list(collector.collect()) != first


def test_a_loop_without_a_sign_of_life_is_to_be_started_again(model_env: ModelEnv) -> None:
    """Liveness fails once the latest sign is too old, and only then; a step that fails degrades health alone."""
    clock = Clock()
    status = LoopStatus(model_env.project(), model_env.ledger, 60, clock=clock)
    with serving(model_env, status) as client:
        status.report_problem(UnavailableError("The ledger is away.", next_step="Start it."))
        clock.now += 59
        assert client.get("/v2/health/live").status_code == 200
        health = client.get("/health").json()
        assert (health["status"], health["reason"], health["next_step"]) == (
            "degraded",
            "The ledger is away.",
            "Start it.",
        )
        assert Samples(client.get("/metrics").text).get("tiltyard_loop_problem") == 1
        clock.now += 1
        assert client.get("/v2/health/live").status_code == 503
        assert client.get("/health").status_code == 503
        status.beat()
        status.report_pass()
        assert client.get("/health").json()["status"] == "healthy"


def test_metrics_need_a_key_where_keys_are_in_use(model_env: ModelEnv) -> None:
    """Probes are open and say no reasons; metrics need the scope `read`."""
    key = NewKey.generate(["read"], name="prometheus", made_by="tests")
    status = LoopStatus(model_env.project(), model_env.ledger, 60)
    status.report_problem(UnavailableError("db.internal is away.", next_step="Start it."))
    with serving(model_env, status, key) as client:
        assert client.get("/v2/health/live").status_code == 200
        assert client.get("/metrics").status_code == 401
        assert "db.internal" not in client.get("/health").text
        allowed = {"Authorization": f"Bearer {key.token}"}
        assert client.get("/metrics", headers=allowed).status_code == 200
        assert "db.internal" in client.get("/health", headers=allowed).text
