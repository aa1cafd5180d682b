"""One file describes a project: ``tiltyard.toml``, or ``[tool.tiltyard]`` in ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tiltyard.errors import ProjectError, nearest

PROJECT_FILE = "tiltyard.toml"

Task = Literal["text-classification", "tabular-classification"]
PromotionRule = Literal["better", "significant", "non-inferior"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)]
Share = Annotated[float, Field(gt=0, lt=1)]
Portion = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A table of the project file: immutable, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProjectSection(Section):
    """What the problem is called."""

    name: Name = Field(description="Short name of the problem; also the name of the MLflow experiment.")
    task: Task = Field(description="What is predicted from what.")
    model: Name | None = Field(default=None, description="Name of the registered model; default: NAME-classifier.")


class DataSection(Section):
    """Where labelled rows come from and which columns mean what."""

    source: str = Field(
        description="Labelled rows: a file, folder or glob (relative to the project file), a URL of files "
        "(`s3://…`, `https://…`), the URL of a database, or `sklearn:NAME`. `${NAME}` in it is taken from the "
        "environment or `.env`."
    )
    format: Literal["csv", "tsv", "jsonl", "parquet", "folder"] | None = Field(
        default=None, description="Format of the source; default: told by its name."
    )
    label: str = Field(default="label", description="Column of the label.")
    positive: str | None = Field(
        default=None,
        description="Label that counts as positive (two classes); default: the last in sorted order.",
    )
    text: str | None = Field(default=None, description="Column of the text (text-classification).")
    features: tuple[str, ...] | None = Field(
        default=None,
        description="Feature columns (tabular-classification); default: all but the label and ignored ones.",
    )
    ignore: tuple[str, ...] = Field(default=(), description="Columns that are never features.")
    time: str | None = Field(default=None, description="Column that says when a row came about.")
    slices: tuple[str, ...] = Field(
        default=(), description="Columns whose values are evaluated one by one; a feature or any other column."
    )
    sensitive: tuple[str, ...] = Field(
        default=(), description="Columns by whose groups fairness is judged; they stay features unless ignored."
    )
    encoding: str = Field(default="utf-8", description="Encoding of text files.")
    query: str | None = Field(default=None, description="SQL query that gives the rows (source is a database).")
    table: str | None = Field(default=None, description="Table of the rows, or SCHEMA.TABLE (source is a database).")
    max_memory_share: float = Field(
        default=0.9,
        gt=0,
        description="Share of the free memory that the data may need, by estimate; more than 1 overrules the estimate.",
    )


ColumnType = Literal["number", "integer", "boolean", "category", "text", "time"]


class ColumnSchema(Section):
    """What one column must hold."""

    type: ColumnType = Field(description="What its values are.")
    required: bool = Field(default=True, description="Whether the column must be there.")
    missing: bool = Field(default=True, description="Whether cells may be missing.")
    values: tuple[str, ...] | None = Field(default=None, description="The categories that are known.")
    minimum: float | None = Field(default=None, description="Smallest number.")
    maximum: float | None = Field(default=None, description="Largest number.")


class ValidationSection(Section):
    """How bad data may be before training stops. A value equal to its limit is still accepted."""

    max_missing: Portion = Field(
        default=0.95, description="Largest share of missing cells in a column (for the label, none may be missing)."
    )
    max_duplicates: Portion = Field(
        default=0.5, description="Largest share of rows that repeat an earlier row (for text: an earlier text)."
    )
    max_outliers: Portion = Field(default=0.25, description="Largest share of outliers in a column of numbers.")
    max_garbage: Portion = Field(default=0.05, description="Largest share of texts that are empty or not language.")
    max_leakage: Portion = Field(
        default=0.99,
        description="Largest power of one column to tell the labels apart by itself: 0 is chance, 1 is perfect.",
    )
    max_overlap: Portion = Field(
        default=0.25, description="Largest share of test rows whose inputs also stand among the training rows."
    )
    min_rows: int = Field(default=20, ge=0, description="Fewest rows to train on.")
    min_class_share: Portion = Field(default=0.001, description="Smallest share of rows of the rarest label.")
    fail_on: Literal["error", "warning", "never"] = Field(
        default="error", description="Gravity of a finding from which on the data is refused."
    )
    ignore: tuple[str, ...] = Field(
        default=(), description='Findings to leave out: "CODE", or "CODE:COLUMN" for one column only.'
    )


class SplitSection(Section):
    """Which rows judge and which rows teach."""

    test: Share = Field(default=0.2, description="Share of the rows that are held out for judging.")
    by: str = Field(
        default="content",
        description='"content" (hash of the row), "time" (the newest rows judge) or "column:NAME".',
    )
    salt: str = Field(default="", description="Changes which rows the content split holds out.")

    @field_validator("by")
    @classmethod
    def _known_rule(cls, value: str) -> str:
        if value in ("content", "time") or (value.startswith("column:") and len(value) > len("column:")):
            return value
        raise ValueError('must be "content", "time" or "column:NAME"')


class SearchSection(Section):
    """How long to look for better parameters of the candidates; with neither limit there is no search."""

    trials: int | None = Field(default=None, ge=1, description="Most trials, each a cross-validation.")
    seconds: float | None = Field(default=None, gt=0, description="Seconds after which no further trial begins.")


class TrainingSection(Section):
    """Which recipes compete and by what they are chosen."""

    candidates: tuple[str, ...] = Field(default=(), description="Recipes to try; default: one that suits the task.")
    metric: str = Field(default="accuracy", description="Metric by which candidates and versions are compared.")
    folds: int = Field(default=5, ge=2, le=50, description="Folds of the cross-validation that chooses a candidate.")
    random_state: int = Field(default=42, ge=0, description="Seed of everything random.")
    search: SearchSection = Field(default=SearchSection(), description="Search over the parameters of the candidates.")
    mitigation: Literal["none", "reweighing"] = Field(
        default="none",
        description="What is done for fairness: reweighing makes the label independent of data.sensitive by weights.",
    )


class PromotionSection(Section):
    """What a version must show before it answers users."""

    rule: PromotionRule = Field(default="significant", description="How a challenger must compare with the champion.")
    alpha: Share = Field(default=0.05, description="Accepted rate of false promotions under the rule 'significant'.")
    margin: float = Field(default=0.01, ge=0, lt=1, description="Loss that the rule 'non-inferior' tolerates.")
    floors: Mapping[str, float] = Field(default_factory=dict, description="Least value of a metric, by metric name.")


class ServingSection(Section):
    """How answers are given."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; loopback unless you change it.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    answer: Literal["prediction", "sentiment"] = Field(
        default="prediction", description="Name of the answer's field that holds the predicted label."
    )
    reload_seconds: float = Field(default=60.0, gt=0, description="How often the champion alias is looked up.")
    max_batch: int = Field(default=256, ge=1, description="Most inputs that are scored in one model call.")
    max_request: int = Field(default=1000, ge=1, description="Most inputs of one request to /predict/batch.")
    max_queue: int = Field(default=4096, ge=1, description="Most inputs that wait; beyond that the answer is 503.")
    max_text: int = Field(default=200_000, ge=1, description="Longest text, in characters.")


class Project(Section):
    """A whole project file, checked."""

    project: ProjectSection
    data: DataSection
    columns: Mapping[str, ColumnSchema] = Field(
        default_factory=dict, alias="schema", description="What each column must hold, by column."
    )
    validation: ValidationSection = ValidationSection()
    split: SplitSection = SplitSection()
    training: TrainingSection = TrainingSection()
    promotion: PromotionSection = PromotionSection()
    serving: ServingSection = ServingSection()
    root: Path = Field(default=Path(), exclude=True, description="Folder of the project file; set by the reader.")

    @model_validator(mode="after")
    def _fits_task(self) -> Project:
        if self.project.task == "text-classification" and self.data.text is None and self.data.format != "folder":
            raise ValueError('data.text: a text project names the column of its texts (text = "…")')
        if self.data.text is not None and self.project.task != "text-classification":
            raise ValueError("data.text: only a text-classification project has a text column")
        if self.training.mitigation != "none" and not self.data.sensitive:
            raise ValueError(f'training.mitigation: "{self.training.mitigation}" needs data.sensitive, the groups')
        if self.split.by == "time" and self.data.time is None:
            raise ValueError('split.by: "time" needs data.time, the column that says when a row came about')
        return self

    @property
    def name(self) -> str:
        """Name of the problem and of its MLflow experiment."""
        return self.project.name

    @property
    def task(self) -> Task:
        """What is predicted from what."""
        return self.project.task

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return self.project.model or f"{self.project.name}-classifier"


def find_project_file(start: Path | None = None) -> Path:
    """The project file of ``start`` (a file, or a folder; default: the working folder), looked for upwards.

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
    try:
        return Project.model_validate({**content, "root": file.parent})
    except ValidationError as error:
        problems = [_describe(item) for item in error.errors()]
        raise ProjectError(
            f"{file.name} cannot be used: " + "; ".join(problems) + ".",
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
    """One validation error in the words of the file: key, value, and the nearest known key."""
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"unknown key '{key}'.{nearest(location[-1], _known_keys(location[:-1]))}".rstrip(".")
    if item["type"] == "missing":
        return f"'{key}' is missing"
    message = item["msg"].removeprefix("Value error, ")
    if not key:
        return str(message)
    return f"'{key}' = {item['input']!r}: {message}"


def _known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = Project
    for part in path:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        options = [inner, *get_args(inner)]
        sections = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
        if not sections:
            return []
        model = sections[0]
    return [field.alias or name for name, field in model.model_fields.items() if name != "root"]
