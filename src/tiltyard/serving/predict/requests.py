"""Reading requests: size, media type, JSON, shape. What is wrong is named field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from tiltyard.errors import InputError
from tiltyard.project import ServingSection, Task
from tiltyard.scoring import problems_of
from tiltyard.serving.problem_details import FieldProblem, RequestError
from tiltyard.suggest import nearest

# A character of a JSON string may take six bytes (\uXXXX), one outside of the basic plane twelve.
_BYTES_PER_CHARACTER = 6
_ENVELOPE = 64 * 1024
_LARGEST_BODY = 64 * 1024 * 1024
LONGEST_KEY = 200
PREDICTION_KEY = "X-Prediction-Key"
# As many wrong fields as a person reads.
_SHOWN = 50
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Shape:
    """What a route takes: ``{"text": …}``, ``{"features": {…}}``, ``{"texts": […]}`` or ``{"instances": […]}``.

    Attributes:
        task: what is predicted from what.
        many: whether it is a list of inputs.
        max_text: longest text, in characters.
        max_inputs: most inputs of the list.
    """

    task: Task
    many: bool
    max_text: int
    max_inputs: int

    @classmethod
    def of(cls, task: Task, options: ServingSection, *, many: bool) -> Shape:
        """The shape that a project's options ask for."""
        return cls(task, many, options.max_text, min(options.max_request, options.max_queue))

    @property
    def key(self) -> str:
        """The one key of the request."""
        if self.task == "text-classification":
            return "texts" if self.many else "text"
        return "instances" if self.many else "features"

    @property
    def max_body(self) -> int:
        """Largest body, in bytes."""
        inputs = self.max_inputs if self.many else 1
        return min(_LARGEST_BODY, _ENVELOPE + inputs * self.max_text * _BYTES_PER_CHARACTER)


class Head(NamedTuple):
    """What of a request's headers matters to reading it; None for what was not sent."""

    media_type: bytes | None = None
    length: bytes | None = None
    idempotency_key: bytes | None = None
    prediction_key: bytes | None = None
    route_key: bytes | None = None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Head:
        """Pick from ASGI's headers, whose names are in lower case; of one that is sent twice the first counts."""
        media_type = length = key = own = route = None
        for name, value in headers:
            if name == b"content-type":
                media_type = media_type or value
            elif name == b"content-length":
                length = length or value
            elif name == b"idempotency-key":
                key = key or value
            elif name == b"x-prediction-key":
                own = own or value
            elif name == b"x-route-key":
                route = route or value
        return cls(media_type, length, key, own, route)

    def keys(self, count: int, *, many: bool) -> Sequence[str]:
        """The caller's own keys of n inputs, from ``X-Prediction-Key``; empty where it was not sent.

        The key itself for one input; for the inputs of a list, the key with ``/0``, ``/1`` … behind it. Labels can be
        reported by them later.

        Raises:
            RequestError: it is empty, too long, or not printable ASCII.
        """
        if self.prediction_key is None:
            return ()
        key = self.prediction_key.decode("latin-1")
        if not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise RequestError(
                f"The header X-Prediction-Key has to be 1 to {LONGEST_KEY} printable ASCII characters.",
                status=400,
                code="request.key",
                next_step="Send a key of your own that names the input, such as an order's number.",
            )
        return [f"{key}/{number}" for number in range(count)] if many else [key]


async def read_inputs(head: Head, receive: Receive, shape: Shape) -> list[Mapping[str, Any]]:
    """The inputs of a request; at least one.

    Raises:
        RequestError: the body is too large, not JSON, or not of this shape.
        starlette.requests.ClientDisconnect: the client went away.
    """
    _check_media_type(head)
    return decode_inputs(await read_body(head, receive, shape.max_body), shape)


def whole_inputs(head: Head, body: bytes | bytearray, shape: Shape) -> list[Mapping[str, Any]]:
    """The inputs of a request whose body is all here; at least one.

    Raises:
        RequestError: the body is too large, not JSON, or not of this shape.
    """
    _check_media_type(head)
    if len(body) > shape.max_body:
        raise _too_large(shape.max_body)
    return decode_inputs(body, shape)


async def read_body(head: Head, receive: Receive, limit: int) -> bytes:
    """The whole body of a request.

    Raises:
        RequestError: it is larger than ``limit`` bytes.
        starlette.requests.ClientDisconnect: the client went away.
    """
    if head.length is not None and head.length.isdigit() and int(head.length) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
        if not more and not chunks:
            return chunk
        chunks.append(chunk)
        if not more:
            return b"".join(chunks)


def decode_inputs(body: bytes | bytearray, shape: Shape) -> list[Mapping[str, Any]]:
    """The inputs in a body; at least one. Decodes and checks in one go, and explains what fails the slow way.

    Raises:
        RequestError: it is not JSON, or not of this shape.
    """
    try:
        content = _DECODERS[shape.key](body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return parse_inputs(body, shape)
    if isinstance(content, _Text):
        if len(content.text) <= shape.max_text:
            return [{"text": content.text}]
    elif isinstance(content, _Row):
        return [content.features]
    elif isinstance(content, _Texts):
        if 0 < len(content.texts) <= shape.max_inputs and max(map(len, content.texts)) <= shape.max_text:
            return [{"text": text} for text in content.texts]
    elif isinstance(content, _Rows) and 0 < len(content.instances) <= shape.max_inputs:
        return list(content.instances)
    return parse_inputs(body, shape)


def parse_inputs(body: bytes | bytearray, shape: Shape) -> list[Mapping[str, Any]]:
    """The inputs in a body; at least one.

    Raises:
        RequestError: it is not JSON, or not of this shape.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(
            f"The body is not JSON that can be read: {error}.",
            status=400,
            code="request.malformed",
            next_step=f'Send JSON in UTF-8, such as {{"{shape.key}": …}}.',
        ) from None
    value = _only_value(content, shape.key)
    items = value if shape.many else [value]
    if not isinstance(items, list):
        raise _invalid(shape, [FieldProblem(shape.key, f"has to be a list, and is {_kind(items)}")])
    if not items:
        raise _invalid(shape, [FieldProblem(shape.key, "is empty; send at least one input")])
    if len(items) > shape.max_inputs:
        raise RequestError(
            f"The request holds {len(items)} inputs, and at most {shape.max_inputs} are taken.",
            status=413,
            code="request.too-many",
            next_step=f"Send at most {shape.max_inputs} inputs at once.",
        )
    problems = [
        FieldProblem(_place(shape, position), message)
        for position, item in enumerate(items)
        if (message := _wrong(item, shape))
    ]
    if problems:
        raise _invalid(shape, problems)
    return [{"text": item} for item in items] if shape.task == "text-classification" else items


def field_location(error: InputError, shape: Shape) -> RequestError | InputError:
    """A scorer's error in the words of the request: its problems by field, such as ``instances[3].age``."""
    problems = [
        FieldProblem(
            ".".join(part for part in (_place(shape, item.position), _feature(item.field, shape)) if part),
            item.message,
        )
        for item in problems_of(error)
    ]
    return _invalid(shape, problems, code=error.code) if problems else error


def _check_media_type(head: Head) -> None:
    if head.media_type == b"application/json":
        return
    given = (head.media_type or b"").decode("latin-1")
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(
            f"The Content-Type is {given!r}, and only JSON is taken." if given else "The Content-Type is missing.",
            status=415,
            code="request.media-type",
            next_step="Send the header Content-Type: application/json.",
        )


def _too_large(limit: int) -> RequestError:
    return RequestError(
        f"The body is larger than {limit} bytes.",
        status=413,
        code="request.too-large",
        next_step="Send less at once.",
    )


def _only_value(content: Any, key: str) -> Any:
    if not isinstance(content, dict):
        raise RequestError(
            f"The body has to be an object, and is {_kind(content)}.",
            status=422,
            code=InputError.code,
            next_step=f'Send {{"{key}": …}}.',
            errors=[FieldProblem("", f"has to be an object, and is {_kind(content)}")],
        )
    unknown = [name[:_LONGEST_NAME] for name in content if name != key][:_SHOWN]
    problems = [FieldProblem(name, f"is not known here.{nearest(name, [key])}".rstrip(".")) for name in unknown]
    if key not in content:
        problems.insert(0, FieldProblem(key, "is missing"))
    if problems:
        raise RequestError(
            _sentence(problems),
            status=422,
            code=InputError.code,
            next_step=f'Send {{"{key}": …}} and nothing else.',
            errors=problems[:_SHOWN],
        )
    return content[key]


def _wrong(item: Any, shape: Shape) -> str:
    if shape.task == "text-classification":
        if not isinstance(item, str):
            return f"has to be a text, and is {_kind(item)}"
        if len(item) > shape.max_text:
            return f"is {len(item)} characters long, and at most {shape.max_text} are taken"
        return ""
    return "" if isinstance(item, dict) else f"has to be an object of features, and is {_kind(item)}"


def _invalid(shape: Shape, problems: Sequence[FieldProblem], *, code: str = InputError.code) -> RequestError:
    return RequestError(
        _sentence(problems),
        status=422,
        code=code,
        next_step=f"Correct what 'errors' lists; GET /docs shows what {shape.key} may hold.",
        errors=problems[:_SHOWN],
    )


def _sentence(problems: Sequence[FieldProblem]) -> str:
    shown = "; ".join(f"'{item.field}' {item.message}" for item in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"{shown}{more}." if more or not shown.endswith("?") else shown


def _place(shape: Shape, position: int) -> str:
    return f"{shape.key}[{position}]" if shape.many else shape.key


def _feature(field: str, shape: Shape) -> str:
    return "" if shape.task == "text-classification" else field


def _kind(value: Any) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class _Texts(msgspec.Struct, forbid_unknown_fields=True):
    texts: list[str]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    features: dict[str, Any]


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[dict[str, Any]]


_DECODERS: dict[str, Callable[[bytes | bytearray], Any]] = {
    "text": msgspec.json.Decoder(_Text).decode,
    "texts": msgspec.json.Decoder(_Texts).decode,
    "features": msgspec.json.Decoder(_Row).decode,
    "instances": msgspec.json.Decoder(_Rows).decode,
}
