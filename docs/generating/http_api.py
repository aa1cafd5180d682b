"""The pages of the HTTP interfaces, from the OpenAPI documents of a server and a console without a champion."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tiltyard.console.api import API_PATH, ApiData, create_api
from tiltyard.project import Project
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.http.app import create_app
from tiltyard.serving.model.manager import ModelManager, ServedAlias
from tiltyard.testing import MemoryLedger
from tiltyard.testing.registry import MemoryRegistry


def render_http() -> str:
    """The reference of every route, its parameters, body and responses."""
    lines = [
        "# HTTP",
        "",
        "What a server takes, from its OpenAPI document: a running server shows its own under `/openapi.json`, with",
        "the columns of its champion, and under `/docs` as a page to try calls. Errors are problem documents",
        "(`application/problem+json`) with a `code` ([error codes](errors.md)). `python docs/generate.py` writes",
        "this page.",
    ]
    return _render(_load_document(), lines, "")


def render_console_api() -> str:
    """The reference of the routes of a console."""
    lines = [
        "# HTTP of the console",
        "",
        "What `tiltyard console` takes under `/api/v1`, from its OpenAPI document, which a running console shows under",
        "`/api/v1/openapi.json`, and under `/api/v1/docs` as a page to try calls. Roles, sessions and examples are in",
        "[decide in the console](../console-actions.md). Errors are problem documents (`application/problem+json`)",
        "with a `code` ([error codes](errors.md)). `python docs/generate.py` writes this page.",
    ]
    project = Project.model_validate(
        {
            "project": {"name": "MODEL", "task": "text-classification", "model": "MODEL"},
            "data": {"source": "data.csv", "text": "text"},
        }
    )
    return _render(create_api(ApiData(project, MemoryRegistry(), MemoryLedger())).openapi(), lines, API_PATH)


def _render(document: Mapping[str, Any], introduction: list[str], prefix: str) -> str:
    schemas = document["components"]["schemas"]
    lines = [*introduction, "", "| route | what it does |", "|---|---|"]
    operations = [
        (method.upper(), f"{prefix}{path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for method, path, operation in operations:
        lines.append(f"| `{method} {path}` | {_cell(operation.get('summary', ''))} |")
    for method, path, operation in operations:
        lines += ["", f"## {method} {path}", "", *_operation(operation)]
    lines += ["", "## Bodies"]
    for name in sorted(schemas):
        lines += ["", f"### {name}", "", *_schema(schemas[name])]
    return "\n".join(lines) + "\n"


def _load_document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        loader = VersionLoader(MemoryRegistry(), Path(folder))
        app = create_app(ModelManager(ServedAlias("MODEL"), loader), MemoryLedger())
        return app.openapi()


def _operation(operation: Mapping[str, Any]) -> Iterator[str]:
    yield _prose(operation.get("description") or operation.get("summary", ""))
    parameters = operation.get("parameters", [])
    if parameters:
        yield from ("", "| parameter | in | type | meaning |", "|---|---|---|---|")
        for one in parameters:
            about = _cell(one.get("description", one.get("schema", {}).get("description", "")))
            yield f"| `{one['name']}` | {one['in']} | {_kind(one.get('schema', {}))} | {about} |"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        kinds = content.get("schema", {}).get("oneOf", [content.get("schema", {})])
        yield from ("", f"Body, `{media}`: {' or '.join(_body(kind) for kind in kinds)}.")
    yield from ("", "| status | response |", "|---|---|")
    for status, response in sorted(operation["responses"].items()):
        kinds = [_kind(content.get("schema", {})) for content in response.get("content", {}).values()]
        shown = ", ".join(dict.fromkeys(kind for kind in kinds if kind))
        yield f"| {status} | {_cell(response.get('description', ''))}{f': {shown}' if shown else ''} |"


def _body(schema: Mapping[str, Any]) -> str:
    if "properties" not in schema:
        return _kind(schema)
    return "an object with " + ", ".join(f"`{name}` ({_kind(part)})" for name, part in schema["properties"].items())


def _schema(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("description"):
        yield from (_prose(schema["description"]), "")
    if not schema.get("properties"):
        yield _kind(schema) or "Any value."
        return
    yield from ("| field | type | meaning |", "|---|---|---|")
    required = schema.get("required", ())
    for name, part in schema["properties"].items():
        note = "" if name in required else " (optional)"
        yield f"| `{name}` | {_kind(part)}{note} | {_cell(part.get('description', ''))} |"


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for many in ("anyOf", "oneOf", "allOf"):
        if many in schema:
            return " or ".join(dict.fromkeys(_kind(part) for part in schema[many]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_kind(schema.get('items', {})) or 'any value'}"
    return "" if kind is None else str(kind)


def _prose(text: str) -> str:
    return text.strip().replace("<", "\\<")


def _cell(text: str) -> str:
    return " ".join(_prose(text).replace("|", "\\|").split())
