"""GET /health: whether the server runs and can predict, and the state of what it depends on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from tiltyard.errors import UnavailableError
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.spools.spool import Lag, SpooledLedger
from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.http.schemas import ComponentState, HealthResponse, LedgerState, QueueState, StatisticsState
from tiltyard.serving.model.manager import Refresh
from tiltyard.serving.predict.components import ServerComponents

# A probe that takes longer says as much as one that fails.
PROBE_SECONDS = 2.0
# An id that no prediction has.
_UNUSED_ID = "00000000-0000-0000-0000-000000000000"


def health_routes(components: ServerComponents) -> APIRouter:
    """The route that reports the state of the server."""
    router = APIRouter(tags=["operation"])
    unhealthy: dict[int | str, dict[str, Any]] = {
        503: {"model": HealthResponse, "description": "No version can predict."}
    }

    @router.get("/health", response_model=HealthResponse, responses=unhealthy, summary="State of the server")
    async def health(request: Request) -> Response:
        """Liveness, readiness, and the state of model, queue, ledger and registry, with totals of the predictions.

        Where API keys are in use, callers without the scope `read` see neither reasons nor totals.
        """
        return health_response(await check_health(components), may_read=request.scope[CALLER].has_scope("read"))

    return router


def health_response(state: HealthResponse, *, may_read: bool, **more: object) -> Response:
    """The response to a probe.

    Args:
        state: the state.
        may_read: whether the caller may see reasons and totals.
        more: what else is said, as JSON-ready data.
    """
    content = (state if may_read else _hide_details(state)).model_dump(mode="json") | more
    return Response(
        msgspec.json.encode(content),
        status_code=200 if state.model_loaded else 503,
        headers={"Cache-Control": "no-store"} | ({} if state.model_loaded else {"Retry-After": "5"}),
        media_type="application/json",
    )


async def check_health(components: ServerComponents) -> HealthResponse:
    """The state of the server, with its reasons."""
    ledger = await _check_ledger(components)
    available = components.options.ledger == "available"
    latest = components.models.latest
    reason, next_step = "", ""
    current, challenger = components.models.current, components.models.current_challenger()
    if current is None:
        try:
            components.models.require()
        except UnavailableError as error:
            reason, next_step = error.message, error.next_step
    elif not ledger.ok:
        meanwhile = "predictions are sent unrecorded" if available else "no request gets a prediction"
        reason, next_step = f"The ledger: {ledger.reason}", f"Repair the ledger; until then {meanwhile}."
    elif latest is not None and latest.error is not None:
        reason = f"{latest.error.message} Version {current.info.version} stays in service."
        next_step = latest.error.next_step
    status = "unhealthy" if current is None else "degraded" if reason else "healthy"
    figures = components.batcher.figures
    return HealthResponse(
        status=status,
        model_loaded=current is not None,
        ready=current is not None and (ledger.ok or available) and figures.waiting < figures.limit,
        model=components.models.served.model_name,
        version=current.info.version if current else None,
        challenger=challenger.info.version if challenger else None,
        loading=components.models.loading,
        reason=reason,
        next_step=next_step,
        uptime_seconds=round(monotonic() - components.started, 3),
        queue=QueueState(
            waiting=figures.waiting,
            limit=figures.limit,
            batches=figures.batches,
            largest_batch=figures.largest_batch,
        ),
        ledger=ledger,
        registry=_registry_state(latest),
        statistics=StatisticsState(**components.statistics.to_dict()),
    )


def _hide_details(state: HealthResponse) -> HealthResponse:
    """What a probe needs: reasons may name hosts, and totals are for callers who may read."""
    ledger = state.ledger.model_copy(update={"reason": "", "set_aside": None})
    registry = state.registry.model_copy(update={"reason": ""})
    hidden = {"reason": "", "next_step": "", "statistics": None, "ledger": ledger, "registry": registry}
    return state.model_copy(update=hidden)


async def _check_ledger(components: ServerComponents) -> LedgerState:
    """Whether the latest batch was recorded, whether the ledger can be read now, and what waits to be shipped."""
    figures = components.batcher.figures
    reason = figures.ledger_error
    lag = Lag()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            lag = await asyncio.to_thread(_probe_lag, components.ledger)
    except TimeoutError:
        reason = reason or f"It did not respond within {PROBE_SECONDS:g} seconds."
    except Exception as error:  # noqa: BLE001 - any error is the ledger's state
        reason = reason or str(error) or type(error).__name__
    now = datetime.now(UTC)
    behind = round((now - lag.oldest).total_seconds(), 3) if lag.oldest else 0.0
    return LedgerState(
        ok=not reason,
        reason=reason,
        checked_at=now,
        lag_rows=lag.rows,
        lag_seconds=max(0.0, behind),
        unrecorded=figures.unrecorded,
        set_aside=await components.set_aside.read(),
    )


def _probe_lag(ledger: Ledger) -> Lag:
    """What waits to be shipped; raises what keeps the ledger from being read."""
    if isinstance(ledger, SpooledLedger):
        ledger.probe()
        return ledger.lag()
    ledger.prediction(_UNUSED_ID)
    return Lag()


def _registry_state(latest: Refresh | None) -> ComponentState:
    """Whether the registry could be reached when the alias was looked up last."""
    if latest is None:
        return ComponentState(ok=False, reason="It was not contacted yet.")
    reason = latest.error.message if latest.error and not latest.registry_ok else ""
    return ComponentState(ok=latest.registry_ok, reason=reason, checked_at=latest.at)
