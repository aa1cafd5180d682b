"""The loop, the metrics of three servers behind one address, and a ledger that remembers between loops."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv
from tests.pipeline.remediation.metrics_server import Balancer
from tiltyard.notifications import Dispatcher
from tiltyard.notifications.alerts import read_alerts
from tiltyard.pipeline.loop import Loop, LoopIteration
from tiltyard.pipeline.orchestration.runner import LocalFlows, QuietRunner
from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper
from tiltyard.serving.telemetry import Metrics


def count(server: int, version: str = "3", **outcomes: int) -> None:
    named = {name.replace("_", "-"): number for name, number in outcomes.items()}
    Balancer.servers[server].count_outcomes(Counter({(version, "champion", name): n for name, n in named.items()}))


def run_loop(env: ModelEnv, address: str) -> LoopIteration:
    """One iteration of a loop that has just started."""
    flows = LocalFlows(QuietRunner())
    scraper = MetricsScraper(address, "good")
    return Loop(env.project(), env.responder(), Dispatcher(env.ledger.outbox, {}), flows, scraper).once()


@pytest.fixture
def replaced(model_env: ModelEnv) -> ModelEnv:
    """Version 2 is followed by version 3; version 1 was champion before."""
    model_env.make_champion(model_env.register(right=True).version, before="1")
    model_env.make_champion(model_env.register(right=False).version, before="2")
    return model_env


@pytest.mark.requirement("R-MON-21")
def test_from_failures_to_the_rollback_and_the_end_of_its_alert(
    replaced: ModelEnv, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures add up over servers, restarts and loops; after the rollback all that was said about the version ends."""
    count(0, model_error=1)
    count(1, overload=500)
    assert run_loop(replaced, address).response.actions == ()
    count(1, overload=500, predicted=10)
    iteration = run_loop(replaced, address)
    assert iteration.response.actions == ()
    assert [alert.incident for alert in iteration.response.alerts] == ["service"]
    count(2, predicted=20, model_error=9)
    assert run_loop(replaced, address).response.actions == ()  # 40 requests so far
    monkeypatch.setattr(Balancer, "servers", (*Balancer.servers[:2], Metrics(server="c, started again")))
    count(2, predicted=10, model_error=9)
    (action,) = run_loop(replaced, address).response.actions
    assert (action.kind, action.plan["target"]) == ("roll-back", "2")
    assert "Of 59 requests since version 3 is champion, the model failed for 19" in action.reason
    assert replaced.named("champion") == "2"

    after = run_loop(replaced, address)
    assert after.response.actions == ()
    assert [(alert.incident, alert.state) for alert in after.response.alerts] == [("champion", "cleared")]
    assert "Version 3 no longer serves" in after.response.alerts[0].text
    standing = [one for one in replaced.ledger.findings.latest(project=MODEL) if one.status == "found"]
    assert not [one for one in standing if one.version == "3" or "rollback" in one.next_step]
    assert run_loop(replaced, address).response.alerts == ()
    assert {alert.state for alert in read_alerts(replaced.ledger.events(subject=MODEL))} == {"cleared"}


def test_the_version_that_comes_back_is_not_held_to_the_counts_of_the_bad_one(replaced: ModelEnv, address: str) -> None:
    """Failures of version 3, and of an earlier time of version 2, say nothing about version 2 as champion of now."""
    count(0, version="2", predicted=5, model_error=40)
    count(0, predicted=5, model_error=60)
    assert [action.kind for action in run_loop(replaced, address).response.actions] == ["roll-back"]
    count(0, version="2", predicted=80)
    again = run_loop(replaced, address)
    assert again.response.actions == ()
    assert not [one for one in again.findings if one.code == "champion.errors" and one.status == "found"]
