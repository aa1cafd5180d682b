"""The upper half of the composition root: from a project and this host's settings to the adapters in use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tiltyard.ledger import Ledger, SqlLedger
from tiltyard.notifications import Backoff, Dispatcher, build_senders
from tiltyard.pipeline import Runner, Workspace
from tiltyard.pipeline.loop import Loop
from tiltyard.pipeline.orchestration.prefect_flows import PrefectFlows
from tiltyard.pipeline.orchestration.runner import FlowRunner, LocalFlows
from tiltyard.pipeline.remediation import ActionContext, MetricsScraper, ProjectTrainer, Responder, ab_test_judge
from tiltyard.project import AlertsSection, Project
from tiltyard.registry.package.signing import host_keys, host_signer
from tiltyard.settings import Settings
from tiltyard.wiring.registry import current_actor, open_registry, open_tracker


def open_workspace(of: Settings, open_ledger: Ledger, project: Project | None = None) -> Workspace:
    """Where versions are registered and promoted; with a project, its destinations are told of decisions."""
    return Workspace(
        open_registry(of),
        open_ledger,
        of.cache,
        of.trusted_types,
        current_actor(),
        snapshots=of.snapshot_store,
        trusted_keys=host_keys(of),
        signer=host_signer(of),
        alerts=project.alerts if project else AlertsSection(),
    )


def build_dispatcher(project: Project, of: Settings, open_ledger: Ledger) -> Dispatcher:
    """Who empties the outbox: to the destinations of the project, with the secrets of this host."""
    backoff = Backoff(give_up=timedelta(days=project.alerts.give_up_days))
    return Dispatcher(open_ledger.outbox, build_senders(project.alerts, of), backoff)


def build_flow_runner(project: Project, of: Settings, runner: Runner) -> FlowRunner:
    """Who runs use cases: Prefect where PREFECT_API_URL is set, else this process; the runner shows the steps."""
    return PrefectFlows(project, of.prefect_api_url, runner) if of.prefect_api_url else LocalFlows(runner)


def build_responder(
    project: Project, of: Settings, open_ledger: SqlLedger, runner: Runner, on_step: Callable[[], object] | None = None
) -> Responder:
    """Who answers what looks find: retrains, rolls back, alerts; ``on_step`` is told of each step."""
    here = open_workspace(of, open_ledger, project)
    trainer = ProjectTrainer(project, open_tracker(project, of), here, runner)

    def tell(_step: str) -> None:
        if on_step is not None:
            on_step()

    return Responder(ActionContext(project, here, trainer, ab_test_judge(project, here)), on_step=tell)


def build_loop(
    project: Project,
    of: Settings,
    open_ledger: SqlLedger,
    runner: Runner,
    server: str | None = None,
    on_step: Callable[[], object] | None = None,
) -> Loop:
    """The loop of a project.

    Args:
        project: the project.
        of: this host's settings.
        open_ledger: the ledger.
        runner: shows the steps.
        server: address of a server, to read what it counts.
        on_step: told of each step of a response.
    """
    run_by = build_flow_runner(project, of, runner)
    return Loop(
        project,
        open_workspace(of, open_ledger, project),
        build_responder(project, of, open_ledger, run_by.runner, on_step),
        build_dispatcher(project, of, open_ledger),
        run_by,
        MetricsScraper(server, of.server_key.get_secret_value() if of.server_key else None) if server else None,
    )
