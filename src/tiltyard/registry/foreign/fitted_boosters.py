"""Fitted boosters of somebody else's: the estimators of LightGBM, XGBoost and CatBoost, and their files.

Each becomes the estimator that holds the library's own document as plain data (``StoredBooster``). Whether it predicts
the same is compared afterwards, on rows (``tiltyard.pipeline.adoption.parity``).
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tiltyard.errors import ArtifactError, UsageError
from tiltyard.json_reading import load_json
from tiltyard.registry.foreign.ubjson import read_ubjson

if TYPE_CHECKING:
    from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor
    from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument

LIGHTGBM_FILE, XGBOOST_FILE, XGBOOST_BINARY, CATBOOST_FILE = ".txt", ".json", ".ubj", ".cbm"
BOOSTER_FILES = LIGHTGBM_FILE, XGBOOST_FILE, XGBOOST_BINARY, CATBOOST_FILE
_NUMBERED = re.compile(r"Column_\d+|\d+|f\d+")
# What a library's own ``train`` gives, by package and class.
_NATIVE = (("lightgbm", "Booster"), ("xgboost", "Booster"), ("catboost", "CatBoost"))
# Objectives of a rank, a score without a link, a time of survival, or a class without its probability.
_OTHER_OBJECTIVES = ("multi:softmax", "binary:logitraw", "binary:hinge", "rank", "survival", "lambdarank")
_CLASSES = {"binary": 2, "multiclass": 0, "multiclassova": 0}


def store_boosters(model: Any) -> Any:
    """The same fitted model, or the pipeline's last step, as ours where it is a library's own.

    Raises:
        UsageError: ours cannot do what it does (``model.booster``).
        ArtifactError: its trees do not fit together.
    """
    from sklearn.pipeline import Pipeline  # noqa: PLC0415

    from tiltyard.models.boosters.library_estimators import find_booster_library, replace_boosters  # noqa: PLC0415

    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        stored = store_boosters(last)
        return model if stored is last else Pipeline([*model.steps[:-1], (name, stored)])
    library = find_booster_library(model)
    if library is None:
        return model
    if is_native_booster(model):
        return _store_native(model, library)
    _require_fitted_booster(model, library)
    ours = replace_boosters(model)
    document, names, categorical, tables = _READERS[library](model)
    classes = getattr(model, "classes_", None)
    if classes is not None and hasattr(ours, "predict_proba"):
        ours.classes_ = np.asarray(classes)
    return _keep(ours, library, document, names, (categorical, tables))


def open_booster_file(file: Path, form: str = "") -> BoosterClassifier | BoosterRegressor:
    """The booster of a file that LightGBM (``.txt``), XGBoost (``.json``, ``.ubj``) or CatBoost (``.cbm``) wrote.

    The classes are 0, 1, …; CatBoost's file knows their names. LightGBM and XGBoost read it only after its trees were
    held against each other; CatBoost's own reader verifies its file, and the trees are held against each other then.

    Args:
        file: the file.
        form: one of ``BOOSTER_FILES``; by default the file's ending.

    Raises:
        ArtifactError: it is not such a file (``adopt.not-a-booster``), or its trees do not fit together.
        UsageError: it has categories, which these files do not hold in full (``model.booster``).
    """
    form = form or file.suffix.lower()
    if form == CATBOOST_FILE:
        return _open_catboost(file)
    return _keep_content(file.read_bytes(), form, file)


def is_native_booster(model: Any) -> bool:
    """Whether it is what a library's own ``train`` gives: a ``Booster``, or a ``CatBoost``."""
    return (type(model).__module__.split(".", maxsplit=1)[0], type(model).__name__) in _NATIVE


def _store_native(model: Any, library: str) -> BoosterClassifier | BoosterRegressor:
    """A library's own ``Booster``, as its file would be opened; what it predicts by is what its ``predict`` takes."""
    if library == "catboost":
        if not model.is_fitted():
            raise _not_fitted(model)
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            file = Path(folder) / "the CatBoost.cbm"
            model.save_model(str(file), format="cbm")
            return _open_catboost(file)
    rounds = 0
    with contextlib.suppress(ValueError):  # XGBoost's error of a model that knows no features yet
        rounds = model.num_boosted_rounds() if library == "xgboost" else model.num_trees()
    if not rounds:
        raise _not_fitted(model)
    if library == "lightgbm":
        return _keep_content(model.model_to_string().encode(), LIGHTGBM_FILE, Path("the Booster"))
    return _keep_content(bytes(model.save_raw("json")), XGBOOST_FILE, Path("the Booster"))


def _keep_content(content: bytes, form: str, file: Path) -> BoosterClassifier | BoosterRegressor:
    """The booster of what LightGBM or XGBoost wrote; the file's name is for messages."""
    from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor  # noqa: PLC0415
    from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument  # noqa: PLC0415

    read = _describe_lightgbm if form == LIGHTGBM_FILE else _describe_xgboost
    try:
        if form == XGBOOST_BINARY:
            content = _write_as_json(content)
        library, objective, classes, names, rounds, has_categories = read(content)
    except (ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
        raise _not_a_booster(file, "LightGBM (.txt) or XGBoost (.json, .ubj)", error) from None
    if has_categories:
        raise _refuse(file.name, "reads categories, whose words are not in this file")
    if objective.startswith(_OTHER_OBJECTIVES):
        raise UsageError(
            f"The booster {file.name} was trained for '{objective}', and predicts neither probabilities nor a number.",
            next_step="Train it for binary:logistic, multi:softprob or reg:squarederror (LightGBM: binary, multiclass "
            "or regression), and adopt it again.",
            code="model.booster",
        )
    ours = BoosterClassifier(library=library) if classes else BoosterRegressor(library=library)
    if classes:
        ours.classes_ = np.arange(classes)
    kept: BoosterClassifier | BoosterRegressor = _keep(
        ours, library, BoosterDocument(content, b"", rounds), names, ((), ())
    )
    return kept


def _write_as_json(content: bytes) -> bytes:
    """XGBoost's own JSON of its binary file, whose trees are held against each other before XGBoost reads them."""
    from tiltyard.models.boosters.libraries.boosting_library import import_library  # noqa: PLC0415
    from tiltyard.models.boosters.raw_trees import UnreadableTreesError  # noqa: PLC0415
    from tiltyard.models.boosters.read_ensemble import read_ensemble  # noqa: PLC0415

    described = json.dumps(read_ubjson(content)).encode()
    _describe_xgboost(described)
    with contextlib.suppress(UnreadableTreesError):  # sound, and left to the library
        read_ensemble("xgboost", described)
    xgboost = import_library("xgboost")
    booster = xgboost.Booster(model_file=bytearray(content))
    return bytes(booster.save_raw("json"))


def _open_catboost(file: Path) -> BoosterClassifier | BoosterRegressor:
    from tiltyard.models.boosters.libraries.boosting_library import import_library  # noqa: PLC0415

    catboost = import_library("catboost")
    try:
        of_classes = len(catboost.CatBoost().load_model(str(file)).classes_) > 0
        model = (catboost.CatBoostClassifier if of_classes else catboost.CatBoostRegressor)().load_model(str(file))
    except catboost.CatBoostError as error:
        raise _not_a_booster(file, "CatBoost (.cbm)", error) from None
    kept: BoosterClassifier | BoosterRegressor = store_boosters(model)
    return kept


def _not_a_booster(file: Path, of: str, error: Exception) -> ArtifactError:
    why = f"it has no {error}" if isinstance(error, KeyError) else str(error).rstrip(".!")
    return ArtifactError(
        f"{file.name} is not a booster of {of}: {why}.",
        next_step="Save it with the library's save_model, or adopt the estimator itself from Python: "
        "tiltyard.adopt(model, data).",
        code="adopt.not-a-booster",
    )


def _keep(
    ours: Any,
    library: str,
    document: BoosterDocument,
    names: Sequence[str],
    categories: tuple[tuple[int, ...], tuple[tuple[Any, ...], ...]],
) -> Any:
    from tiltyard.models.boosters.category_tables import LearnedColumns  # noqa: PLC0415
    from tiltyard.models.boosters.check_booster import check_booster  # noqa: PLC0415

    known = None if all(_NUMBERED.fullmatch(name) for name in names) else tuple(names)
    columns = LearnedColumns(np.empty((0, len(names))), *categories, known)
    ours.keep_document(library, document, columns)
    check_booster(ours)
    return ours


def _require_fitted_booster(model: Any, library: str) -> None:
    fitted: dict[str, Callable[[], bool]] = {
        "lightgbm": lambda: getattr(model, "fitted_", False),
        "xgboost": lambda: getattr(model, "_Booster", None) is not None,
        "catboost": lambda: bool(model.is_fitted()),
    }
    if not fitted[library]():
        raise _not_fitted(model)


def _not_fitted(model: Any) -> UsageError:
    return UsageError(
        f"The {type(model).__name__} is not fitted.",
        next_step="Fit it first: model.fit(X, y).",
        code="model.not-fitted",
    )


_Read = tuple["BoosterDocument", tuple[str, ...], tuple[int, ...], tuple[tuple[Any, ...], ...]]


def _read_lightgbm(model: Any) -> _Read:
    from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument  # noqa: PLC0415

    booster = model.booster_
    rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    content = booster.model_to_string(num_iteration=rounds)
    places = _find_lightgbm_categories(content)
    tables = tuple(tuple(one) for one in booster.pandas_categorical or ())
    if len(tables) != len(places):
        tables = ((),) * len(places)
    return BoosterDocument(content.encode(), b"", rounds), tuple(model.feature_name_), places, tables


def _read_xgboost(model: Any) -> _Read:
    from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument  # noqa: PLC0415

    booster = model.get_booster()
    if "c" in (booster.feature_types or ()):
        raise _refuse(type(model).__name__, "reads pandas categories, which XGBoost codes by itself")
    best = getattr(model, "best_iteration", None) if model.get_params().get("early_stopping_rounds") else None
    if best is not None:
        booster = booster[: best + 1]
    content = bytes(booster.save_raw("json"))
    names = booster.feature_names or [str(place) for place in range(booster.num_features())]
    return BoosterDocument(content, b"", booster.num_boosted_rounds()), tuple(names), (), ()


def _read_catboost(model: Any) -> _Read:
    from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument  # noqa: PLC0415

    if model.get_cat_feature_indices() or model.get_text_feature_indices():
        raise _refuse(type(model).__name__, "reads categories or texts, which CatBoost codes by itself")
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        binary, text = Path(folder) / "model.cbm", Path(folder) / "model.json"
        model.save_model(str(binary), format="cbm")
        model.save_model(str(text), format="json")
        document = BoosterDocument(binary.read_bytes(), text.read_bytes(), int(model.tree_count_))
    return document, tuple(map(str, model.feature_names_)), (), ()


_READERS = {"lightgbm": _read_lightgbm, "xgboost": _read_xgboost, "catboost": _read_catboost}

_Described = tuple[str, str, int, tuple[str, ...], int, bool]


def _describe_lightgbm(content: bytes) -> _Described:
    """The library, objective, classes (0 for numbers), names, rounds, whether there are categories: by the head."""
    text = content.decode("utf-8")
    head = dict(line.split("=", 1) for line in text.partition("\nTree=")[0].splitlines() if "=" in line)
    objective = head.get("objective", "regression").split()[0]
    each = int(head["num_class"])
    classes = _CLASSES.get(objective, -1)
    classes = 0 if classes < 0 else classes or each
    trees = len(head["tree_sizes"].split())
    rounds = trees // max(1, int(head["num_tree_per_iteration"]))
    names, categories = tuple(head["feature_names"].split()), _find_lightgbm_categories(text)
    return "lightgbm", objective, classes, names, rounds, bool(categories)


def _find_lightgbm_categories(text: str) -> tuple[int, ...]:
    found = re.search(r"\[categorical_feature: ([\d,]*)\]", text)
    return tuple(sorted(int(place) for place in found[1].split(",") if place)) if found else ()


def _describe_xgboost(content: bytes) -> _Described:
    stated = load_json(content)
    _require_known_version(stated["version"])
    learner = stated["learner"]
    objective, shape = str(learner["objective"]["name"]), learner["learner_model_param"]
    classes = 2 if objective == "binary:logistic" else 0
    if objective == "multi:softprob":
        classes = int(shape["num_class"])
    names = learner.get("feature_names") or [str(place) for place in range(int(shape["num_feature"]))]
    rounds = len(learner["gradient_booster"]["model"]["iteration_indptr"]) - 1
    has_categories = "c" in (learner.get("feature_types") or ())
    return "xgboost", objective, classes, tuple(map(str, names)), rounds, has_categories


def _require_known_version(stated: Any) -> None:
    """Refuse what a newer XGBoost wrote: an older one reads it without a word, and may lose its base score.

    Raises:
        ArtifactError: the installed one is older.
    """
    from tiltyard.models.boosters.libraries.boosting_library import library_version  # noqa: PLC0415

    installed = library_version("xgboost")
    if [int(part) for part in stated[:2]] > [int(part) for part in installed.split(".")[:2]]:
        written = ".".join(str(part) for part in stated)
        raise ArtifactError(
            f"The booster was written by XGBoost {written}, and XGBoost {installed} is installed: an older one may "
            "read it wrongly without a word.",
            next_step=f"Install XGBoost {written} or newer.",
            code="artifact.older-library",
        )


def _refuse(name: str, why: str) -> UsageError:
    return UsageError(
        f"The booster {name} cannot be stored: it {why}.",
        next_step="Code the categories in the pipeline (OrdinalEncoder, OneHotEncoder), and fit it again; or have "
        "Tiltyard train the same kind of model: tiltyard train --candidate lightgbm",
        code="model.booster",
    )
