"""The composition root: from a project and this host's settings to the adapters in use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tiltyard.ledger import Ledger, SqlLedger
from tiltyard.ledger.shipping import ship
from tiltyard.monitoring.delivery import Backoff, Courier, build_senders
from tiltyard.pipeline import Runner, Stage
from tiltyard.pipeline.loop import Loop
from tiltyard.pipeline.prefect_flows import PrefectFlows
from tiltyard.pipeline.response import ProjectTrainer, Responder, ServiceProbe, Workshop, live_judge
from tiltyard.pipeline.runner import Flows, PlainFlows
from tiltyard.project import AlertsSection, Project
from tiltyard.registry import ExperimentTracker, ModelRegistry
from tiltyard.registry.access import give_credentials
from tiltyard.registry.signing import KeyRing, host_keys, host_signer
from tiltyard.settings import Settings, this_actor


def settings(project: Project) -> Settings:
    """The settings of this host for a project; relative locations start at the project file."""
    return Settings.load(project.root)


def ledger(of: Settings) -> SqlLedger:
    """The ledger: SQLite in the state folder unless TILTYARD_LEDGER names another database.

    What servers of this host have recorded and not yet shipped is shipped first, so that it is seen.
    """
    opened = SqlLedger.open(of.ledger_url)
    if of.spool.is_dir():
        try:
            ship(of.spool, opened)
        except BaseException:
            opened.close()
            raise
    return opened


def registry(of: Settings) -> ModelRegistry:
    """The model registry: MLflow's, local or remote."""
    _make_folder(of.state)
    return ModelRegistry(tracking_uri=of.tracking_uri, registry_uri=of.registry_uri, settings=of)


def tracker(project: Project, of: Settings) -> ExperimentTracker:
    """The experiment of a project."""
    _make_folder(of.state)
    give_credentials(of)
    return ExperimentTracker(project.name, tracking_uri=of.tracking_uri, artifact_location=of.artifact_location)


def stage(of: Settings, open_ledger: Ledger, project: Project | None = None) -> Stage:
    """Where versions are registered and promoted; with a project, its destinations are told of decisions."""
    return Stage(
        registry(of),
        open_ledger,
        of.cache,
        of.trusted_types,
        actor(),
        snapshots=of.snapshot_store,
        trusted_keys=host_keys(of),
        signer=host_signer(of),
        alerts=project.alerts if project else AlertsSection(),
    )


def courier(project: Project, of: Settings, open_ledger: Ledger) -> Courier:
    """Who empties the outbox: to the destinations of the project, with the secrets of this host."""
    backoff = Backoff(give_up=timedelta(days=project.alerts.give_up_days))
    return Courier(open_ledger.outbox, build_senders(project.alerts, of), backoff)


def flows(project: Project, of: Settings, runner: Runner) -> Flows:
    """Who runs use cases: Prefect where PREFECT_API_URL is set, else this process; the runner shows the steps."""
    return PrefectFlows(project, of.prefect_api_url, runner) if of.prefect_api_url else PlainFlows(runner)


def responder(
    project: Project, of: Settings, open_ledger: SqlLedger, runner: Runner, on_step: Callable[[], object] | None = None
) -> Responder:
    """Who answers what looks find: retrains, rolls back, alerts; ``on_step`` is told of each step."""
    here = stage(of, open_ledger, project)
    trainer = ProjectTrainer(project, tracker(project, of), here, runner)

    def tell(_step: str) -> None:
        if on_step is not None:
            on_step()

    return Responder(Workshop(project, here, trainer, live_judge(project, here)), on_step=tell)


def loop(
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
    run_by = flows(project, of, runner)
    return Loop(
        project,
        stage(of, open_ledger, project),
        responder(project, of, open_ledger, run_by.runner, on_step),
        courier(project, of, open_ledger),
        run_by,
        ServiceProbe(server, of.server_key.get_secret_value() if of.server_key else None) if server else None,
    )


def trusted_keys(of: Settings) -> KeyRing:
    """The keys by which this host judges signatures of versions."""
    return host_keys(of)


def actor() -> str:
    """Who acts, for the record: TILTYARD_ACTOR, or the user of this process."""
    return this_actor()


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
