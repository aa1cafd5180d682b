"""The upper half of the composition root: from a project and this host's settings to the adapters in use.

What a part needs is imported where it is built: a command that lists pending approvals builds no loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from tiltyard.wiring.ledger import ship_spools

if TYPE_CHECKING:
    from tiltyard.ledger import Ledger, SqlLedger
    from tiltyard.notifications import Dispatcher
    from tiltyard.pipeline import Runner, Workspace
    from tiltyard.pipeline.loop import Loop
    from tiltyard.pipeline.orchestration.runner import FlowRunner
    from tiltyard.pipeline.remediation import Responder
    from tiltyard.project import Project
    from tiltyard.settings import Settings

log = logging.getLogger(__name__)


def open_workspace(settings: Settings, ledger: Ledger, project: Project | None = None) -> Workspace:
    """Where versions are registered and promoted; with a project, its destinations are notified of decisions."""
    from tiltyard.promotion.context import NO_DESTINATIONS, build_workspace  # noqa: PLC0415 - see above

    return build_workspace(settings, ledger, project.alerts if project else NO_DESTINATIONS)


def build_dispatcher(project: Project, settings: Settings, ledger: Ledger) -> Dispatcher:
    """The dispatcher of the outbox: to the destinations of the project, with the secrets of this host."""
    from tiltyard.notifications import Backoff, Dispatcher, build_senders  # noqa: PLC0415 - see above

    backoff = Backoff(give_up=timedelta(days=project.alerts.give_up_days))
    return Dispatcher(ledger.outbox, build_senders(project.alerts, settings), backoff)


def build_flow_runner(project: Project, settings: Settings, runner: Runner) -> FlowRunner:
    """The runner of use cases: Prefect where PREFECT_API_URL is set, else this process; ``runner`` shows the steps."""
    if settings.prefect_api_url:
        from tiltyard.pipeline.orchestration.prefect_flows import PrefectFlows  # noqa: PLC0415 - see above

        return PrefectFlows(project, settings.prefect_api_url, runner)
    from tiltyard.pipeline.orchestration.runner import LocalFlows  # noqa: PLC0415 - see above

    return LocalFlows(runner)


def build_responder(
    project: Project, settings: Settings, ledger: SqlLedger, runner: Runner, on_step: Callable[[], object] | None = None
) -> Responder:
    """The responder of a project: it retrains, rolls back, alerts; ``on_step`` is called after each step."""
    from tiltyard.pipeline.remediation import (  # noqa: PLC0415 - see above
        ActionContext,
        ProjectTrainer,
        Responder,
        make_ab_test_wait,
    )
    from tiltyard.wiring.registry import open_tracker  # noqa: PLC0415 - likewise

    workspace = open_workspace(settings, ledger, project)
    trainer = ProjectTrainer(project, open_tracker(project, settings), workspace, runner)

    def notify(_step: str) -> None:
        if on_step is not None:
            on_step()

    return Responder(ActionContext(project, workspace, trainer, make_ab_test_wait(project, workspace)), on_step=notify)


def _ship_recorded(settings: Settings, ledger: SqlLedger) -> None:
    """Ship the spools of this host; a pass continues with what the ledger has, and the log says what is missing."""
    report = ship_spools(settings, ledger)
    if report.problem:
        log.warning("%d records of this host are not in the ledger yet: %s", report.waiting, report.problem)


def build_loop(
    project: Project,
    settings: Settings,
    ledger: SqlLedger,
    runner: Runner,
    server: str | None = None,
    on_step: Callable[[], object] | None = None,
) -> Loop:
    """The loop of a project.

    Args:
        project: the project.
        settings: this host's settings.
        ledger: the ledger.
        runner: shows the steps.
        server: address of a server, to read its request counts.
        on_step: called after each step of a response.
    """
    from tiltyard.pipeline.loop import Loop  # noqa: PLC0415 - see above
    from tiltyard.pipeline.remediation import MetricsScraper  # noqa: PLC0415 - likewise

    flows = build_flow_runner(project, settings, runner)
    return Loop(
        project,
        build_responder(project, settings, ledger, flows.runner, on_step),
        build_dispatcher(project, settings, ledger),
        flows,
        MetricsScraper(server, settings.server_key.get_secret_value() if settings.server_key else None)
        if server
        else None,
        ship=lambda: _ship_recorded(settings, ledger),
    )
