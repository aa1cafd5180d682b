"""GET /model-info and POST /admin/reload: the version in service, and looking for another."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from tiltyard.errors import ArtifactError, TiltyardError, UnavailableError
from tiltyard.serving.http.audit import record_admin_action
from tiltyard.serving.http.features import describe_features
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ModelInfoResponse, PredictionSetsState, ReloadResponse
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.tasks import TASKS, SetCalibration


def model_routes(components: ServerComponents) -> APIRouter:
    """The routes about the version in service."""
    router = APIRouter(tags=["operation"])

    @router.get("/model-info", responses=problem_responses(503), summary="The version in service")
    async def model_info() -> ModelInfoResponse:
        """Name, version, task, labels, metrics and origin of the version in service."""
        return _model_info(components.models.require(), components.options.answer)

    @router.post("/admin/reload", responses=problem_responses(409, 503), summary="Look for a new version now")
    async def reload(request: Request) -> ReloadResponse:
        """Look the alias up now, and put its version into service; one that was refused is tried again."""
        outcome = await asyncio.to_thread(components.models.refresh, force=True)
        current = components.models.current
        found = {"changed": outcome.changed, "version": current.info.version if current else None}
        await record_admin_action(
            components, request, "reloaded", found | ({"code": outcome.error.code} if outcome.error else {})
        )
        if outcome.error is not None:
            raise _refresh_error(outcome.error, current)
        version = components.models.require().info.version
        message = f"Version {version} is in service {'now' if outcome.changed else 'already'}."
        return ReloadResponse(changed=outcome.changed, model_version=version, message=message)

    return router


def _refresh_error(error: TiltyardError, current: ServedVersion | None) -> TiltyardError:
    stays = f" Version {current.info.version} stays in service." if current else ""
    kind = ArtifactError if isinstance(error, ArtifactError) else UnavailableError
    return kind(error.message + stays, next_step=error.next_step, code=error.code)


def _model_info(version: ServedVersion, answer_field: str) -> ModelInfoResponse:
    manifest, info = version.manifest, version.info
    return ModelInfoResponse(
        model_name=info.name,
        version=info.version,
        alias=version.alias,
        task=manifest.task,
        input=TASKS[manifest.task].input,
        target=TASKS[manifest.task].target,
        classes=list(manifest.classes),
        positive=manifest.positive,
        features=describe_features(manifest),
        answer_field=answer_field,
        decision="" if manifest.decision is None else manifest.decision.describe(),
        prediction_sets=_describe_sets(version.sets),
        interval_coverage=version.evidence.get("interval_coverage"),
        interval_coverage_measured=version.evidence.get("interval_coverage_measured"),
        metrics=dict(info.metrics or manifest.metrics),
        description=info.description or "",
        run_id=info.run_id,
        created_at=info.created_at,
        served_since=version.since,
        scorer=version.scorer.kind,
        scorer_reason=getattr(version.scorer, "reason", ""),
        scorer_microseconds=version.evidence.get("microseconds_alone"),
        scorer_microseconds_batched=version.evidence.get("microseconds_batched"),
        data_fingerprint=manifest.data_fingerprint,
        libraries=dict(manifest.libraries),
    )


def _describe_sets(sets: SetCalibration | None) -> PredictionSetsState | None:
    if sets is None:
        return None
    return PredictionSetsState(
        rows=sets.rows,
        highest_confidence_level=sets.highest_level,
        highest_by_label={label: one.highest_level for one in sets.categories for label in one.labels},
        measured_level=sets.level,
        coverage={one.title: one.share for one in sets.measured},
        mean_labels=sets.measured[0].size if sets.measured else None,
    )
