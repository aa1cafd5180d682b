"""The model registry over MLflow's: the adapter of ``Registry``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiltyard.aliases import CHAMPION, alias_of_stage
from tiltyard.arguments import (
    OPTIONAL_TEXT,
    allow_none,
    check_arguments,
    require_texts,
    require_version,
    require_words,
)
from tiltyard.errors import ArtifactError, NotFoundError, UsageError
from tiltyard.formatting import join_names
from tiltyard.registry.mlflow_backend.artifact_files import fetch_artifacts, read_artifact
from tiltyard.registry.mlflow_backend.durable_writes import mlflow_writes, sync_artifacts
from tiltyard.registry.mlflow_backend.mlflow_auth import export_credentials
from tiltyard.registry.mlflow_backend.mlflow_client import mlflow_errors, open_client
from tiltyard.registry.mlflow_backend.model_uris import check_tree, resolve_model_uri, upload
from tiltyard.registry.package.manifest import MANIFEST, Manifest
from tiltyard.registry.package.signing import SIGNATURE, KeyRing, host_keys, host_signer
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.registry.package.version_seal import SEAL_TAG, seal
from tiltyard.registry.ports import ModelInfo, VersionInfo
from tiltyard.registry.semantic_version import is_label, is_number, version_by_label
from tiltyard.registry.version_cache import fetch_version
from tiltyard.result_display import ResultList
from tiltyard.settings import Settings
from tiltyard.suggest import nearest

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

METRIC_TAG = "tiltyard.metric."


class MlflowRegistry:
    """A ``Registry`` in MLflow; the stage API is never called.

    It moves an alias and records nothing: ``tiltyard.promotion.alias_change`` calls it, and records the decision.

    Args:
        tracking_uri: MLflow's tracking URI; default: this host's settings.
        registry_uri: MLflow's registry URI; default: the tracking URI.
        settings: this host's settings, whose keys verify signatures; default: those of the working folder.
    """

    def __init__(
        self, *, tracking_uri: str | None = None, registry_uri: str | None = None, settings: Settings | None = None
    ) -> None:
        settings = settings or Settings.load()
        export_credentials(settings)
        self._settings = settings
        self._tracking_uri = tracking_uri or settings.tracking_uri
        self._registry_uri = registry_uri or (self._tracking_uri if tracking_uri else settings.registry_uri)

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
        """Make the next version of a model from a logged one (``models:/m-…``, ``runs:/…/model`` or a folder)."""
        with self._writes():
            from mlflow.exceptions import MlflowException  # noqa: PLC0415

            source = resolve_model_uri(self._client, model_uri)
            if source.local is not None and self._registry_uri.startswith(("http:", "https:")):
                # A server reads no folders of its callers: the files go to its own store first.
                source = upload(self._client, source.local, name)
            if metrics is None:
                metrics = self._read_run_metrics(run_id or source.run_id)
            sync_artifacts(source.location)
            shown = {f"{METRIC_TAG}{key}": repr(float(value)) for key, value in metrics.items()}
            try:
                self._client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            made = self._client.create_model_version(
                name,
                source.location,
                run_id or source.run_id,
                tags={**(tags or {}), **shown},
                description=description or None,
                model_id=source.model_id,
            )
        sealed = self.seal(_info(made, ()))
        return sealed or _info(made, ())

    def _read_run_metrics(self, run_id: str | None) -> Mapping[str, float]:
        """The metrics of the run that made a model; none where it is not known, or was deleted for good."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            metrics: Mapping[str, float] = self._client.get_run(run_id).data.metrics if run_id else {}
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return metrics

    def seal(self, info: VersionInfo) -> VersionInfo | None:
        """Bind a version that this host's own key has signed to its name and number, where this host has one.

        Returns:
            The version with its seal; None where this host does not sign, or did not sign this one.

        Raises:
            UsageError: the signing key cannot be used.
            UnavailableError: the registry or the store of its files is away.
        """
        signer = host_signer(self._settings)
        if signer is None:
            return None
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            manifest, signature = (self._file(info, name, Path(folder)) for name in (MANIFEST, SIGNATURE))
        if manifest is None or signature is None:
            return None
        own = KeyRing((signer.public,))
        try:
            own.signed_by(manifest, signature, f"version {info.version} of {info.name}")
            made_for = Manifest.model_validate_json(manifest).model_name
        except (ArtifactError, ValueError):
            return None
        if made_for not in ("", info.name):
            return None
        self.set_tag(info.name, info.version, SEAL_TAG, seal(signer, info.name, info.version, manifest))
        return self.get_version(info.name, version=info.version)

    def list_models(self) -> ResultList[ModelInfo]:
        """All registered models, by name."""
        with self._errors():
            found = _all(self._client.search_registered_models)
        infos = [
            ModelInfo(model.name, {alias: str(number) for alias, number in model.aliases.items()}) for model in found
        ]
        return ResultList("Registered models", sorted(infos, key=lambda info: info.name))

    def list_versions(self, name: str) -> ResultList[VersionInfo]:
        """All versions of a model, newest first; none if the model does not exist."""
        with self._errors():
            aliases = self._aliases(name)
            found = _all(self._client.search_model_versions, filter_string=f"name = '{_quote_name(name)}'")
        infos = [_info(version, aliases.get(str(version.version), ())) for version in found]
        return ResultList(f"Versions of {name}", sorted(infos, key=lambda info: -int(info.version)))

    def get_version(self, name: str, *, version: str | int | None = None, alias: str | None = None) -> VersionInfo:
        """The version of that number or semantic label (``2.1.0``), or the one that an alias names.

        Raises:
            UsageError: not exactly one of version and alias was given.
            NotFoundError: there is none.
        """
        if (version is None) == (alias is None):
            raise UsageError("Give either a version or an alias.", next_step="Such as --alias champion.")
        version = None if version is None else str(version)
        if version is not None and is_label(version):
            return self._find_by_label(name, version)
        if version is not None and not is_number(version):
            raise _no_version(name, version)
        with self._errors():
            aliases = self._aliases(name)
            if alias is not None:
                version = next((number for number, names in aliases.items() if alias in names), None)
                if version is None:
                    raise self._no_alias(name, alias, aliases)
            try:
                found = self._client.get_model_version(name, str(version))
            except Exception as error:
                if _is_missing(error):
                    raise self._describe_missing(name, str(version)) from None
                raise
        return _info(found, aliases.get(str(version), ()))

    def champion(self, name: str) -> VersionInfo | None:
        """The version that serves users, or None."""
        try:
            return self.get_version(name, alias=CHAMPION)
        except NotFoundError:
            return None

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version, in place of any other."""
        with self._writes():
            self._client.set_registered_model_alias(name, alias, version)

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing; a missing alias is a no-op."""
        with self._writes():
            if any(alias in names for names in self._aliases(name).values()):
                self._client.delete_registered_model_alias(name, alias)

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        with self._writes():
            self._client.set_model_version_tag(name, version, key, value)

    def delete_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version; a missing tag is a no-op."""
        with self._writes():
            try:
                self._client.delete_model_version_tag(name, version, key)
            except Exception as error:
                if not _is_missing(error):
                    raise

    @check_arguments(
        name=require_words,
        stage=OPTIONAL_TEXT,
        alias=OPTIONAL_TEXT,
        version=allow_none(require_version),
        trusted_types=require_texts,
    )
    def load_model(
        self,
        name: str,
        *,
        stage: str | None = None,
        alias: str | None = None,
        version: str | int | None = None,
        trusted_types: tuple[str, ...] = (),
    ) -> Pipeline:
        """Load a version, verified; by stage, alias or number, and the champion where none is given.

        Raises:
            ArtifactError: the version is not what was packaged, or not signed by a key that this host trusts.
        """
        if stage is not None:
            if alias is not None or version is not None:
                raise UsageError(
                    "Give a stage, an alias or a version, not several.", next_step='Such as stage="Production".'
                )
            alias = alias_of_stage(stage)
        if alias is None and version is None:
            alias = CHAMPION
        info = self.get_version(name, version=version, alias=alias)
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            return VersionLoader(self, Path(folder), trusted_types, self._keys).load(info).model

    def read_manifest(self, info: VersionInfo) -> Manifest | None:
        """What a version says of itself, unverified; None where Tiltyard did not package it."""
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            content = self._file(info, MANIFEST, Path(folder))
        try:
            return None if content is None else Manifest.model_validate_json(content)
        except ValueError:
            return None

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """A folder of this host with the version's files; a whole copy that is there is used again."""
        return fetch_version(info, cache, self._keys, partial(self._download, info))

    @cached_property
    def _client(self) -> Any:
        return open_client(self._tracking_uri, self._registry_uri)

    @cached_property
    def _keys(self) -> KeyRing:
        return host_keys(self._settings)

    def _errors(self) -> Any:
        return mlflow_errors(self._registry_uri)

    def _writes(self) -> Any:
        return mlflow_writes(self._registry_uri)

    def _aliases(self, name: str) -> dict[str, tuple[str, ...]]:
        """Aliases by version number; empty if the model does not exist."""
        try:
            named = self._client.get_registered_model(name).aliases
        except Exception as error:
            if _is_missing(error):
                return {}
            raise
        by_version: dict[str, tuple[str, ...]] = {}
        for alias, version in sorted(named.items()):
            by_version[str(version)] = (*by_version.get(str(version), ()), alias)
        return by_version

    def _find_by_label(self, name: str, label: str) -> VersionInfo:
        found = version_by_label(self.list_versions(name), label)
        if found is None:
            raise NotFoundError(
                f"No version of {name} has the label {label}.",
                next_step="See what there is: tiltyard list-versions",
                code="version.unknown",
            )
        return found

    def _describe_missing(self, name: str, version: str) -> NotFoundError:
        """Whether the version or the whole model is missing."""
        if self.list_versions(name):
            return _no_version(name, version)
        known = [model.name for model in self.list_models()]
        named = f"Registered models: {join_names(known)}.{nearest(name, known)}" if known else "No model is registered."
        return NotFoundError(
            f"There is no registered model '{name}'. {named}",
            next_step="Correct the name, or register a version: tiltyard train, or ModelRegistry().register_model(...)",
            code="model.unknown",
        )

    def _no_alias(self, name: str, alias: str, aliases: Mapping[str, tuple[str, ...]]) -> NotFoundError:
        if alias == CHAMPION:
            return NotFoundError(
                f"No champion yet: no version of {name} has the alias 'champion'.",
                next_step="Run: tiltyard train --champion",
                code="champion.missing",
            )
        known = sorted(alias for names in aliases.values() for alias in names)
        return NotFoundError(
            f"No version of {name} has the alias '{alias}'.{nearest(alias, known)}",
            next_step="See what there is: tiltyard list-versions",
            code="alias.unknown",
        )

    def _file(self, info: VersionInfo, name: str, folder: Path) -> bytes | None:
        """The content of one file of a version; None where it has none of that name."""
        with self._errors():
            uri = self._client.get_model_version_download_uri(info.name, info.version)
            return read_artifact(uri, name, folder, self._tracking_uri)

    def _download(self, info: VersionInfo, folder: Path) -> Path:
        with self._errors():
            uri = self._client.get_model_version_download_uri(info.name, info.version)
            check_tree(uri, info)
            return fetch_artifacts(uri, folder, self._tracking_uri, self._registry_uri)


def _info(version: Any, aliases: tuple[str, ...]) -> VersionInfo:
    tags = dict(version.tags or {})
    metrics = _metrics(tags)
    return VersionInfo(
        name=version.name,
        version=str(version.version),
        aliases=tuple(sorted(aliases)),
        run_id=version.run_id or None,
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        description=version.description or "",
        metrics={key.removeprefix(METRIC_TAG): value for key, value in metrics.items()},
        tags={key: value for key, value in tags.items() if key not in metrics},
        source=version.source or "",
    )


def _metrics(tags: Mapping[str, str]) -> dict[str, float]:
    """The tags that are metrics. Anybody may set one to something else: then it is a tag like others."""
    found = {}
    for key, value in tags.items():
        if key.startswith(METRIC_TAG):
            try:
                number = float(value)
            except ValueError:
                continue
            if isfinite(number):
                found[key] = number
    return found


def _all(search: Any, **arguments: Any) -> list[Any]:
    """Every page of a paged search."""
    found: list[Any] = []
    token = None
    while True:
        page = search(**arguments, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _no_version(name: str, version: str) -> NotFoundError:
    shown = version if is_number(version) else repr(version)
    return NotFoundError(
        f"{name} has no version {shown}.", next_step="See what there is: tiltyard list-versions", code="version.unknown"
    )


def _is_missing(error: Exception) -> bool:
    return getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"


def _quote_name(name: str) -> str:
    return name.replace("'", "\\'")
