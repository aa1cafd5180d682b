"""Scheduled runs that nobody took in time: one run does for all of them.

While no worker is there, Prefect's scheduler still makes runs, and the next worker would take them one by one; each
would read the same rows and act on them again. The first that runs cancels the others that are due. One that a
worker had taken already finds a completed run that began after the time that it was made for, and has nothing to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

SKIPPED = "Skipped"
"""Name of the final state of a run that had nothing to do."""
_AT_ONCE = 200


def cover_missed_runs() -> str | None:
    """To be called first in a scheduled flow: cancels the runs of its deployment that are due and did not begin.

    A run that a person started goes ahead, and cancels nothing.

    Returns:
        Why this run has nothing to do, as a sentence; None where it is to go ahead.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect is imported when it is used
    from prefect.context import FlowRunContext  # noqa: PLC0415

    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.deployment_id is None or not run.auto_scheduled or run.expected_start_time is None:
        return None
    with get_client(sync_client=True) as client:
        covering = _find_covering(client, run)
        if covering is not None:
            began = f"{covering.start_time:%Y-%m-%d %H:%M:%S UTC}"
            return f"The run '{covering.name}' began at {began} and covers this one."
        _cancel_missed(client, run)
    return None


def _find_covering(client: Any, run: Any) -> Any | None:
    """A completed run of the deployment that began after the time that this one was made for."""
    from prefect.client.schemas import filters  # noqa: PLC0415

    completed = filters.FlowRunFilter(
        # By its name: a run that was skipped read nothing.
        state=filters.FlowRunFilterState(name=filters.FlowRunFilterStateName(any_=["Completed"])),
        start_time=filters.FlowRunFilterStartTime(after_=run.expected_start_time),
    )
    found = _read_runs(client, run, completed, 1)
    return found[0] if found else None


def _cancel_missed(client: Any, run: Any) -> None:
    from prefect.client.schemas import filters  # noqa: PLC0415
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415
    from prefect.states import Cancelled  # noqa: PLC0415

    due = filters.FlowRunFilter(
        id=filters.FlowRunFilterId(not_any_=[run.id]),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    while True:
        found = _read_runs(client, run, due, _AT_ONCE)
        # A run that a person started waits for its turn.
        missed = [other for other in found if other.auto_scheduled]
        for other in missed:
            why = f"Missed; the run '{run.name}' covers it."
            client.set_flow_run_state(other.id, Cancelled(message=why), force=True)
        if len(found) < _AT_ONCE or not missed:
            return


def _read_runs(client: Any, run: Any, wanted: Any, limit: int) -> Any:
    from prefect.client.schemas import filters  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    # The server refuses the client's own defaults of limit and sort.
    own = filters.DeploymentFilter(id=filters.DeploymentFilterId(any_=[run.deployment_id]))
    return client.read_flow_runs(
        flow_run_filter=wanted, deployment_filter=own, limit=limit, sort=FlowRunSort.START_TIME_DESC
    )
