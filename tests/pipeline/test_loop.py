"""A pass of the loop over one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv
from tiltyard.ledger import Event
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline import QuietRunner
from tiltyard.pipeline.loop import Loop
from tiltyard.pipeline.orchestration.runner import LocalFlows
from tiltyard.testing import MemoryLedger


class CountingLedger(MemoryLedger):
    """A ledger that counts how often a model's events are read from their beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.whole_reads = 0

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None, after: int = 0
    ) -> Iterator[Event]:
        self.whole_reads += subject == MODEL and not after
        return super().events(subject=subject, kind=kind, since=since, after=after)


@pytest.fixture
def model_env(tmp_path: Path) -> ModelEnv:
    """A model whose champion, version 1, always is wrong, on a ledger that counts."""
    made = ModelEnv(tmp_path, ledger=CountingLedger())
    made.make_champion(made.register(right=False).version)
    made.label(5)
    return made


def loop_over(model_env: ModelEnv, ship: Callable[[], object] | None = None) -> Loop:
    responder = model_env.responder()
    return Loop(
        model_env.project(),
        responder,
        Dispatcher(model_env.ledger.outbox, {}),
        LocalFlows(QuietRunner()),
        ship=ship,
    )


def test_one_pass_reads_the_history_once(model_env: ModelEnv) -> None:
    """Monitoring, the checks of the champion, the response and its alerts share one reading of the model's events."""
    loop = loop_over(model_env)
    assert isinstance(model_env.ledger, CountingLedger)
    model_env.ledger.whole_reads = 0
    loop.once()
    assert model_env.ledger.whole_reads == 1


def test_a_pass_notices_a_champion_that_was_moved_outside_tiltyard(model_env: ModelEnv) -> None:
    """The pass records the change as an event, and goes by the champion that the registry names."""
    model_env.register(right=True)
    model_env.registry.set_alias(MODEL, "champion", "2")
    loop_over(model_env).once()
    assert model_env.kinds().count("alias-changed-outside") == 1
    history = model_env.responder().history()
    assert history.champion == "2"
    assert history.aliases.previous_champion == "1"
    loop_over(model_env).once()
    assert model_env.kinds().count("alias-changed-outside") == 1


def alias_findings(model_env: ModelEnv) -> list[tuple[str, str]]:
    found = loop_over(model_env).once().findings
    return [(one.code, one.status) for one in found if one.code in ("champion.unexplained", "champion.missing")]


def test_a_champion_that_no_decision_made_is_a_finding_with_an_alert(model_env: ModelEnv) -> None:
    """A champion that was changed outside Tiltyard is found and alerted of until a decision names it; nothing else."""
    assert alias_findings(model_env) == [("champion.unexplained", "clear")]
    model_env.register(right=True)
    model_env.registry.set_alias(MODEL, "champion", "2")
    iteration = loop_over(model_env).once()
    [finding] = [one for one in iteration.findings if one.code.startswith("champion.") and one.status == "found"]
    assert (finding.code, finding.severity) == ("champion.unexplained", "error")
    assert "Version 2" in finding.message
    assert "outside Tiltyard" in finding.message
    assert [alert.title for alert in iteration.response.alerts] == [
        f"{MODEL}: The champion was changed outside Tiltyard"
    ]
    assert [action.kind for action in iteration.response.actions] == []
    model_env.make_champion("2", before="1")
    assert set(alias_findings(model_env)) == {("champion.unexplained", "clear")}


def test_a_champion_that_is_gone_is_a_finding(model_env: ModelEnv) -> None:
    """An alias that was removed outside Tiltyard is found too."""
    model_env.registry.delete_alias(MODEL, "champion")
    assert ("champion.missing", "found") in alias_findings(model_env)


@pytest.mark.requirement("R-MON-07")
def test_each_pass_ships_what_servers_recorded_first(model_env: ModelEnv) -> None:
    """What this host's servers recorded is in the ledger before a pass reads it, in each pass."""
    loop = loop_over(model_env, ship=lambda: model_env.label(3))
    counts = [loop.once().monitoring.operations.predictions for _ in range(2)]
    assert counts == [8, 11]
