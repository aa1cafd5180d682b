"""The flows of the deployments, for Prefect workers; nothing else imports this module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.output import Terminal
from tiltyard.cli.progress import ConsoleRunner

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

_terminal = Terminal()


@flow(name="training")  # type: ignore[untyped-decorator]
def training(project: str) -> str | State[None]:
    """Train a version and promote it if it wins. Runs that were missed are one."""
    from prefect.states import Completed

    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline import TrainingRequest, train
    from tiltyard.pipeline.orchestration.prefect_missed import SKIPPED, cover_missed_runs
    from tiltyard.project import load_project

    if covered := cover_missed_runs():
        return Completed(name=SKIPPED, message=covered)
    described = load_project(Path(project))
    settings = wiring.load_settings(described)
    flows = app_wiring.build_flow_runner(described, settings, ConsoleRunner(_terminal))
    with open_current_ledger(settings) as ledger:
        tracker = wiring.open_tracker(described, settings)
        workspace = app_wiring.open_workspace(settings, ledger, described)
        outcome = flows.run(
            "training",
            lambda: train(described, tracker, workspace, flows.runner, TrainingRequest(promote=True)),
            lambda outcome: outcome.to_markdown(),
        )
    return outcome.promotion.status if outcome.promotion else "Registered"


@flow(name="monitoring")  # type: ignore[untyped-decorator]
def monitoring(project: str) -> str | State[None]:
    """Run one iteration of the control loop, and send notifications. Runs that were missed are one."""
    from prefect.states import Completed

    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.orchestration.prefect_missed import SKIPPED, cover_missed_runs
    from tiltyard.project import load_project

    if covered := cover_missed_runs():
        return Completed(name=SKIPPED, message=covered)
    described = load_project(Path(project))
    settings = wiring.load_settings(described)
    with open_current_ledger(settings) as ledger:
        iteration = app_wiring.build_loop(described, settings, ledger, ConsoleRunner(_terminal)).once()
        app_wiring.build_dispatcher(described, settings, ledger).run()
    return iteration.summary


@flow(name="response")  # type: ignore[untyped-decorator]
def response(project: str, reason: str = "started in Prefect") -> str:
    """Retrain with the labels from production."""
    from tiltyard import app_wiring, wiring
    from tiltyard.project import load_project

    described = load_project(Path(project))
    settings = wiring.load_settings(described)
    flows = app_wiring.build_flow_runner(described, settings, ConsoleRunner(_terminal))
    with open_current_ledger(settings) as ledger:
        responder = app_wiring.build_responder(described, settings, ledger, flows.runner)
        done = flows.run(
            "response",
            lambda: responder.retrain(reason),
            lambda result: " ".join(action.summary for action in result.actions) or result.outcome,
        )
    return " ".join(action.summary for action in done.actions) or done.outcome


@flow(name="scheduled")  # type: ignore[untyped-decorator]
def perform_scheduled(project: str, name: str, only_due: bool = False) -> str | State[None]:
    """Score a table of the project file, or train by its schedule. Runs that were missed are one."""
    from prefect.states import Completed

    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.orchestration.prefect_missed import SKIPPED, cover_missed_runs
    from tiltyard.pipeline.schedules.checks import Watch
    from tiltyard.pipeline.schedules.perform import Performer
    from tiltyard.project import load_project
    from tiltyard.project.scheduled_work import list_work

    if covered := cover_missed_runs():
        return Completed(name=SKIPPED, message=covered)
    described = load_project(Path(project))
    settings = wiring.load_settings(described)
    flows = app_wiring.build_flow_runner(described, settings, ConsoleRunner(_terminal))
    (work,) = (one for one in list_work(described) if one.name == name)
    with open_current_ledger(settings) as ledger:
        responder = app_wiring.build_responder(described, settings, ledger, flows.runner)
        performer = Performer(described, settings, ledger, Watch(described, ledger), retrain=responder.retrain)
        done = flows.run(
            "scheduled",
            lambda: flows.runner.run(
                work.title, lambda: performer.perform(work, only_due=only_due), lambda it: it.summary
            ),
            lambda it: it.summary,
        )
        app_wiring.build_dispatcher(described, settings, ledger).run()
    return done.summary
