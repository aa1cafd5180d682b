"""Opening a model that somebody saved: a file by its ending, a folder of MLflow, or what an address of MLflow names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tiltyard.errors import ArtifactError, UsageError
from tiltyard.formatting import join_names
from tiltyard.registry.foreign.fitted_boosters import (
    BOOSTER_FILES,
    CATBOOST_FILE,
    LIGHTGBM_FILE,
    XGBOOST_BINARY,
    XGBOOST_FILE,
    open_booster_file,
)
from tiltyard.registry.foreign.unpickling import PickleLimits, save_as_skops, unpickle
from tiltyard.registry.mlflow_backend.artifact_files import fetch_artifacts
from tiltyard.registry.mlflow_backend.mlflow_client import mlflow_errors, open_client
from tiltyard.registry.mlflow_backend.model_uris import resolve_model_uri
from tiltyard.registry.package.manifest import MANIFEST, digest
from tiltyard.registry.package.skops_file import foreign_types, read_model
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.settings import Settings

PICKLES = (".pkl", ".pickle", ".joblib")
SKOPS = ".skops"
MLMODEL = "MLmodel"
_SEARCHES = ("sklearn.model_selection", "sklearn.metrics._scorer")
_OF_SEARCH = "  of a search, save the best estimator alone: skops.io.dump(search.best_estimator_, FILE)"
_REPLACE = "  replace that part by an estimator of scikit-learn, and fit again"
# By library the form of the files that MLflow's flavors write, by their ending, or by the format that CatBoost states.
_BOOSTER_FORMS: dict[str, dict[str, str]] = {
    "lightgbm": {".lgb": LIGHTGBM_FILE},
    "xgboost": {".json": XGBOOST_FILE, ".ubj": XGBOOST_BINARY},
    "catboost": {"cbm": CATBOOST_FILE},
}


@dataclass(frozen=True)
class OpenedModel:
    """A model that was read from a file.

    Attributes:
        model: the estimator.
        form: how it was stored.
        digest: SHA-256 of its file, in hexadecimal.
        notes: what else is known of it, by name.
    """

    model: Any
    form: str
    digest: str
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpeningRules:
    """How files of strangers are opened.

    Attributes:
        settings: of this host: the types that it allows, and where MLflow is.
        pickles: what a pickle may take; None: pickles are not opened.
    """

    settings: Settings
    pickles: PickleLimits | None = None


def open_saved_model(source: str, folder: Path, rules: OpeningRules) -> OpenedModel:
    """Open a saved model; nothing of it is run but, if the caller allows it, a pickle in a separate process.

    Args:
        source: a file, a folder that MLflow wrote, ``runs:/RUN_ID/PATH``, ``models:/NAME/VERSION``,
            ``models:/NAME@ALIAS`` or ``models:/m-ID``.
        folder: for what is fetched or written anew; it must exist.
        rules: how files are opened.

    Raises:
        UsageError: there is no such file, or it is of no known form (``adopt.unknown-form``), or a pickle, and these
            are not to be opened (``adopt.is-pickle``).
        ArtifactError: it is damaged, holds types that this host does not allow, or was fitted by another version.
        NotFoundError: MLflow knows no such model.
        UnavailableError: MLflow cannot be reached.
    """
    try:
        return _open_source(source, folder, rules)
    except ArtifactError as error:
        # Checks that stored versions share advise what helps with a version, and there is none yet.
        if error.code.startswith("adopt.") or error.code == "artifact.untrusted-type":
            raise
        raise ArtifactError(
            error.message.replace("The stored", f"{source}: the stored", 1),
            next_step="Fetch or save the file again; if that does not help, find out who made it.",
            code=error.code,
            **error.fields,
        ) from error


def _open_source(source: str, folder: Path, rules: OpeningRules) -> OpenedModel:
    if source.startswith(("runs:/", "models:/")):
        return _open_mlflow_folder(_fetch(source, folder, rules.settings), folder, rules)
    file = Path(source)
    if file.is_dir():
        return _open_mlflow_folder(file, folder, rules)
    if not file.is_file():
        raise UsageError(
            f"There is no file {source}.",
            next_step="Give a file, or an address of MLflow: runs:/RUN_ID/model or models:/NAME/VERSION.",
            code="adopt.missing",
        )
    ending = file.suffix.lower()
    if ending == SKOPS:
        return _open_skops(file, rules)
    if ending in PICKLES:
        return _open_pickle(file, folder, rules)
    if ending in BOOSTER_FILES:
        booster = open_booster_file(file)
        return OpenedModel(booster, booster.library_, digest(file))
    raise UsageError(
        f"{file.name} is of no form that can be adopted: its name ends in '{ending}'.",
        next_step=f"Forms: {join_names([SKOPS, *PICKLES])}, LightGBM's {LIGHTGBM_FILE}, XGBoost's {XGBOOST_FILE} and "
        f"{XGBOOST_BINARY}, "
        f"CatBoost's {CATBOOST_FILE}, or a folder that MLflow wrote. Another booster is adopted from Python: "
        "tiltyard.adopt(model, data). To save it:\n" + save_as_skops(file),
        code="adopt.unknown-form",
    )


def _open_skops(file: Path, rules: OpeningRules, origin: str = "") -> OpenedModel:
    """The model of a skops file whose types are all allowed."""
    name = origin or file.name
    allowed = trusted_type_names(rules.settings.trusted_types)
    foreign = foreign_types(file, allowed)
    if foreign:
        raise ArtifactError(
            f"{name} holds types that this host does not allow: {', '.join(foreign)}; nothing of it was loaded.",
            next_step="Any of these helps:\n"
            f"{_OF_SEARCH if any(name.startswith(_SEARCHES) for name in foreign) else _REPLACE}\n"
            "  have Tiltyard train the same kind of model: tiltyard init DATA_FILE && tiltyard train\n"
            f"  if you have read these types and trust them: TILTYARD_TRUSTED_TYPES='{_as_list(foreign)}'",
            code="artifact.untrusted-type",
            types=foreign,
        )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model = read_model(file, allowed)
    versions = {
        str(getattr(one.message, "original_sklearn_version", ""))
        for one in seen
        if type(one.message).__name__ == "InconsistentVersionWarning"
    }
    notes = check_fitted_with(name, sorted(versions))
    return OpenedModel(model, "skops", digest(file), notes)


def check_fitted_with(name: str, versions: list[str]) -> dict[str, str]:
    """Refuse a model that another scikit-learn than the installed one wrote; a patch release apart is noted.

    Raises:
        ArtifactError: it is another minor or major version (``adopt.other-scikit-learn``).
    """
    import sklearn  # noqa: PLC0415

    here = sklearn.__version__
    others = [version for version in versions if version.split(".")[:2] != here.split(".")[:2]]
    if others:
        raise ArtifactError(
            f"{name} was fitted with scikit-learn {join_names(others)}, and {here} is installed: it may predict "
            "something else here without a word.",
            next_step="Any of these helps:\n"
            f"  work in an environment with that version: pip install 'scikit-learn=={others[0]}'\n"
            f"  fit it again with scikit-learn {here}, and save it with skops.io.dump\n"
            "  have Tiltyard train the same kind of model: tiltyard init DATA_FILE && tiltyard train",
            code="adopt.other-scikit-learn",
            versions=others,
        )
    return {"fitted_with_scikit_learn": ", ".join(versions)} if versions else {}


def _open_pickle(file: Path, folder: Path, rules: OpeningRules, origin: str = "") -> OpenedModel:
    """The model of a pickle, which is opened in a separate process."""
    name = origin or file.name
    if rules.pickles is None:
        raise UsageError(
            f"{name} is a pickle: to open it runs whatever code it names.",
            next_step="Save the model in a form that runs none:\n"
            + save_as_skops(file)
            + "\nOr, if you know who made it, add --unpickle (in Python unpickle=True): it is opened once, in a "
            "process without network.",
            code="adopt.is-pickle",
        )
    written = unpickle(file, folder, rules.pickles)
    notes = check_fitted_with(name, list(written.fitted_with))
    opened = _open_skops(written.file, rules, name)
    barriers = {"opened_behind": ", ".join(written.barriers)}
    return replace(opened, form="pickle", digest=written.digest, notes={**notes, **barriers})


def _fetch(source: str, folder: Path, settings: Settings) -> Path:
    """The files of a model that MLflow has."""
    with mlflow_errors(settings.tracking_uri):
        client = open_client(settings.tracking_uri, settings.registry_uri)
        found = resolve_model_uri(client, source)
        target = folder / "fetched"
        target.mkdir()
        return fetch_artifacts(found.location, target, settings.tracking_uri, settings.registry_uri)


def _open_mlflow_folder(found: Path, folder: Path, rules: OpeningRules) -> OpenedModel:
    """The model of scikit-learn, LightGBM, XGBoost or CatBoost of a folder that MLflow wrote."""
    from mlflow.models import Model  # noqa: PLC0415 - MLflow takes seconds

    try:
        flavors: Mapping[str, Any] = Model.load(str(found)).flavors
        flavor = flavors.get("sklearn")
        boosting = next((name for name in _BOOSTER_FORMS if name in flavors), "")
    except Exception:  # noqa: BLE001 - whatever a file of a stranger makes MLflow raise
        raise UsageError(
            f"{found} is not a model of MLflow: it has no {MLMODEL} that can be read.",
            next_step="Give the folder that mlflow.sklearn.save_model wrote, or a file.",
            code="adopt.unknown-form",
        ) from None
    if boosting and flavor is None and isinstance(flavors[boosting], Mapping):
        return _open_mlflow_booster(found, folder, boosting, flavors[boosting], rules)
    if not isinstance(flavor, Mapping) or not isinstance(flavor.get("pickled_model"), str):
        raise UsageError(
            "The model of MLflow is none of scikit-learn, LightGBM, XGBoost or CatBoost: it has the flavors "
            f"{join_names(sorted(map(str, flavors)))}.",
            next_step="Adopt the estimator itself, from Python: tiltyard.adopt(model, data).",
            code="adopt.unknown-form",
        )
    file = _find_within(found, flavor["pickled_model"])
    if (found / MANIFEST).is_file() or flavor.get("serialization_format") == "skops":
        opened = _open_skops(file, rules, file.name)
    else:
        opened = _open_pickle(file, folder, rules)
    version = str(flavor.get("sklearn_version") or "")
    notes = check_fitted_with(file.name, [version]) if version else {}
    return replace(opened, form=f"mlflow {opened.form}", notes={**opened.notes, **notes})


def _open_mlflow_booster(
    found: Path, folder: Path, library: str, flavor: Mapping[str, Any], rules: OpeningRules
) -> OpenedModel:
    """The booster of a folder that MLflow wrote: its library's own file, or else a skops file or a pickle."""
    file = _find_within(found, str(flavor.get("data")))
    ending = file.suffix.lower()
    form = _BOOSTER_FORMS[library].get(str(flavor.get("save_format", ending)))
    if form:
        return OpenedModel(open_booster_file(file, form), f"mlflow {library}", digest(file))
    if ending == SKOPS or ending in PICKLES:
        opened = _open_skops(file, rules) if ending == SKOPS else _open_pickle(file, folder, rules)
        return replace(opened, form=f"mlflow {opened.form}")
    raise UsageError(
        f"The model of MLflow keeps its booster of {library} as {file.name}, which is of no form that can be adopted.",
        next_step="Log it again, XGBoost with model_format='ubj' or 'json', CatBoost with format='cbm'; or adopt the "
        "estimator itself, from Python: tiltyard.adopt(model, data).",
        code="adopt.unknown-form",
    )


def _find_within(folder: Path, name: str) -> Path:
    """The file of a name that the folder itself states: a plain file in it, and nothing outside it."""
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise ArtifactError(
            f"The model of MLflow names the file {name!r}, which is not in its folder.",
            next_step="Fetch it again, or find out who made it.",
            code="artifact.odd-file",
        )
    return file


def _as_list(types: list[str]) -> str:
    return "[" + ", ".join(f'"{one}"' for one in types) + "]"
