"""The JSON forms of the routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from tiltyard.choices import Role
from tiltyard.console.api.action_forms import ActionDescription
from tiltyard.console.data.input_places import CellPlace
from tiltyard.ledger import Event, Label, Prediction
from tiltyard.ledger.batch_runs import BatchRun
from tiltyard.notifications.alerts import Alert, AlertNote
from tiltyard.registry import VersionInfo
from tiltyard.registry.alias_history import ChampionPeriod
from tiltyard.serving.http.schemas import ResponseModel


class SessionState(ResponseModel):
    """Who asks."""

    actor: str = Field(description="The name that decisions are recorded under.")
    role: Role | None
    signed_in: bool = Field(description="Whether the name is proved by an API key.")
    model: str = Field(description="Name of the registered model.")


class VersionState(ResponseModel):
    """A registered version."""

    version: str
    label: str | None = Field(description="Its semantic version.")
    aliases: list[str]
    stage: str
    created_at: datetime
    run_id: str | None
    metrics: dict[str, float] = Field(description="On the test rows of its training.")
    tags: dict[str, str]
    description: str

    @classmethod
    def describe(cls, info: VersionInfo) -> VersionState:
        """The form of a version."""
        return cls(
            version=info.version,
            label=info.label,
            aliases=list(info.aliases),
            stage=info.stage,
            created_at=info.created_at,
            run_id=info.run_id,
            metrics=dict(info.metrics),
            tags=dict(info.tags),
            description=info.description,
        )


class VersionList(ResponseModel):
    """The versions of the model."""

    model: str
    metric: str = Field(description="The project's metric, by which versions are compared.")
    versions: list[VersionState] = Field(description="The newest first.")


class EventState(ResponseModel):
    """A decision, from the chain of decisions."""

    sequence: int
    at: datetime
    kind: str
    subject: str
    actor: str
    reason: str
    evidence: dict[str, Any]
    digest: str

    @classmethod
    def describe(cls, event: Event) -> EventState:
        """The form of an event."""
        return cls(
            sequence=event.sequence,
            at=event.at,
            kind=event.kind,
            subject=event.subject,
            actor=event.actor,
            reason=event.reason,
            evidence=dict(event.evidence),
            digest=event.digest,
        )


class VersionDetailsState(ResponseModel):
    """A version, what was decided about it, and what can be done with it."""

    version: VersionState
    events: list[EventState] = Field(description="The decisions about it, the oldest first.")
    actions: list[ActionDescription]


class PredictionState(ResponseModel):
    """A recorded prediction."""

    prediction_id: str
    at: datetime
    version: str
    route: str
    input: dict[str, Any]
    label: str
    confidence: float | None = Field(description="Null of a number.")
    probabilities: dict[str, float]
    interval: list[float | None] | None = Field(description="The two ends of a number's interval; else null.")
    latency_ms: float | None
    key: str | None

    @classmethod
    def describe(cls, row: Prediction) -> PredictionState:
        """The form of a prediction."""
        return cls(
            prediction_id=row.id,
            at=row.at,
            version=row.version,
            route=row.route,
            input=dict(row.input),
            label=row.label,
            confidence=row.confidence,
            probabilities=dict(row.probabilities),
            interval=None if row.interval is None else list(row.interval),
            latency_ms=row.latency_ms,
            key=row.key,
        )


class PredictionList(ResponseModel):
    """Predictions that match, the newest first."""

    predictions: list[PredictionState]
    older: str | None = Field(description="As 'until' of the next request: from where older ones come; null: no more.")


class LabelState(ResponseModel):
    """A label as it was reported."""

    label: str
    at: datetime
    source: str
    reason: str = Field(description="Why it was requested; organic for one that nobody requested.")

    @classmethod
    def describe(cls, label: Label) -> LabelState:
        """The form of a label."""
        return cls(label=label.label, at=label.at, source=label.source, reason=label.reason)


class CellPlaceState(ResponseModel):
    """A cell among the training rows."""

    words: str = Field(description="Where it lies.")
    below: float | None = Field(description="Share of the training values that are less; none of a category.")
    share: float | None = Field(description="Share of the training rows with the same value, or in the same bin.")
    is_new: bool = Field(description="Whether training had no such value, or none so small or so great.")

    @classmethod
    def describe(cls, place: CellPlace) -> CellPlaceState:
        """The form of a place."""
        return cls(words=place.words, below=place.below, share=place.share, is_new=place.is_new)


class PredictionDetailsState(ResponseModel):
    """A prediction, its labels, and what can be done with it."""

    prediction: PredictionState
    labels: list[LabelState] = Field(description="All that were reported, the oldest first; the last one counts.")
    actions: list[ActionDescription]
    training: dict[str, CellPlaceState] = Field(
        description="Where the cells of the input lie among the training rows of the version, by column."
    )


class NoteState(ResponseModel):
    """What a person said about an incident."""

    by: str
    at: datetime
    reason: str
    until: datetime | None

    @classmethod
    def describe(cls, note: AlertNote | None) -> NoteState | None:
        """The form of a note."""
        return None if note is None else cls(by=note.by, at=note.at, reason=note.reason, until=note.until)


class IncidentState(ResponseModel):
    """An incident: what happened, what was done, and what to do."""

    id: str
    kind: str = Field(description="The kind of incident, such as drift.")
    state: Literal["open", "cleared"]
    needs_attention: bool = Field(description="Whether it is open, and nobody acknowledged or snoozed it.")
    severity: str
    title: str
    happened: list[str] = Field(description="What was found, a line each.")
    done: str = Field(description="What was done about it, or why nothing was.")
    to_do: str = Field(description="What a person can do about it.")
    raised_at: datetime
    changed_at: datetime
    cleared_at: datetime | None
    acknowledged: NoteState | None
    snoozed: NoteState | None

    @classmethod
    def describe(cls, alert: Alert, now: datetime) -> IncidentState:
        """The form of an alert."""
        return cls(
            id=alert.id,
            kind=alert.incident,
            state=alert.state,
            needs_attention=alert.needs_attention(now),
            severity=alert.severity,
            title=alert.title,
            happened=list(alert.happened),
            done=alert.done,
            to_do=alert.to_do,
            raised_at=alert.raised_at,
            changed_at=alert.changed_at,
            cleared_at=alert.cleared_at,
            acknowledged=NoteState.describe(alert.acknowledged),
            snoozed=NoteState.describe(alert.snoozed),
        )


class IncidentList(ResponseModel):
    """Incidents, the newest first."""

    incidents: list[IncidentState]


class IncidentDetailsState(ResponseModel):
    """An incident, and what can be done about it."""

    incident: IncidentState
    actions: list[ActionDescription] = Field(description="Acknowledge, snooze, and the remedies that fit.")


class QueuedPrediction(ResponseModel):
    """A prediction that waits for a label."""

    prediction_id: str
    requested_at: datetime
    reason: str = Field(description="Why it was chosen: random, uncertain, abstained or drifted.")
    input: dict[str, Any]
    predicted: str | None = Field(description="The prediction; null unless the request wants it.")
    confidence: float | None = Field(description="Likewise.")


class LabelingQueueState(ResponseModel):
    """The labelling queue."""

    requested: int = Field(description="Predictions whose label was requested, ever.")
    labelled: int = Field(description="Those among them that have a label.")
    by_source: dict[str, int] = Field(description="Labels of requested predictions, by who gave them.")
    random_requested: int = Field(description="Predictions that were drawn at random.")
    random_labelled: int = Field(description="Those among them that have a label.")
    classes: list[str] = Field(description="What a label may be; empty where numbers are predicted or none is known.")
    waiting: list[QueuedPrediction] = Field(description="The next ones, in the order of the queue.")


class RunList(ResponseModel):
    """The runs of the project's experiment, the newest first."""

    runs: list[dict[str, Any]]


class BatchRunState(ResponseModel):
    """A table that was scored as a whole."""

    id: str
    version: str
    source: str
    target: str
    started: datetime
    finished: datetime | None
    rows: int
    refused: int
    recorded: int
    evidence: dict[str, Any]

    @classmethod
    def describe(cls, run: BatchRun) -> BatchRunState:
        """The form of a batch run."""
        return cls(
            id=run.id,
            version=run.version,
            source=run.source,
            target=run.target,
            started=run.started,
            finished=run.finished,
            rows=run.rows,
            refused=run.refused,
            recorded=run.recorded,
            evidence=dict(run.evidence),
        )


class BatchRunList(ResponseModel):
    """Batch runs, the newest first."""

    batches: list[BatchRunState]


class ChampionState(ResponseModel):
    """Who was champion, since when, and by which decision."""

    version: str
    since: datetime
    decision: EventState


def describe_champion(period: ChampionPeriod | None) -> ChampionState | None:
    """The form of a period with a champion; None for one without."""
    if period is None or period.version is None:
        return None
    return ChampionState(version=period.version, since=period.since, decision=EventState.describe(period.event))


class AuditState(ResponseModel):
    """The chain of decisions."""

    whole: bool = Field(description="Whether no event was changed, removed or inserted, as far as anchors tell.")
    broken: list[str] = Field(description="A sentence for each broken link.")
    chain_events: int = Field(description="Events of the whole chain, of all models.")
    anchors: int = Field(description="Anchors in the registry that agree.")
    end: str = Field(description="Number and digest of the last event; keep it outside the ledger.")
    at: datetime | None = Field(description="The time of the request.")
    champion: ChampionState | None = Field(
        description="Who served at that time; null where nobody did, or no time was given."
    )
    events: list[EventState] = Field(description="The latest decisions about the model, the newest first.")
    total: int = Field(description="Decisions about the model.")
