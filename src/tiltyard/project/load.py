"""Finding, reading and checking a project file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from tiltyard.choices import PROJECT_FILE
from tiltyard.errors import ProjectError
from tiltyard.project.project_file import Project
from tiltyard.suggest import nearest


def find_project_file(start: Path | None = None) -> Path:
    """The project file of ``start`` (a file, or a folder; default: the working folder), searched upwards.

    Raises:
        ProjectError: there is none.
    """
    start = (start or Path()).resolve()
    if start.is_file():
        return start
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file() and "tiltyard" in _parse(pyproject).get("tool", {}):
            return pyproject
    raise ProjectError(
        f"No {PROJECT_FILE} in {start} or any folder above it.",
        next_step="Make one with: tiltyard init DATA_FILE, or name one with --project FILE.",
        code="project.missing",
    )


def load_project(path: Path | None = None) -> Project:
    """Read and check a project file.

    Args:
        path: the file, or a folder from which to look upwards; default: the working folder.

    Raises:
        ProjectError: the file is missing, is not TOML, or says something that cannot be used; all
            that is wrong is named at once.
    """
    if path is not None and not path.exists():
        raise ProjectError(f"The project file {path} does not exist.", next_step="Check the path given to --project.")
    file = find_project_file(path)
    content = _parse(file)
    if file.name == "pyproject.toml":
        content = content.get("tool", {}).get("tiltyard", {})
    return _build_project(content, file)


def find_project_of(model_name: str, start: Path | None = None) -> Project | None:
    """The project around a folder, if there is one and it is about this model.

    Args:
        model_name: the registered model.
        start: the folder from which to look upwards; default: the working folder.

    Raises:
        ProjectError: its file cannot be used.
    """
    try:
        project = load_project(find_project_file(start))
    except ProjectError as error:
        if error.code == "project.missing":
            return None
        raise
    return project if project.model_name == model_name else None


def parse_project(text: str, file: Path) -> Project:
    """Read and check the text of a project file before it stands at its place.

    Raises:
        ProjectError: as for `load_project`.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{file} is not valid TOML: {error}.", next_step="Correct the line named.") from None
    return _build_project(content, file)


def _build_project(content: dict[str, Any], file: Path) -> Project:
    try:
        return Project.model_validate({**content, "root": file.parent})
    except ValidationError as error:
        problems = [_describe(item) for item in error.errors()]
        listed = "; ".join(problems)
        raise ProjectError(
            f"{file.name} cannot be used: {listed}" + ("" if listed.endswith("?") else "."),
            next_step=f"Correct {file}.",
            problems=problems,
        ) from None


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ProjectError(f"{file} is not UTF-8 (byte {error.start}).", next_step="Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{file} is not valid TOML: {error}.", next_step="Correct the line named.") from None
    except OSError as error:
        raise ProjectError(f"{file} cannot be read: {error.strerror}.", next_step="Check its permissions.") from None


def _describe(item: Any) -> str:
    """One validation error in terms of the file: key, value, and the nearest known key."""
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"unknown key '{key}'.{nearest(location[-1], _list_known_keys(location[:-1]))}".rstrip(".")
    if item["type"] == "missing":
        return f"'{key}' is missing"
    message = item["msg"].removeprefix("Value error, ")
    if not key:
        return str(message)
    return f"'{key}' = {item['input']!r}: {message}"


def _list_known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = Project
    for part in path:
        field = model.model_fields.get(part)
        extra = get_type_hints(model).get("__pydantic_extra__") if field is None else None
        inner = field.annotation if field else next(iter(get_args(extra)[1:]), None)
        options = [inner, *get_args(inner)]
        sections = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
        if not sections:
            return []
        model = sections[0]
    return [field.alias or name for name, field in model.model_fields.items() if name != "root"]
