"""What a command is about: the project of a file, or a registered model that has none."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiltyard.cli.output import Terminal, print_line
from tiltyard.errors import NotFoundError, ProjectError, TiltyardError
from tiltyard.formatting import join_names
from tiltyard.suggest import nearest

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.registry import Manifest, MlflowRegistry, VersionInfo
    from tiltyard.settings import Settings


def find_project(path: Path | None, model_name: str | None = None, *, quiet: bool = False) -> Project:
    """The project of a file, or one made of a registered model, where there is no file.

    Args:
        path: the project file, or a folder from which to look upwards; default: the working folder.
        model_name: a registered model; default: the file's. The name of the project means its model. Without a file,
            the only model that the registry of the working folder holds.
        quiet: whether the command needs nothing but the model's name: then no version is read, and nothing is said.

    Returns:
        The file's project; for another model than the file's, one made of that model in the file's folder.

    Raises:
        ProjectError: there is no file, and no model is named; or the file cannot be used.
        NotFoundError: there is neither a file nor such a model.
        UnavailableError: the registry cannot be reached.
    """
    from tiltyard.settings import Settings

    project = _load_file(path, model_name)
    if project is not None and model_name in (None, project.model_name, project.name):
        return project
    settings = Settings.load(project.root if project else None)
    if project is not None and quiet:
        return _name_model(project, _check_known(settings, str(model_name)))
    return describe_model(settings, model_name, quiet=quiet)


def describe_model(settings: Settings, model_name: str | None, *, quiet: bool = False) -> Project:
    """The project that a registered model implies: its own columns, and the defaults for all limits and gates.

    Raises:
        ProjectError: no model is named, and the registry does not hold exactly one.
        NotFoundError: there is no such model.
        UnavailableError: the registry cannot be reached.
    """
    if settings.registry_uri == settings.own_tracking_uri and not (settings.state / "mlflow.db").is_file():
        raise _no_model(settings, model_name)  # the question makes no store
    from tiltyard.wiring import open_registry

    registry = open_registry(settings)
    name = _only_model(registry, settings) if model_name is None else model_name
    versions = registry.list_versions(name) if name else []
    if not versions:
        raise _unknown_model(registry, name, settings)
    if quiet:
        return _make_project(settings.root, name, None)
    chosen = next((info for info in versions if "champion" in info.aliases), versions[0])
    manifest = registry.read_manifest(chosen)
    _say_what_counts(name, chosen, manifest)
    made = _make_project(settings.root, name, manifest)
    experiment = _find_experiment(settings, chosen)
    return _set_names(made, name=experiment or made.name, model=name)


def _check_known(settings: Settings, name: str) -> str:
    """The name of a model that the ledger or the registry knows: the ledger comes first, as it needs no MLflow.

    Raises:
        NotFoundError: neither knows it.
        UnavailableError: the registry cannot be reached.
    """
    from tiltyard.wiring import open_ledger, open_registry

    with open_ledger(settings) as ledger:
        known: Iterable[object] = chain(ledger.events(subject=name), ledger.predictions(project=name, limit=1))
        if next(iter(known), None) is not None:
            return name
    registry = open_registry(settings)
    if not registry.list_versions(name):
        raise _unknown_model(registry, name, settings)
    return name


def _load_file(path: Path | None, model_name: str | None) -> Project | None:
    from tiltyard.project import find_project_file, load_project
    from tiltyard.settings import Settings

    try:
        return load_project(path) if path is not None else load_project(find_project_file())
    except ProjectError as error:
        if error.code != "project.missing" or (path is not None and not path.is_dir()):
            raise
        if model_name is None and (path is not None or not (Settings.load().state / "mlflow.db").is_file()):
            raise ProjectError(
                error.message,
                next_step=f"{error.next_step} Or name a registered model: --model-name NAME.",
                code=error.code,
            ) from None
        return None


def _only_model(registry: MlflowRegistry, settings: Settings) -> str:
    known = [model.name for model in registry.list_models()]
    if not known:
        raise _no_model(settings, None)
    if len(known) > 1:
        raise ProjectError(
            f"No tiltyard.toml in {settings.root} or any folder above it. "
            f"The registry in {settings.state} holds {join_names(known)}.",
            next_step="Name one: --model-name NAME.",
            code="project.missing",
        )
    return known[0]


def _no_model(settings: Settings, name: str | None) -> TiltyardError:
    if name is not None:
        return _unknown_among([], name, settings)
    return ProjectError(
        f"No tiltyard.toml in {settings.root} or any folder above it. No model is registered yet.",
        next_step="Make a project with: tiltyard init DATA_FILE",
        code="project.missing",
    )


def _unknown_model(registry: MlflowRegistry, name: str, settings: Settings) -> NotFoundError:
    return _unknown_among([model.name for model in registry.list_models()], name, settings)


def _unknown_among(known: list[str], name: str, settings: Settings) -> NotFoundError:
    held = f"Registered models: {join_names(known)}.{nearest(name, known)}" if known else "No model is registered."
    return NotFoundError(
        f"There is no registered model '{name}' in {settings.state}. {held}",
        next_step="Correct the name, work in the folder where the model was registered, or set MLFLOW_TRACKING_URI.",
        code="model.unknown",
    )


def _make_project(root: Path, name: str, manifest: Manifest | None) -> Project:
    """A project of defaults; the names are set without a check, since a registered model may be called anything."""
    from tiltyard.project import Project
    from tiltyard.project.project_file import NO_ROWS
    from tiltyard.tasks import USUAL_TARGET, find_task, reads_text

    content: dict[str, Any] = {
        "project": {"name": "model", "task": find_task("table", USUAL_TARGET)},
        "data": {"source": NO_ROWS},
        "root": root,
    }
    if manifest is not None:
        content["project"]["task"] = manifest.task
        content["data"] |= {"positive": manifest.positive, "separator": manifest.separator}
        if len(manifest.other_columns) == 1:
            content["data"]["label"] = manifest.other_columns[0]
        if not reads_text(manifest.task):
            content["data"]["features"] = tuple(manifest.columns)
            content["schema"] = {column: {"type": _kind(dtype)} for column, dtype in manifest.columns.items()}
        else:
            content["data"]["text"] = manifest.text_column
    return _set_names(Project.model_validate(content), name=name, model=name)


def _kind(dtype: str) -> str:
    """The kind of a column, as a project file says it, by its dtype in the manifest."""
    kinds = {"float": "number", "int": "number", "bool": "boolean", "datetime": "time"}
    return next((kind for start, kind in kinds.items() if dtype.lower().startswith(start)), "category")


def _name_model(project: Project, model: str) -> Project:
    return _set_names(project, name=project.name, model=model)


def _set_names(project: Project, *, name: str, model: str) -> Project:
    section = project.project.model_copy(update={"name": name, "model": model})
    return project.model_copy(update={"project": section})


def _say_what_counts(name: str, chosen: VersionInfo, manifest: Manifest | None) -> None:
    known = f"columns and classes are those of version {chosen.version}" if manifest else "its columns are not known"
    print_line(
        "[yellow]![/yellow] No project file for {}: limits and gates are the defaults, {}.",
        name,
        known,
        to=Terminal(stderr=True),
    )


def _find_experiment(settings: Settings, info: VersionInfo) -> str | None:
    """The experiment of the run that made a version; None where that cannot be found."""
    from tiltyard.registry import read_experiment_name

    return None if info.run_id is None else read_experiment_name(settings.tracking_uri, info.run_id)
