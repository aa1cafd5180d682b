"""A model registry that lives in memory, and a small version to put into one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from urllib.parse import unquote, urlsplit

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tiltyard.errors import NotFoundError, UnavailableError, UsageError
from tiltyard.registry import Manifest, ModelInfo, Samples, VersionCard, VersionInfo, write_package
from tiltyard.registry.semantic_version import version_by_label
from tiltyard.tasks import find_task

_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_RESERVED = re.compile(r"^(latest|v\d+)$", re.IGNORECASE)

_PRAISE = ("a warm and funny film", "I loved every minute of it", "clever, moving and beautifully shot")
_SCORN = ("dull, slow and far too long", "what a waste of an evening", "a lazy plot and wooden acting")


class MemoryRegistry:
    """A ``Registry`` for tests: it behaves like the one over MLflow.

    A version is registered from a folder or its ``file:`` address, of which it keeps a copy.

    Attributes:
        away: while true, everything but a copy that was fetched before is unavailable.
    """

    def __init__(self) -> None:
        self.away = False
        self._lock = RLock()
        self._models: dict[str, _Model] = {}

    def register_model(
        self,
        model_uri: str,
        name: str,
        description: str = "",
        *,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        run_id: str | None = None,
    ) -> VersionInfo:
        """Make the next version of a model; see ``Registry.register_model``."""
        folder = Path(unquote(urlsplit(model_uri).path))
        with self._model():
            if not folder.is_dir():
                raise NotFoundError(f"There is no model at '{model_uri}'.", next_step="Give a folder.")
            model = self._models.setdefault(name, _Model())
            number = len(model.versions) + 1
            info = VersionInfo(
                name=name,
                version=str(number),
                aliases=(),
                run_id=run_id,
                created_at=_START + timedelta(minutes=number),
                description=description,
                metrics={key: float(value) for key, value in (metrics or {}).items()},
                tags=dict(tags or {}),
                source=f"memory:/{name}/{number}",
            )
            model.versions[info.version] = info
            model.files[info.version] = {
                path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
            }
            return info

    def list_models(self) -> list[ModelInfo]:
        """All registered models, by name."""
        with self._model():
            return [ModelInfo(name, dict(model.aliases)) for name, model in sorted(self._models.items())]

    def list_versions(self, name: str) -> list[VersionInfo]:
        """All versions of a model, newest first; none if the model does not exist."""
        with self._model():
            model = self._models.get(name, _Model())
            return [model.describe_version(version) for version in reversed(model.versions)]

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """The version of that number, or the one that an alias names; see ``Registry.get_version``."""
        if (version is None) == (alias is None):
            raise UsageError("Give either a version or an alias.", next_step="Such as --alias champion.")
        with self._model():
            model = self._models.get(name, _Model())
            labelled = version_by_label(model.versions.values(), version or "")
            version = labelled.version if labelled else version
            if alias is not None:
                version = model.aliases.get(alias)
            if version is None or version not in model.versions:
                missing = f"no version {version}" if alias is None else f"no alias '{alias}'"
                raise NotFoundError(f"{name} has {missing}.", next_step="See what there is: tiltyard list-versions")
            return model.describe_version(version)

    def champion(self, name: str) -> VersionInfo | None:
        """The version that serves users, or None."""
        try:
            return self.get_version(name, alias="champion")
        except NotFoundError:
            return None

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version, in place of any other."""
        with self._model():
            if _RESERVED.match(alias):
                raise UsageError(f"The alias '{alias}' is reserved.", next_step="Choose another name.")
            self.get_version(name, version=version)
            self._models[name].aliases[alias] = version

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing; a missing alias is a no-op."""
        with self._model():
            self._models.get(name, _Model()).aliases.pop(alias, None)

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        with self._model():
            info = self.get_version(name, version=version)
            changed = replace(info, aliases=(), tags={**info.tags, key: value})
            self._models[name].versions[version] = changed

    def delete_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version; a missing tag is a no-op."""
        with self._model():
            info = self.get_version(name, version=version)
            kept = {tag: value for tag, value in info.tags.items() if tag != key}
            self._models[name].versions[version] = replace(info, aliases=(), tags=kept)

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """A folder of this host with the version's files; see ``Registry.fetch``."""
        target = cache / info.name / info.version
        if target.is_dir():
            return target
        with self._model():
            if target.is_dir():  # another thread was quicker
                return target
            self.get_version(info.name, version=info.version)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
                for path, content in self._models[info.name].files[info.version].items():
                    file = Path(folder, "new", path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
                Path(folder, "new").rename(target)
        return target

    def _model(self) -> RLock:
        """The lock, if the registry is there."""
        if self.away:
            raise UnavailableError("The registry is away.", next_step="Bring it back.", code="registry.unavailable")
        return self._lock


@dataclass
class _Model:
    versions: dict[str, VersionInfo] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[Path, bytes]] = field(default_factory=dict)

    def describe_version(self, version: str) -> VersionInfo:
        aliases = tuple(sorted(alias for alias, named in self.aliases.items() if named == version))
        return replace(self.versions[version], aliases=aliases)


def example_pipeline() -> Pipeline:
    """A fitted text classifier, ``good`` or ``bad``, so small that it is made at once."""
    texts, labels = [*_PRAISE, *_SCORN], ["good"] * len(_PRAISE) + ["bad"] * len(_SCORN)
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10.0)).fit(texts, labels)


def write_example_package(folder: Path, pipeline: Pipeline | None = None, **changes: object) -> Manifest:
    """Package a small text classifier in a folder that does not exist yet.

    Args:
        folder: where to.
        pipeline: a fitted text classifier; default: ``example_pipeline``.
        changes: fields of the version card that shall be other than usual.
    """
    pipeline = pipeline or example_pipeline()
    texts = [*_PRAISE, *_SCORN]
    card = VersionCard(
        model_name="films",
        task=find_task("text", "class"),
        candidate="tfidf-logreg",
        classes=tuple(str(label) for label in pipeline.classes_),
        positive=None,
        columns={"text": "str"},
        metrics={"accuracy": 1.0},
        data_fingerprint="0" * 32,
        train_rows=len(texts),
        created_at=_START,
        samples=Samples(
            inputs=tuple({"text": text} for text in texts),
            probabilities=tuple(tuple(map(float, row)) for row in pipeline.predict_proba(texts)),
        ),
    )
    return write_package(
        folder, pipeline, card.model_copy(update=changes), training_keys=np.arange(len(texts), dtype=np.uint64)
    )
