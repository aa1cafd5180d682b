"""The responses of the routes, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from tiltyard.scoring import WarningCode, Warnings
from tiltyard.serving.predict.protocols.task_part import TaskServing
from tiltyard.tasks import TaskTarget


class ResponseModel(BaseModel):
    """A JSON object of a response."""

    model_config = ConfigDict(frozen=True)


class QueueState(ResponseModel):
    """Inputs on their way to the model."""

    waiting: int = Field(description="Inputs that wait for their batch.")
    limit: int = Field(description="Most inputs that may wait; beyond that the response is 503.")
    batches: int = Field(description="Batches scored since the start.")
    largest_batch: int = Field(description="Inputs of the largest batch since the start.")


class ComponentState(ResponseModel):
    """Whether something that the server depends on can be reached."""

    ok: bool = Field(description="Whether it worked when it was last needed.")
    reason: str = Field(default="", description="What is wrong; empty if nothing is.")
    checked_at: datetime | None = Field(default=None, description="When that was checked, UTC.")


class LedgerState(ComponentState):
    """Whether predictions can be recorded, and how far the central ledger is behind."""

    lag_rows: int = Field(default=0, description="Records of this host that wait to be shipped to the central ledger.")
    lag_seconds: float = Field(default=0.0, description="Age of the oldest waiting prediction, in seconds.")
    unrecorded: int = Field(
        default=0, description="Predictions sent that could not be recorded yet (policy 'available')."
    )
    set_aside: int | None = Field(
        default=None,
        description=(
            "Records of any host that the ledger could not store in their place, at most ten seconds ago; null while "
            "the ledger does not respond, and for callers without the scope `read`."
        ),
    )


class StatisticsState(ResponseModel):
    """Totals over the recorded predictions of the model."""

    total_predictions: int
    by_label: dict[str, int]
    by_version: dict[str, int]
    mean_confidence: float | None
    min_confidence: float | None
    max_confidence: float | None
    mean_latency_ms: float | None
    complete: bool = Field(
        description="Whether predictions from before the start of the server are counted, and no worker was killed "
        "with its last counts."
    )


class HealthResponse(ResponseModel):
    """The state of the server."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="degraded: something the server depends on is away; unhealthy: no version can predict."
    )
    model_loaded: bool = Field(description="Whether there is a version to predict with.")
    ready: bool = Field(description="Whether a request that comes now would be predicted and recorded.")
    model: str = Field(description="Name of the registered model.")
    version: str | None = Field(description="Version in service.")
    challenger: str | None = Field(default=None, description="Challenger that predicts too, if one does.")
    loading: str | None = Field(default=None, description="Version that is being loaded, to take over.")
    reason: str = Field(default="", description="Why it is not healthy; empty if it is.")
    next_step: str = Field(default="", description="What to do about it.")
    uptime_seconds: float
    queue: QueueState
    ledger: LedgerState
    registry: ComponentState
    statistics: StatisticsState | None = Field(description="Totals of the predictions, for callers who may read them.")


class Feature(ResponseModel):
    """One feature of a table model."""

    name: str
    type: Literal["number", "boolean", "text", "time", "any"] = Field(
        description="What a value has to be; null always means a value that is not known."
    )
    values: list[str] | None = Field(
        default=None, description="The values that training knew; null for numbers, and where they are too many."
    )
    minimum: float | None = Field(default=None, description="Smallest number in training.")
    maximum: float | None = Field(default=None, description="Largest number in training.")
    example: str | float | bool | None = Field(
        default=None, description="A usual value: the median or the most frequent one of a few test rows."
    )


class PredictionSetsState(ResponseModel):
    """What the prediction sets of a version's labels are made of."""

    rows: int = Field(description="Held-out rows whose scores the version carries.")
    highest_confidence_level: float = Field(description="The highest confidence_level that a request may ask for.")
    highest_by_label: dict[str, float] = Field(
        description="Above this confidence_level a label is in every set, as too few held-out rows had it."
    )
    measured_level: float = Field(description="The confidence_level for which the coverage was measured.")
    coverage: dict[str, float] = Field(
        description="The share of the sets that held the true label: all rows, those of each label, and of each slice."
    )
    mean_labels: float | None = Field(description="The mean number of labels in these sets; null if not measured.")


class ModelInfoResponse(ResponseModel):
    """The version in service."""

    model_name: str
    version: str
    alias: str
    task: str
    input: Literal["text", "table"] = Field(description="What the model reads.")
    target: Literal["class", "number"] = Field(description="What it predicts.")
    classes: list[str] = Field(description="The labels that it knows; empty where it predicts numbers.")
    positive: str | None
    features: list[Feature] = Field(description="Features of a table model; empty for text.")
    answer_field: str = Field(description="Name of the field that holds the predicted label or number.")
    decision: str = Field(description="Which label is predicted at which probabilities; empty where the likeliest is.")
    interval_coverage: float | None = Field(
        description="Share of the true numbers that the intervals are to hold; null for classes, and without intervals."
    )
    prediction_sets: PredictionSetsState | None = Field(
        description="What prediction sets of its labels are made of; null for numbers, and for a version without."
    )
    interval_coverage_measured: float | None = Field(
        description="The share that they held on the test rows of the training; null where there is none."
    )
    metrics: dict[str, float] = Field(description="Metrics on the test rows, as the version was registered.")
    description: str
    run_id: str | None = Field(description="MLflow run that made it.")
    created_at: datetime | None
    served_since: datetime
    scorer: str = Field(description="What computes the predictions, such as compiled text or scikit-learn.")
    scorer_reason: str = Field(description="Why scikit-learn itself predicts; empty where a compiled scorer does.")
    scorer_microseconds: float | None = Field(description="What one input alone cost when the version was loaded.")
    scorer_microseconds_batched: float | None = Field(description="The same for each input of a batch of fifty.")
    data_fingerprint: str = Field(description="Digest of the rows it was trained and evaluated on.")
    libraries: dict[str, str] = Field(description="Library versions it was made with.")


class ReloadResponse(ResponseModel):
    """The result of looking for another version."""

    changed: bool = Field(description="Whether another version is in service now.")
    model_version: str = Field(description="Version in service.")
    message: str


class ProblemField(ResponseModel):
    """One field of the request that is wrong."""

    field: str = Field(description="Where it stands, such as texts[3] or features.age.")
    message: str


class Problem(ResponseModel):
    """What went wrong and what to do about it (RFC 9457)."""

    type: str = Field(description="Where the kind of error is explained.")
    title: str
    status: int
    detail: str
    code: str = Field(description="A stable name for programs.")
    next_step: str
    errors: list[ProblemField] = Field(default=[], description="The fields that are wrong, if it is about fields.")


class UnknownValue(ResponseModel):
    """A value, or a column, that training did not know."""

    field: str = Field(description="The column, or text.")
    code: WarningCode
    value: Any = Field(description="The value; null for one that is neither text, number nor boolean.")
    message: str = Field(description="What is unusual about it.")


def list_unknown_values(warnings: Warnings) -> list[list[UnknownValue]]:
    """The warnings of n inputs, as a response shows them."""
    return [
        [UnknownValue(field=found.field, code=found.code, value=found.value, message=found.message) for found in row]
        for row in warnings
    ]


_WARNINGS = "What training did not know of the input; absent where there is nothing to say."
_RECORDED = "false where the prediction could not be recorded, and the project has it sent all the same; else absent."


def prediction_schema(label_field: str, target: TaskTarget) -> type[BaseModel]:
    """The prediction of one input, whose label (or number) stands in the field ``label_field``."""
    of_target = TaskServing.find_for_target(target)
    fields: dict[str, Any] = {
        **of_target.answer_fields(label_field),
        "model_version": (str, Field(description="Version that predicted.")),
        "prediction_id": (str, Field(description="Its id in the ledger (UUID); report the true label with it.")),
        "recorded": (bool, Field(default=True, description=_RECORDED)),
        **of_target.optional_fields(),
        "warnings": (list[UnknownValue], Field(default=[], description=_WARNINGS)),
    }
    return create_model("Prediction", __base__=ResponseModel, __doc__="The prediction of one input.", **fields)


def predictions_schema(prediction: type[BaseModel]) -> type[BaseModel]:
    """The predictions of many inputs."""
    fields: dict[str, Any] = {
        "recorded": (bool, Field(default=True, description=_RECORDED)),
        "predictions": (list[prediction], Field(description="One prediction for each input, in their order.")),  # type: ignore[valid-type]
    }
    return create_model("Predictions", __base__=ResponseModel, __doc__="The predictions of many inputs.", **fields)
