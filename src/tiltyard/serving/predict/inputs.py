"""The inputs of a request: what a route takes, how its body is decoded, and where in it a wrong field stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from tiltyard.data.conform.rows import CellError
from tiltyard.errors import InputError
from tiltyard.formatting import format_count
from tiltyard.json_reading import are_keys_distinct, find_repeated_key, is_named_once
from tiltyard.project import ServingSection
from tiltyard.scoring import InputProblem, Warnings, list_problems
from tiltyard.scoring.input_errors import UNKNOWN_COLUMN
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.task_part import TaskScoring
from tiltyard.scoring.text.text_inputs import TEXT, TextColumns, read_group
from tiltyard.serving.field_errors import describe_value
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.bodies.budget import ALWAYS_TAKEN
from tiltyard.serving.predict.bodies.json_body import decode_json_body
from tiltyard.serving.predict.bodies.json_values import ValueLimit, refuse_surplus_values, replace_nan
from tiltyard.serving.problem_details import MOST_FIELDS, FieldProblem, RequestError, invalid_fields
from tiltyard.suggest import nearest
from tiltyard.tasks import CONFIDENCE_LEVEL, Task, check_confidence_level, reads_text, require_sets

# A character of a JSON string may take six bytes (\uXXXX), one outside of the basic plane twelve.
_BYTES_PER_CHARACTER = 6
_ENVELOPE = 64 * 1024
_LARGEST_BODY = 64 * 1024 * 1024
_LONGEST_NAME = 80
# A body with the field twice has so many bytes besides the text: {"text":"","text":""}.
_LEAST_OF_TWO_TEXTS = 21

GROUP = "group"
"""The field of the group of a text, on the routes of Tiltyard's own."""

_EXAMPLES = {
    "text": '{"text": "…"}',
    "texts": '{"texts": ["…", "…"]}',
    "features": '{"features": {"name": value, …}}',
    "instances": '{"instances": [{"name": value, …}, …]}',
}

Inputs = Sequence[Mapping[str, Any]]
FieldNaming = Callable[[InputProblem], str]
"""Where in the caller's request the field of an input stands."""


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """The inputs of a request, whatever protocol it came by.

    Attributes:
        inputs: each ``{"text": …}`` or the features by name.
        name_field: where in the request a field of an input stands.
        many: whether the caller sent a list of inputs.
        checked: whether ``check_inputs`` has nothing left to check, because decoding did that in one go.
        ignores_columns: whether columns that the model does not know are ignored with a warning; else they are refused.
        warnings: those of each input that were found while it was decoded; None for none.
        confidence_level: of the prediction sets that the caller wants; None for no sets.
    """

    inputs: Inputs
    name_field: FieldNaming
    many: bool = True
    checked: bool = False
    ignores_columns: bool = False
    warnings: Warnings | None = None
    confidence_level: float | None = None


@dataclass(frozen=True, slots=True)
class InputShape:
    """What a route takes: ``{"text": …}``, ``{"features": {…}}``, ``{"texts": […]}`` or ``{"instances": […]}``.

    A text may have its group with it: ``{"text": …, "group": …}``, which may be an item of ``texts`` too. A
    ``confidence_level`` may come with the inputs.

    Attributes:
        task: what is predicted from what.
        many: whether it is a list of inputs.
        max_text: longest text, in characters.
        max_inputs: most inputs of the list.
        columns: how many columns a row may have.
        key: the key of the inputs.
        max_body: largest body, in bytes.
    """

    task: Task
    many: bool
    max_text: int
    max_inputs: int
    columns: int
    # Computed once: each request reads them.
    key: str = field(init=False)
    max_body: int = field(init=False)

    def __post_init__(self) -> None:
        """Compute what follows from the rest."""
        one, several = ("text", "texts") if reads_text(self.task) else ("features", "instances")
        inputs = self.max_inputs if self.many else 1
        largest = min(_LARGEST_BODY, _ENVELOPE + inputs * self.max_text * _BYTES_PER_CHARACTER)
        object.__setattr__(self, "key", several if self.many else one)
        object.__setattr__(self, "max_body", largest)

    @classmethod
    def from_options(cls, task: Task, options: ServingSection, *, many: bool, columns: int = 1) -> InputShape:
        """The shape that a project's options set, for a version with so many columns."""
        return cls(task, many, options.max_text, min(options.max_request, options.max_queue), columns)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the request may have; the first has to be there."""
        return (self.key, *([GROUP] if self.key == TEXT else []), CONFIDENCE_LEVEL)

    @property
    def example(self) -> str:
        """What a request looks like."""
        return _EXAMPLES[self.key]

    @property
    def value_limit(self) -> ValueLimit:
        """Most values of a body."""
        return ValueLimit(self.max_inputs if self.many else 1, self.columns)

    def name_field(self, problem: InputProblem) -> str:
        """Where in a body of this shape a field of an input stands, such as ``instances[3].age``."""
        path = f"{self.key}[{problem.position}]" if self.many else self.key
        return path if reads_text(self.task) or not problem.field else f"{path}.{problem.field}"


def decode_inputs(body: bytes | bytearray, shape: InputShape) -> tuple[list[Mapping[str, Any]], float | None]:
    """The inputs in a body, at least one, and the confidence of the prediction sets that it asks for, if it does.

    Decodes and checks in one go, and explains what fails the slow way.

    Raises:
        RequestError: it is not JSON, not of this shape, or holds more values than so many inputs need.
    """
    if len(body) > ALWAYS_TAKEN:
        refuse_surplus_values(body, shape.value_limit)
    inputs = _decode_ordinary(body, shape)
    return parse_inputs(body, shape) if inputs is None else (inputs, None)


def _decode_ordinary(body: bytes | bytearray, shape: InputShape) -> list[Mapping[str, Any]] | None:
    """The inputs of a body that has nothing wrong or unusual; None of any other."""
    try:
        content = _DECODERS[shape.key](body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # Even where it is null: a field that is there may be there twice.
    if content.confidence_level is not UNSET:
        return None
    if isinstance(content, _Text):
        text = content.text
        if len(text) > shape.max_text or content.group is not UNSET:
            return None
        inputs: list[Mapping[str, Any]] = [{TEXT: text}]
        surely = len(body) - len(text) < _LEAST_OF_TWO_TEXTS or is_named_once(body, b"text")
    elif isinstance(content, _Row):
        inputs = [content.features]
        surely = are_keys_distinct(body, inputs, 1)
    elif isinstance(content, _Texts):
        texts = content.texts
        if not 0 < len(texts) <= shape.max_inputs or max(map(len, texts)) > shape.max_text:
            return None
        inputs = [{TEXT: text} for text in texts]
        surely = is_named_once(body, b"texts")
    else:
        inputs = content.instances
        if not 0 < len(inputs) <= shape.max_inputs:
            return None
        surely = are_keys_distinct(body, inputs, 1)
    return inputs if surely or find_repeated_key(body) is None else None


def parse_inputs(body: bytes | bytearray, shape: InputShape) -> tuple[list[Mapping[str, Any]], float | None]:
    """The inputs in a body, and the confidence of the prediction sets that it asks for; see ``decode_inputs``.

    Raises:
        RequestError: it is not JSON, or not of this shape.
    """
    content = _check_fields(decode_json_body(body, shape.value_limit), shape)
    level = read_confidence_level(content)
    items = content[shape.key]
    if not shape.many:
        items = [content if shape.key == TEXT else items]
    if not isinstance(items, list):
        problem = FieldProblem(shape.key, f"has to be a list, and is {describe_value(items)}", f"Send {shape.example}.")
        raise invalid_fields([problem])
    if not items:
        raise invalid_fields([FieldProblem(shape.key, "is empty; send at least one input", f"Send {shape.example}.")])
    is_text = reads_text(shape.task)
    inputs = _read_texts(items, shape) if is_text else [replace_nan(item) for item in items]
    check_inputs(PredictionRequest(inputs, shape.name_field, shape.many), shape)
    return inputs, level


def read_confidence_level(content: Mapping[str, Any], path: str = "") -> float | None:
    """The confidence of the prediction sets that a request asks for; None for no sets.

    Args:
        content: where the field is looked for.
        path: where in the request that stands.

    Raises:
        RequestError: it is not a number between 0 and 1.
    """
    value = content.get(CONFIDENCE_LEVEL)
    if value is None:
        return None
    try:
        return check_confidence_level(value)
    except InputError as error:
        raise refuse_confidence_level(error, path) from None


def check_sets(version: ServedVersion, level: float) -> None:
    """Make sure that a version makes prediction sets of a confidence, before anything is predicted.

    Raises:
        RequestError: it predicts numbers, or has too few scores of held-out rows, or none.
    """
    try:
        require_sets(version.sets, version.scorer.classes, version.info.version, level)
    except InputError as error:
        raise refuse_confidence_level(error) from None


def refuse_confidence_level(error: InputError, path: str = "") -> RequestError:
    """The error about a confidence as a request's, which names the field."""
    problem = FieldProblem(path + CONFIDENCE_LEVEL, error.message)
    return RequestError(error.message, status=422, code=error.code, next_step=error.next_step, errors=[problem])


def _read_texts(items: Sequence[Any], shape: InputShape) -> list[Mapping[str, Any]]:
    """The inputs of texts, each of which may have its group with it."""
    inputs: list[Mapping[str, Any]] = []
    problems: list[FieldProblem] = []
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            inputs.append({TEXT: item})
            if message := _text_problem(item, shape.max_text):
                problems.append(FieldProblem(f"{shape.key}[{position}]", message))
            continue
        path = f"{shape.key}[{position}]." if shape.many else ""
        if shape.many:
            problems += _find_misnamed(item, (TEXT, GROUP), path)
        try:
            inputs.append({TEXT: item.get(TEXT), **read_group(item.get(GROUP))})
        except CellError as error:
            problems.append(FieldProblem(f"{path}{GROUP}", str(error)))
    if problems:
        raise invalid_fields(problems)
    return inputs


def name_rows(
    rows: Sequence[Mapping[str, Any]], columns: InputColumns | TextColumns, name_field: FieldNaming
) -> PredictionRequest:
    """The request of rows with named columns, in a protocol that ignores columns that the model does not know.

    Raises:
        RequestError: a row for a model of texts has no text.
    """
    if not isinstance(columns, TextColumns):
        return PredictionRequest(rows, name_field, ignores_columns=True)
    try:
        inputs, warnings = columns.pick_texts(rows)
    except InputError as error:
        raise name_fields(error, name_field) from None
    return PredictionRequest(inputs, name_field, ignores_columns=True, warnings=warnings)


def check_inputs(request: PredictionRequest, shape: InputShape) -> None:
    """Check inputs of any protocol against what the route takes.

    Raises:
        RequestError: there are too many inputs or none, or one is not a text, not an object, or too long.
    """
    if request.checked:
        return
    inputs = request.inputs
    refuse_surplus_inputs(len(inputs), shape.max_inputs)
    if not inputs:
        raise invalid_fields([FieldProblem("", "the request holds no input; send at least one")])
    is_text = reads_text(shape.task)
    problems = [
        FieldProblem(request.name_field(InputProblem(position, "text" if is_text else "", message)), message)
        for position, item in enumerate(inputs)
        if (message := _text_problem(item.get("text"), shape.max_text) if is_text else _row_problem(item))
    ]
    if problems:
        raise invalid_fields(problems)


def refuse_surplus_inputs(count: int, most: int) -> None:
    """Refuse more inputs than a request may hold.

    Raises:
        RequestError: there are more.
    """
    if count > most:
        raise RequestError(
            f"The request holds {format_count(count, 'input')}, and at most {most} are accepted.",
            status=413,
            code="request.too-many",
            next_step=f"Send at most {most} inputs at once.",
        )


def name_fields(error: InputError, name_field: FieldNaming) -> RequestError | InputError:
    """A scorer's error with the fields named as the request has them."""
    found = list_problems(error)
    problems = [FieldProblem(name_field(item), item.message, item.advice) for item in found]
    if not problems:
        return error
    named = invalid_fields(problems, code=error.code)
    # Names of columns come from callers; only those of the model are counted by name.
    named.refused = [("" if item.code == UNKNOWN_COLUMN else item.field, item.code) for item in found]
    return named


def _check_fields(content: Any, shape: InputShape) -> dict[str, Any]:
    """The body, which has the fields that the route takes and no other."""
    if not isinstance(content, dict):
        message = f"the body has to be an object, and is {describe_value(content)}"
        raise invalid_fields([FieldProblem("", message, f"Send {shape.example}.")])
    problems = _find_misnamed(content, shape.fields)
    if problems:
        more = f"; a {CONFIDENCE_LEVEL} may come with it" if TaskScoring.find_for(shape.task).has_sets else ""
        raise invalid_fields(problems, next_step=f"Send {shape.example}{more}.")
    return content


def _find_misnamed(content: Mapping[str, Any], fields: Sequence[str], path: str = "") -> list[FieldProblem]:
    """Fields that an object must not have, and the first of the known ones where it is missing."""
    unknown = [name[:_LONGEST_NAME] for name in content if name not in fields][:MOST_FIELDS]
    step = f"The fields are {' and '.join(fields)}."
    problems = [
        FieldProblem(path + name, f"is an unknown field.{nearest(name, fields)}".rstrip("."), step) for name in unknown
    ]
    return problems if fields[0] in content else [FieldProblem(path + fields[0], "is missing", step), *problems]


def _text_problem(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        return f"has to be a text, and is {describe_value(value)}"
    return (
        f"is {format_count(len(value), 'character')} long, and at most {longest} are accepted"
        if len(value) > longest
        else ""
    )


def _row_problem(value: Any) -> str:
    return "" if isinstance(value, Mapping) else f"has to be an object of features, and is {describe_value(value)}"


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    group: Any = UNSET
    confidence_level: Any = UNSET


class _Texts(msgspec.Struct, forbid_unknown_fields=True):
    texts: list[str]
    confidence_level: Any = UNSET


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    features: dict[str, Any]
    confidence_level: Any = UNSET


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[dict[str, Any]]
    confidence_level: Any = UNSET


_DECODERS: dict[str, Callable[[bytes | bytearray], Any]] = {
    "text": msgspec.json.Decoder(_Text).decode,
    "texts": msgspec.json.Decoder(_Texts).decode,
    "features": msgspec.json.Decoder(_Row).decode,
    "instances": msgspec.json.Decoder(_Rows).decode,
}
