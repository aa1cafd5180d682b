"""Training a version again, from the recipe that was written down with its run and the rows that were kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tiltyard.data import Dataset
from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.labels import write_label
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.content_hash import fingerprint, row_digests
from tiltyard.errors import DataError, NotFoundError, TiltyardError, UsageError
from tiltyard.formatting import join_names
from tiltyard.jsonable import to_jsonable
from tiltyard.libraries import runtime_versions
from tiltyard.models import Candidate, Choice, custom_source, get_candidate
from tiltyard.pipeline.training.dataframes import plain_name
from tiltyard.pipeline.training.keep_rows import KeptRows
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.redact import without_password
from tiltyard.registry import ExperimentTracker, VersionInfo
from tiltyard.registry.semantic_version import is_label
from tiltyard.tasks import reads_text

RECIPE = "recipe.json"
REPRODUCES_TAG = "tiltyard.reproduces"

_SECTIONS = ("project", "data", "schema", "validation", "split", "training", "decision")
_LIBRARIES = ("tiltyard", "scikit-learn", "numpy", "scipy", "pandas")


def describe_recipe(project: Project, candidate: Candidate, kept: KeptRows | None) -> dict[str, Any]:
    """What it takes to train a version again, JSON-ready.

    The sections of the project file that decide about data and training, the candidate with the parameters that a
    search set, the rows, and the versions of the libraries at work. Of a recipe of the project's own also a digest of
    its module.
    """
    recorded = project.model_dump(mode="json", by_alias=True, include={*_SECTIONS, "columns"})
    source = custom_source(candidate.name, project.root)
    return {
        "project": recorded,
        "candidate": candidate.name,
        "params": {name: _round_trip_json(value) for name, value in candidate.params.items()},
        "code": hashlib.sha256(source.read_bytes()).hexdigest() if source is not None else None,
        "snapshot": to_jsonable(kept),
        "libraries": runtime_versions(_LIBRARIES),
    }


@dataclass(frozen=True)
class LoadedRecipe:
    """A version as it was trained.

    Attributes:
        version: the version.
        project: the present project with the sections that decided about data and training as they were then, and the
            snapshot as its source.
        candidate: the recipe, with the parameters that were used.
        fingerprint: of all rows.
        dates_as_words: whether it was trained before dates were read: as categories.
        tiltyard: the Tiltyard that trained it; empty where that is not known.
    """

    version: VersionInfo
    project: Project
    candidate: Candidate
    fingerprint: str
    dates_as_words: bool = False
    tiltyard: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """What distinguishes the new version."""
        return {REPRODUCES_TAG: self.version.version}

    def check(self, dataset: Dataset) -> None:
        """Make sure that the rows are those that the version saw, and are read as it read them.

        Raises:
            DataError: they are not (``data.snapshot-differs``), or it took dates for words
                (``version.dates-as-words``).
        """
        self._refuse_dates_as_words(dataset)
        if self.fingerprint not in (dataset.fingerprint, _fingerprint_as_written(dataset)):
            raise DataError(
                f"{dataset.source} holds other rows (fingerprint {dataset.fingerprint}) than version "
                f"{self.version.version} saw ({self.fingerprint}).",
                next_step="Bring the snapshot back from a copy of the store.",
                code="data.snapshot-differs",
            )

    def _refuse_dates_as_words(self, dataset: Dataset) -> None:
        schema = dataset.schema
        dated = [] if schema is None else [column.name for column in schema.columns if column.kind == "time"]
        same = self.fingerprint == dataset.fingerprint
        if not dated or not (self.dates_as_words or (not same and self.fingerprint == _fingerprint_of_words(dataset))):
            return
        before = f"Tiltyard {self.tiltyard}" if self.tiltyard else "the Tiltyard that trained it"
        raise DataError(
            f"Version {self.version.version} cannot be trained again: it read the dates of {join_names(dated)} as "
            "categories, and they are read as dates now (year, month, weekday, days). From the same rows another model "
            "would come out.",
            next_step=f"Train a new version, which reads dates: tiltyard train. For the same model, install {before} "
            "and run this command there.",
            code="version.dates-as-words",
        )


def _fingerprint_of_words(dataset: Dataset) -> str:
    """The fingerprint of rows whose dates are words, as they once were."""
    schema = dataset.table_schema
    columns = (replace(one, kind="category") if one.kind == "time" else one for one in schema.columns)
    inputs = conform_frame(dataset.frame, TableSchema(tuple(columns), schema.rules))
    return fingerprint(row_digests(inputs, dataset.labels))


def _fingerprint_as_written(dataset: Dataset) -> str:
    """The fingerprint of rows whose labels are as the file writes them, ``1.0`` apart from ``1``: as it once was."""
    if not dataset.classes:
        return dataset.fingerprint  # only classes were ever read as they are written
    labels = dataset.frame[dataset.labels.name].map(write_label, na_action="ignore").astype(str)
    return fingerprint(row_digests(dataset.inputs, labels))


def load_recipe(
    project: Project, version: str, candidates: tuple[str, ...], tracker: ExperimentTracker, workspace: Workspace
) -> LoadedRecipe:
    """How a version was trained, ready to be trained so again.

    Promotion, serving and the rest are taken from the project file as it is now; what decides about data and training
    is taken from the version's run.

    Args:
        project: the project as it is now.
        version: number or alias.
        candidates: recipes that were requested with it; there may be none.
        tracker: where the run was recorded.
        workspace: where the version is registered.

    Raises:
        NotFoundError: there is no such version, or its run does not say how it was trained.
        UsageError: other candidates were requested, or what the run says cannot be used any more.
        DataError: its rows were not kept.
    """
    if candidates:
        raise UsageError(
            "A version that is trained again is trained by its own recipe; no candidate can be named as well.",
            next_step="Leave --candidate out, or --from-version.",
        )
    selector = {"version": version} if version.isdecimal() or is_label(version) else {"alias": version}
    info = workspace.registry.get_version(project.model_name, **selector)
    recipe, then = load_kept_project(project, info, tracker, workspace)
    return LoadedRecipe(
        info,
        then,
        _candidate_of(recipe, then, info),
        str(recipe["snapshot"]["fingerprint"]),
        dates_as_words="dates" not in recipe["project"]["data"],
        tiltyard=str(recipe.get("libraries", {}).get("tiltyard", "")),
    )


def load_kept_project(
    project: Project, info: VersionInfo, tracker: ExperimentTracker, workspace: Workspace
) -> tuple[dict[str, Any], Project]:
    """How a version was trained, and the project of that time with the rows that were kept as its source.

    Raises:
        NotFoundError: the version's run does not say how it was trained.
        UsageError: what the run says cannot be used any more.
        DataError: its rows were not kept.
    """
    recipe = tracker.load_dict(info.run_id, RECIPE) if info.run_id else None
    if recipe is None:
        raise NotFoundError(
            f"Version {info.version} of {info.name} does not say how it was trained: its run has no {RECIPE}.",
            next_step="Only versions that tiltyard train made since it keeps rows can be trained again.",
            code="version.no-recipe",
        )
    kept = recipe.get("snapshot") or {}
    if not kept.get("uri"):
        raise DataError(
            f"The rows that version {info.version} saw were not kept ({kept.get('why_not', 'no reason is known')}).",
            next_step="Set data.snapshots = true for the trainings to come.",
            code="data.no-snapshot",
        )
    return recipe, _project_of(project, recipe, _locate_snapshot(kept, project, workspace), info)


def _locate_snapshot(kept: Mapping[str, Any], project: Project, workspace: Workspace) -> str:
    """The snapshot where it was put, or of the same name in this host's store."""
    uri = str(kept["uri"])
    if "://" in uri or Path(uri).is_file():
        return uri
    moved = f"{workspace.snapshots}/{plain_name(project.name)}/{Path(uri).name}"
    if workspace.snapshots is not None and ("://" in moved or Path(moved).is_file()):
        return moved
    raise DataError(
        f"The snapshot {without_password(uri)} is not there.",
        next_step="Copy it back, or name its store in TILTYARD_SNAPSHOTS.",
        code="data.no-snapshot",
    )


def _project_of(now: Project, recipe: Mapping[str, Any], uri: str, info: VersionInfo) -> Project:
    then = {name: recipe["project"][name] for name in _SECTIONS if name in recipe["project"]}
    data = {**then["data"], "source": uri, "format": "parquet", "query": None, "table": None}
    if reads_text(now.task) and data.get("text") is None:
        data["text"] = "text"  # where a folder of texts puts them
    training = {**then["training"], "candidates": [recipe["candidate"]], "search": {}}
    rest = now.model_dump(by_alias=True, exclude={*_SECTIONS, "columns"})
    try:
        return Project.model_validate({**rest, **then, "data": data, "training": training, "root": now.root})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"What version {info.version} was trained by cannot be used any more: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}.",
            next_step=f"Train it with Tiltyard {recipe.get('libraries', {}).get('tiltyard', 'of that time')}.",
            code="version.recipe-unusable",
        ) from None


def _candidate_of(recipe: Mapping[str, Any], project: Project, info: VersionInfo) -> Candidate:
    candidate = get_candidate(recipe["candidate"], project.task, project.root)
    source = custom_source(candidate.name, project.root)
    if source is not None and hashlib.sha256(source.read_bytes()).hexdigest() != recipe.get("code"):
        raise UsageError(
            f"{source} is not as it was when version {info.version} was trained.",
            next_step="Bring it back as it was (from git), or train anew.",
            code="version.code-changed",
        )
    params = {name: _restore_parameter(candidate, name, value) for name, value in recipe["params"].items()}
    try:
        candidate.with_params(params).build(0)
    except (ValueError, TiltyardError) as error:
        raise UsageError(
            f"The recipe {candidate.name} no longer takes what version {info.version} was trained with: {error}",
            next_step="Train it with the Tiltyard of that time.",
            code="version.recipe-unusable",
        ) from None
    return candidate.with_params(params) if params else candidate


def _round_trip_json(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return repr(value)


def _restore_parameter(candidate: Candidate, name: str, value: Any) -> Any:
    """A parameter from JSON: of a choice the very value, else lists as tuples."""
    allowed = candidate.space.get(name)
    if isinstance(allowed, Choice):
        for choice in allowed.values:
            if _round_trip_json(choice) == value:
                return choice
    return tuple(value) if isinstance(value, list) else value
