"""The page of the project file, from its pydantic models."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tiltyard.project import Project


def render_project_file() -> str:
    """The reference of every key of the project file."""
    lines = [
        "# The project file",
        "",
        "`tiltyard.toml` (or `[tool.tiltyard]` in `pyproject.toml`) describes one problem; `tiltyard init` writes it.",
        "Unknown keys are errors, with the nearest known key. Addresses and secrets are not in this file: they come",
        "from the environment, and `tiltyard doctor` shows them. `python docs/generate.py` writes this page.",
    ]
    for name, field in Project.model_fields.items():
        if field.exclude:
            continue
        model = _section(field.annotation)
        title = field.alias or name
        repeated = model is not None and get_origin(field.annotation) is not None
        lines += ["", f"## [{title}{'.COLUMN' if repeated else ''}]", "", *_about(model, field), *_keys(model, title)]
    return "\n".join(lines) + "\n"


def _about(model: type[BaseModel] | None, field: Any) -> list[str]:
    text = field.description or (model.__doc__ if model else "")
    return [" ".join(str(text).split()), ""]


def _keys(model: type[BaseModel] | None, prefix: str) -> list[str]:
    if model is None:
        return []
    rows = ["| key | values | default | meaning |", "|---|---|---|---|"]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        nested = _section(field.annotation)
        if nested is not None:
            inner += ["", f"### [{prefix}.{name}]", "", *_about(nested, field), *_keys(nested, f"{prefix}.{name}")]
            continue
        rows.append(f"| `{name}` | {_describe_values(field)} | {_default(field)} | {field.description} |")
    named = (
        _section(get_type_hints(model).get("__pydantic_extra__")) if model.model_config["extra"] == "allow" else None
    )
    if named is not None:
        inner += ["", f"### [{prefix}.NAME]", "", " ".join(str(named.__doc__).split()), "", *_keys(named, prefix)]
    return rows + inner


def _section(annotation: Any) -> type[BaseModel] | None:
    found = [
        part for part in (annotation, *get_args(annotation)) if isinstance(part, type) and issubclass(part, BaseModel)
    ]
    return found[0] if found else None


def _describe_values(field: Any) -> str:
    """The values of a key: those that its schema lists, where they are known only when the program runs."""
    schema: dict[str, Any] = {}
    if callable(field.json_schema_extra):
        field.json_schema_extra(schema)
    return ", ".join(f'`"{value}"`' for value in schema.get("enum", ())) or describe_kind(field.annotation)


def describe_kind(annotation: Any) -> str:
    """The values that a key takes, in words."""
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f'`"{value}"`' for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " or ".join(describe_kind(part) for part in get_args(annotation) if part is not type(None))
    if origin is tuple:
        return f"list of {describe_kind(get_args(annotation)[0])}"
    if origin is not None and get_args(annotation):
        parts = get_args(annotation)
        return describe_kind(parts[0]) if len(parts) < 2 or origin.__name__ == "Annotated" else "table"
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    return words.get(getattr(annotation, "__name__", ""), str(getattr(annotation, "__name__", annotation)))


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "empty"
    if field.default is PydanticUndefined:
        return "*required*"
    if field.default is None or field.default == ():
        return "none"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f'`"{field.default}"`' if isinstance(field.default, str) else f"`{field.default}`"
