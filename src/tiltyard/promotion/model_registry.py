"""The public model registry: versions in MLflow, and aliases whose every change is a recorded decision."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from tiltyard import wiring
from tiltyard.aliases import CHAMPION, STAGES, alias_of_stage
from tiltyard.arguments import (
    OPTIONAL_TEXT,
    allow_none,
    check_arguments,
    require_mapping,
    require_numbers,
    require_string,
    require_version,
    require_words,
)
from tiltyard.data.conform.frames import conform_frame
from tiltyard.errors import UsageError
from tiltyard.project import Project
from tiltyard.promotion.context import NO_DESTINATIONS, Workspace, build_workspace
from tiltyard.promotion.manual_change import archive_version, is_decided, point_alias, remove_alias, unarchive_version
from tiltyard.promotion.offline_predictions import predict_dataset
from tiltyard.promotion.registered_version import describe_registered_version
from tiltyard.registry import MlflowRegistry, VersionInfo
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.settings import Settings
from tiltyard.suggest import nearest
from tiltyard.tasks import check_confidence_level, require_sets

_STAGES = (*STAGES, "Development", "Archived", "None")


class ModelRegistry(MlflowRegistry):
    """Registered versions in MLflow; the stage API is never called.

    Whatever moves an alias is recorded in the ledger that this host's settings name: who, why, and that no gate was
    run. To let a version pass the gates first, use ``tiltyard promote`` or ``MLOpsPipeline.promote_model``.

    Args:
        tracking_uri: MLflow's tracking URI; default: this host's settings.
        registry_uri: MLflow's registry URI; default: the tracking URI.
        settings: this host's settings: the ledger, and the keys that verify signatures; default: those of the working
            folder.
        project: a project whose destinations are notified of decisions; default: no notification.
    """

    def __init__(
        self,
        *,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        settings: Settings | None = None,
        project: Project | None = None,
    ) -> None:
        super().__init__(tracking_uri=tracking_uri, registry_uri=registry_uri, settings=settings)
        self._alerts = project.alerts if project is not None else NO_DESTINATIONS

    @check_arguments(
        model_uri=require_words,
        name=require_words,
        description=require_string,
        tags=allow_none(require_mapping),
        metrics=allow_none(require_numbers),
        run_id=OPTIONAL_TEXT,
    )
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
        """Make the next version of a model from a logged one, with its lineage and semantic label, and record it.

        Args:
            model_uri: ``models:/m-…``, ``runs:/RUN_ID/ARTIFACT_PATH`` or a folder.
            name: the registered model, which comes into being with its first version.
            description: for people.
            tags: of the version.
            metrics: its metrics, which are shown with it; default: those of its run.
            run_id: the run that made it; default: the one that the address names.

        Raises:
            NotFoundError: there is no such logged model.
            UnavailableError: the registry or the ledger is away.
        """
        made = super().register_model(model_uri, name, description, tags=tags, metrics=metrics, run_id=run_id)
        with self._open_workspace() as workspace:
            return describe_registered_version(workspace, self, made)

    def set_alias(self, name: str, alias: str, version: str, *, reason: str = "") -> None:
        """Let an alias name a version, in place of any other, and record the decision.

        A champion that is replaced becomes ``previous``.

        Raises:
            NotFoundError: there is no such version.
            UnavailableError: the registry or the ledger is away.
        """
        with self._open_workspace() as workspace:
            why = reason or _without_gates("set_alias")
            point_alias(workspace, name, version=str(version), alias=alias, reason=why)

    def delete_alias(self, name: str, alias: str, *, reason: str = "") -> None:
        """Let an alias name nothing, and record the decision; a missing alias is a no-op.

        Raises:
            UnavailableError: the registry or the ledger is away.
        """
        with self._open_workspace() as workspace:
            remove_alias(workspace, name, alias=alias, reason=reason or "removed by ModelRegistry.delete_alias")

    @check_arguments(
        name=require_words, version=require_version, stage=allow_none(require_string), reason=require_string
    )
    def promote_model(self, name: str, version: str | int, stage: str | None, *, reason: str = "") -> VersionInfo:
        """Move a version to a stage, in the words of MLflow's deprecated stages, and record the decision.

        Production is the alias champion (the champion before it becomes ``previous``), Staging is challenger, Archived
        removes all aliases and tags the version until it goes up again, Development and None remove its aliases. What a
        decision made so already is left.

        Args:
            name: the registered model.
            version: the version's number or label.
            stage: ``Production``, ``Staging``, ``Development``, ``Archived`` or ``None``, in any case.
            reason: why; it is kept with the decision.

        Raises:
            UsageError: there is no such stage.
            NotFoundError: there is no such version.
            UnavailableError: the registry or the ledger is away.
        """
        # None is what a caller writes for the stage of that name.
        wanted = str(stage).strip().lower()
        if wanted not in {known.lower() for known in _STAGES}:
            raise UsageError(
                f"There is no stage '{stage}'.{nearest(str(stage), _STAGES)}",
                next_step=f"Stages: {', '.join(_STAGES)}.",
                code="stage.unknown",
            )
        info = self.get_version(name, version=version)
        with self._open_workspace() as workspace:
            if wanted in {known.lower() for known in STAGES}:
                alias = alias_of_stage(wanted)
                if not (alias in info.aliases and is_decided(workspace, name, alias, info.version)):
                    why = reason or _without_gates("promote_model")
                    point_alias(workspace, name, version=info.version, alias=alias, reason=why)
            else:
                why = reason or f"moved to {str(stage).strip()} by ModelRegistry.promote_model"
                if wanted == "archived":
                    archive_version(workspace, name, info.version, reason=why, with_champion=True)
                else:
                    for alias in info.aliases:
                        remove_alias(workspace, name, alias=alias, reason=why)
                    unarchive_version(workspace, name, info.version, reason=why)
        return self.get_version(name, version=info.version)

    @check_arguments(name=require_words, alias=OPTIONAL_TEXT, version=allow_none(require_version))
    def predict_sets(
        self,
        name: str,
        inputs: pd.DataFrame | pd.Series,
        confidence_level: float,
        *,
        alias: str | None = None,
        version: str | int | None = None,
    ) -> list[list[str]]:
        """Prediction sets: for each of n rows the labels among which the true one is, the likeliest first.

        Args:
            name: the registered model.
            inputs: n texts, or n rows with the columns that the version reads.
            confidence_level: the share of the sets that hold the true label, between 0 and 1.
            alias: of the version; by alias or number, and the champion where neither is given.
            version: its number.

        Raises:
            InputError: the version predicts numbers, or has too few held-out rows for this confidence, or none.
            DataError: the rows have not the columns or the kinds of values that it reads.
            ArtifactError: the version is not what was packaged, or not signed by a key that this host trusts.
        """
        level = check_confidence_level(confidence_level)
        info = self.get_version(name, version=version, alias=CHAMPION if version is None and alias is None else alias)
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            package = VersionLoader(self, Path(folder), (), self._keys).load(info)
            sets = require_sets(package.prediction_sets, package.manifest.classes, info.version, level)
        schema = package.manifest.table_schema
        found = predict_dataset(
            package.pipeline, inputs if schema is None else conform_frame(pd.DataFrame(inputs), schema)
        )
        return sets.list_labels(
            [dict(zip(found.classes, row, strict=True)) for row in found.probabilities.tolist()], level
        )

    @contextmanager
    def _open_workspace(self) -> Iterator[Workspace]:
        """A workspace over MLflow itself: its calls move aliases, and the decision is recorded around them."""
        store = MlflowRegistry(
            tracking_uri=self._tracking_uri, registry_uri=self._registry_uri, settings=self._settings
        )
        self._settings.make_state()
        with wiring.open_ledger(self._settings) as ledger:
            yield build_workspace(self._settings, ledger, self._alerts, registry=store)


def _without_gates(call: str) -> str:
    return f"set by ModelRegistry.{call}, without the gates"
