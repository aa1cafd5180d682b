"""A stored booster is held against itself before anything follows its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.boosters.rows import LIBRARIES
from tiltyard.errors import ArtifactError
from tiltyard.models.boosters.check_booster import check_booster
from tiltyard.models.boosters.estimators import BoosterClassifier
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names


def _fit(library: str) -> tuple[BoosterClassifier, Any]:
    random = np.random.default_rng(0)
    features = np.column_stack([random.normal(size=300), random.integers(0, 4, 300)])
    truth = (features[:, 0] + 4.0 * (features[:, 1] == 2) > 0.3).astype(int)
    model = BoosterClassifier(library, categorical=(1,), max_iter=8, early_stopping=False, random_state=1)
    settings: dict[str, dict[str, Any]] = {
        "lightgbm": {"settings": {"min_data_per_group": 5}},
        "catboost": {"one_hot_max_size": 9},
    }
    model.set_params(**settings.get(library, {}))
    return model.fit(features, truth), features


def _rewrite(model: Any, old: bytes, new: bytes) -> None:
    """Change the document of trees, with a digest that fits."""
    name = "trees_" if model.trees_ else "document_"
    content = getattr(model, name)
    assert old in content
    setattr(model, name, content.replace(old, new, 1))
    model.digest_ = hashlib.sha256(model.document_ + model.trees_).hexdigest()


def _cut_document(model: Any) -> None:
    model.document_ = model.document_[:-40]


def _name_other_library(model: Any) -> None:
    model.library_ = "os"


def _add_label(model: Any) -> None:
    model.classes_ = np.array([0, 1, 2, 3])


def _add_feature(model: Any) -> None:
    model.n_features_in_ = 3


def _forget_categories(model: Any) -> None:
    model.categorical_, model.tables_ = [], []


def _name_feature_outside(model: Any) -> None:
    model.categorical_ = [7]


def _lose_tables(model: Any) -> None:
    model.tables_ = []


def _lose_digest(model: Any) -> None:
    del model.digest_


DAMAGE: dict[str, tuple[Callable[[Any], None], str]] = {
    "a shorter document": (_cut_document, "another SHA-256"),
    "another library": (_name_other_library, "is of the library 'os'"),
    "more labels": (_add_label, "outputs for 4 labels"),
    "more features": (_add_feature, "trees of 2 features, and the estimator notes 3"),
    "fewer categories": (_forget_categories, "splits feature 1 by categories"),
    "a category outside": (_name_feature_outside, "has categories in the features"),
    "no tables": (_lose_tables, "0 tables of categories for 1 feature"),
    "no digest": (_lose_digest, "lacks what every fitted one has"),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("what", DAMAGE)
def test_a_booster_whose_parts_do_not_fit_together_is_refused(library: str, what: str) -> None:
    """A booster that was changed after it was fitted predicts nothing."""
    model, _ = _fit(library)
    check_booster(model)
    damage, message = DAMAGE[what]
    damage(model)
    with pytest.raises(ArtifactError, match=message) as raised:
        check_booster(model)
    assert raised.value.code == "artifact.unsound-booster"


CRAFTED = {
    "lightgbm": (b"split_feature=", b"split_feature=9"),
    "xgboost": (b'"split_indices":[', b'"split_indices":[7'),
    "catboost": (b'"float_feature_index":0', b'"float_feature_index":9'),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_crafted_document_is_refused_when_the_file_is_read(library: str, tmp_path: Path) -> None:
    """A stored model whose trees ask for a feature that there is not is refused before the library sees it."""
    model, features = _fit(library)
    expected = model.predict_proba(features)
    sound, crafted = tmp_path / "sound.skops", tmp_path / "crafted.skops"
    write_model(model, sound)
    np.testing.assert_array_equal(read_model(sound, trusted_type_names()).predict_proba(features), expected)
    _rewrite(model, *CRAFTED[library])
    write_model(model, crafted)
    with pytest.raises(ArtifactError) as raised:
        read_model(crafted, trusted_type_names())
    assert raised.value.code == "artifact.unsound-tree"


@pytest.mark.parametrize("library", ["xgboost", "catboost"])
def test_a_document_that_names_a_key_twice_is_refused(library: str) -> None:
    """Of two values the library might read the one that was not checked."""
    model, _ = _fit(library)
    key = next(iter(json.loads(model.trees_ or model.document_)))
    _rewrite(model, b"{", b'{"' + key.encode() + b'": null, ')
    with pytest.raises(ArtifactError, match=f"names '{key}' twice"):
        check_booster(model)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_document_of_a_newer_library_is_refused(library: str) -> None:
    """An older library than the one that wrote a document does not load it: XGBoost would lose its base score."""
    model, features = _fit(library)
    model.library_version_ = "99.1.0"
    with pytest.raises(ArtifactError, match=r"written by .* 99\.1\.0") as raised:
        model.predict_proba(features)
    assert raised.value.code == "artifact.older-library"
