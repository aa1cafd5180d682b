"""The Open Inference Protocol V2: what its requests mean for a model of texts or of tables.

A model of texts takes one BYTES tensor of n texts that is called ``text``, or as the column in the training file. A
model of tables takes a tensor of n values for each feature, named as the feature (what MLServer's content type ``pd``
sends too); or, where all its features are numbers, one tensor of n rows with the features in the model's order. Tensors
that the model does not know are ignored with a warning. Shapes are [n], [n, 1] and [n, k].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from tiltyard.formatting import format_count
from tiltyard.ledger.records import Prediction
from tiltyard.scoring import InputProblem, Warnings
from tiltyard.scoring.input_errors import advise_names
from tiltyard.scoring.table.columns import InputColumns, InputKind
from tiltyard.scoring.text.text_inputs import TEXT, TextColumns
from tiltyard.serving.predict.bodies.json_body import parse_json
from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.serving.predict.inputs import PredictionRequest, name_rows, read_confidence_level, refuse_surplus_inputs
from tiltyard.serving.predict.protocols.task_part import TaskServing
from tiltyard.serving.predict.protocols.tensors import (
    BYTES,
    DATATYPES,
    TensorError,
    tensor_from_binary,
    tensor_from_json,
    tensor_to_binary,
)
from tiltyard.serving.problem_details import FieldProblem, RequestError, invalid_fields
from tiltyard.tasks import PREDICTION_SET, TARGETS

BINARY_SIZE = "binary_data_size"
_LONGEST_NAME = 80
_DATATYPE: dict[InputKind, str] = {"number": "FP64", "boolean": "BOOL", "text": BYTES, "time": BYTES, "any": BYTES}


class _V2Model(BaseModel):
    """A part of a request; fields that the protocol does not have are ignored, as it demands."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class InputTensor(_V2Model):
    """One tensor of a request."""

    name: str
    shape: list[Annotated[int, Field(ge=0, le=2**31)]] = Field(min_length=1, max_length=2)
    datatype: str = Field(json_schema_extra={"enum": list(DATATYPES)})
    parameters: dict[str, Any] = {}
    data: list[Any] | None = Field(default=None, description="Its elements, unless they follow the JSON as bytes.")


class RequestedOutput(_V2Model):
    """One tensor that is wanted."""

    name: str
    parameters: dict[str, Any] = {}


class InferenceRequest(_V2Model):
    """A request for predictions; of its parameters ``confidence_level`` and ``binary_data_output`` mean something."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor] = Field(min_length=1, max_length=10_000)
    outputs: list[RequestedOutput] | None = None


@dataclass(frozen=True, slots=True)
class Inference:
    """A request as this server understands it.

    Attributes:
        inputs: what to predict.
        request: the request as it came.
    """

    inputs: PredictionRequest
    request: InferenceRequest


@dataclass(frozen=True, slots=True)
class Output:
    """One tensor of the response, n elements or n rows of k."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]
    parameters: Mapping[str, Any]


def read_inference(
    body: bytes | bytearray,
    header_length: int | None,
    columns: InputColumns | TextColumns,
    limit: ValueLimit,
    outputs: tuple[str, ...],
) -> Inference:
    """Read a request.

    Args:
        body: JSON, and behind it the tensors that came as bytes.
        header_length: bytes of the JSON, where tensors follow it.
        columns: the columns that the model knows, of a table or of texts.
        limit: how many values it may hold.
        outputs: names of the tensors that the model returns.

    Raises:
        RequestError: it is not a request of the protocol, not one for this model, or too large.
    """
    if header_length is not None and header_length > len(body):
        raise invalid_fields(
            [
                FieldProblem(
                    "Inference-Header-Content-Length", f"is more than the body's {format_count(len(body), 'byte')}"
                )
            ]
        )
    split = len(body) if header_length is None else header_length
    request = parse_json(body if split == len(body) else body[:split], InferenceRequest, limit)
    _check_sizes(request.inputs, limit)
    tensors = _tensor_values(request.inputs, memoryview(body)[split:])
    level = read_confidence_level(request.parameters, "parameters.")
    known = outputs if level is None else (*outputs, PREDICTION_SET)
    for position, output in enumerate(request.outputs or ()):
        if output.name not in known:
            message = f"is {output.name!r:.80}, and has to be one of {', '.join(known)}"
            raise invalid_fields([FieldProblem(f"outputs[{position}].name", message)])
    return Inference(replace(_read_rows(request, tensors, columns), confidence_level=level), request)


def output_tensors(
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    request: InferenceRequest,
    sets: Sequence[Sequence[str]] | None = None,
) -> list[Output]:
    """The tensors of a response: those that the request names, in its order.

    Args:
        predictions: of n inputs.
        classes: the k labels, in the order of the columns.
        request: the request.
        sets: the labels in the prediction set of each input; None where the request wants none.
    """
    rows, named = len(predictions), {"classes": list(classes)}
    ids = Output("prediction_id", BYTES, (rows,), [item.id for item in predictions], {})
    every = (
        _number_tensors(predictions) | {ids.name: ids}
        if predictions[0].confidence is None
        else {
            "label": Output("label", BYTES, (rows,), [item.label for item in predictions], {}),
            "probabilities": Output(
                "probabilities",
                "FP64",
                (rows, len(classes)),
                [item.probabilities.get(name, 0.0) for item in predictions for name in classes],
                named,
            ),
            **({} if sets is None else {PREDICTION_SET: _set_tensor(sets, classes)}),
            ids.name: ids,
        }
    )
    return [every[output.name] for output in request.outputs] if request.outputs else list(every.values())


def _set_tensor(sets: Sequence[Sequence[str]], classes: Sequence[str]) -> Output:
    """Of each input and label whether the label is in the set."""
    held = [name in labels for labels in map(set, sets) for name in classes]
    return Output(PREDICTION_SET, "BOOL", (len(sets), len(classes)), held, {"classes": list(classes)})


def _number_tensors(predictions: Sequence[Prediction]) -> dict[str, Output]:
    """The tensors of predicted numbers; an end of an interval that is open is NaN, in JSON null."""
    rows = len(predictions)
    ends = [end for item in predictions for end in item.interval or (None, None)]
    return {
        "prediction": Output("prediction", "FP64", (rows,), [float(item.label) for item in predictions], {}),
        "interval": Output("interval", "FP64", (rows, 2), [math.nan if end is None else end for end in ends], {}),
    }


def write_response(
    outputs: Sequence[Output],
    request: InferenceRequest,
    version: tuple[str, str],
    *,
    recorded: bool = True,
    warnings: Warnings | None = None,
) -> tuple[bytes, int | None]:
    """The body of a response, and the length of its JSON where tensors follow it as bytes.

    Args:
        outputs: its tensors.
        request: the request.
        version: names of the model and of the version that predicted.
        recorded: whether the predictions are in the ledger; the response says so only if they are not.
        warnings: those of each input; None for none.
    """
    binary = _binary_outputs(request)
    shown, tail = [], []
    for output in outputs:
        tensor = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
        parameters = dict(output.parameters)
        if output.name in binary:
            tail.append(tensor_to_binary(output.datatype, output.data))
            parameters[BINARY_SIZE] = len(tail[-1])
        else:
            tensor["data"] = output.data
        shown.append(tensor | ({"parameters": parameters} if parameters else {}))
    content: dict[str, Any] = {"model_name": version[0], "model_version": version[1]}
    if request.id is not None:
        content["id"] = request.id
    facts: dict[str, Any] = {} if recorded else {"recorded": False}
    if warnings is not None and any(warnings):
        facts["warnings"] = [{"row": row, **asdict(warning)} for row, found in enumerate(warnings) for warning in found]
    if facts:
        content["parameters"] = facts
    head = msgspec.json.encode({**content, "outputs": shown})
    return (head + b"".join(tail), len(head)) if tail else (head, None)


def input_metadata(columns: InputColumns | TextColumns) -> list[dict[str, Any]]:
    """The tensors that a model takes."""
    if isinstance(columns, TextColumns):
        return [{"name": TEXT, "datatype": BYTES, "shape": [-1]}]
    return [{"name": column.name, "datatype": _DATATYPE[column.kind], "shape": [-1]} for column in columns]


def _check_sizes(tensors: Sequence[InputTensor], limit: ValueLimit) -> None:
    """Refuse tensors of more elements than the limit allows, before any of them is made.

    Raises:
        RequestError: there are more rows, or elements.
    """
    refuse_surplus_inputs(max(tensor.shape[0] for tensor in tensors), limit.rows)
    if sum(math.prod(tensor.shape) for tensor in tensors) > limit.values:
        raise limit.surplus_error("element")


def _tensor_values(tensors: Sequence[InputTensor], tail: memoryview) -> list[list[Any]]:
    """The elements of each tensor, from the JSON or from the bytes behind it."""
    values, place = [], 0
    for position, tensor in enumerate(tensors):
        try:
            if tensor.datatype not in DATATYPES:
                raise TensorError(f"has the datatype {tensor.datatype!r:.40}, which is none of {', '.join(DATATYPES)}")
            count = math.prod(tensor.shape)
            size = tensor.parameters.get(BINARY_SIZE)
            if size is None:
                coded = tensor.parameters.get("content_type") == "base64"
                values.append(tensor_from_json(tensor.datatype, tensor.data, count, base64_coded=coded))
                continue
            if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(tail) - place:
                raise TensorError(f"has {BINARY_SIZE} {size!r:.40}, and {len(tail) - place} bytes are left")
            values.append(tensor_from_binary(tensor.datatype, bytes(tail[place : place + size]), count))
            place += size
        except TensorError as error:
            # A tensor is a column, so its name says more than its place.
            named = tensor.name[:_LONGEST_NAME] or f"inputs[{position}]"
            raise invalid_fields([FieldProblem(named, str(error))]) from None
    if place != len(tail):
        raise invalid_fields(
            [FieldProblem("inputs", f"name {place} of the {format_count(len(tail), 'byte')} behind the JSON")]
        )
    return values


def _read_rows(
    request: InferenceRequest, tensors: Sequence[list[Any]], columns: InputColumns | TextColumns
) -> PredictionRequest:
    names = [tensor.name for tensor in request.inputs]
    features = [columns.name] if isinstance(columns, TextColumns) else [column.name for column in columns]
    [first, *more] = request.inputs
    if not more and len(first.shape) == 2 and first.shape[1] == len(features) and _is_unnamed(first, columns):
        width = len(features)
        rows = [
            dict(zip(features, tensors[0][start : start + width], strict=True))
            for start in range(0, len(tensors[0]), width)
        ]
    else:
        _check_same_rows(request.inputs, names, features)
        rows = [dict(zip(names, row, strict=True)) for row in zip(*tensors, strict=True)]
    count = len(rows)
    return name_rows(rows, columns, lambda problem: _name_place(problem, count))


def _is_unnamed(tensor: InputTensor, columns: InputColumns | TextColumns) -> bool:
    """Whether a tensor's columns are a table's features in the model's order, because its name is none of them."""
    return not isinstance(columns, TextColumns) and tensor.name not in [column.name for column in columns]


def _check_same_rows(tensors: Sequence[InputTensor], names: Sequence[str], features: Sequence[str]) -> None:
    rows = tensors[0].shape[0]
    for position, tensor in enumerate(tensors):
        if names.index(tensor.name) != position:
            raise invalid_fields([FieldProblem(f"inputs[{position}].name", f"is {tensor.name!r:.80}, as another's is")])
        name = tensor.name[:_LONGEST_NAME]
        if len(tensor.shape) == 2 and tensor.shape[1] != 1:
            message = f"is {tensor.shape}, {tensor.shape[1]} values a row, and the model reads {len(features)}"
            step = "Send one tensor for each column" + (
                "." if tensor.name in features else ", or one of as many values in each row as the model has features."
            )
            raise invalid_fields([FieldProblem(f"{name}.shape", message, f"{step} {advise_names(features)}")])
        if tensor.shape[0] != rows:
            message = f"is {tensor.shape}, and has to be [{rows}] or [{rows}, 1] as the first tensor's"
            raise invalid_fields([FieldProblem(f"{name}.shape", message)])


def _name_place(problem: InputProblem, rows: int) -> str:
    """The column of a problem, with the row (from 0) where there are several; or the row, if it is about all of it."""
    if not problem.field:
        return f"row {problem.position}"
    return problem.field if rows == 1 else f"{problem.field}[{problem.position}]"


def _binary_outputs(request: InferenceRequest) -> frozenset[str]:
    """The names of the tensors that the request wants as bytes."""
    every = bool(request.parameters.get("binary_data_output"))
    if request.outputs is None:
        known = (name for target in TARGETS for name in TaskServing.find_for_target(target).tensors)
        return frozenset((*known, PREDICTION_SET)) if every else frozenset()
    return frozenset(output.name for output in request.outputs if output.parameters.get("binary_data", every))


def unknown_model(requested: str, served: str) -> RequestError:
    """The error for a model that this server does not serve."""
    return RequestError(
        f"There is no model {requested!r:.80} here.",
        status=404,
        code="model.unknown",
        next_step=f"The server has {served}.",
    )
