"""``tiltyard prefect``: deploy the project to a Prefect server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.choices import PREFECT_POOL
from tiltyard.cli.options import Number, json_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.errors import UsageError
from tiltyard.jsonable import to_jsonable

if TYPE_CHECKING:
    from tiltyard.pipeline.orchestration.prefect_deployments import PrefectDeployment
    from tiltyard.pipeline.orchestration.runner import FlowKind

ENTRYPOINTS: dict[FlowKind, str] = {
    "training": "tiltyard.cli.loop.prefect_entry.training",
    "monitoring": "tiltyard.cli.loop.prefect_entry.monitoring",
    "response": "tiltyard.cli.loop.prefect_entry.response",
    "scheduled": "tiltyard.cli.loop.prefect_entry.perform_scheduled",
}


@click.group()
def prefect_group() -> None:
    """Deploy the project's flows to a Prefect server, on a schedule."""


@prefect_group.command()
@project_option
@click.option("--train-every-hours", type=Number(0, min_open=True), default=None, help="Train on a schedule.")
@click.option("--pool", default=PREFECT_POOL, show_default=True, help="Work pool; created if it does not exist.")
@json_option
def deploy_command(project_path: Path | None, train_every_hours: float | None, pool: str, as_json: bool) -> None:
    """Create the deployments PROJECT-training, PROJECT-monitoring and PROJECT-response.

    And PROJECT-scheduled for each table and training with a schedule ([batch.NAME], [training]). Monitoring runs every
    [monitoring] every_minutes and acts on findings. Training runs when it is started, or on a
    schedule. Workers of the pool run the flows: prefect worker start --pool tiltyard
    """
    from tiltyard import wiring
    from tiltyard.pipeline.orchestration.prefect_deployments import deploy
    from tiltyard.project import load_project

    project = load_project(project_path)
    settings = wiring.load_settings(project)
    if settings.prefect_api_url is None:
        raise UsageError(
            "No Prefect server is known: PREFECT_API_URL is not set.",
            next_step="Start one (prefect server start) and set PREFECT_API_URL=http://127.0.0.1:4200/api.",
            code="prefect.unset",
        )
    every = None if train_every_hours is None else timedelta(hours=train_every_hours)
    deployments = deploy(project, settings.prefect_api_url, ENTRYPOINTS, train_every=every, pool=pool)
    if as_json:
        print_json({"pool": pool, "deployments": to_jsonable(deployments)})
        return
    print_table(
        "Deployments",
        ("Name", "Every", "Id"),
        ((one.name, _describe_interval(one), one.id) for one in deployments),
    )
    console.print(f"Start a worker: prefect worker start --pool {pool}")


def _describe_interval(deployment: PrefectDeployment) -> str:
    if deployment.every is None:
        return "when started"
    every = deployment.cron or str(deployment.every)
    return every if deployment.active else f"{every} (switched off in Prefect)"
