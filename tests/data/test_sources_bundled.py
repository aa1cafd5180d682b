"""The data sets that scikit-learn brings along."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.data import load_dataset
from tiltyard.errors import DataError
from tiltyard.project import Project, load_project

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer"


def project(source: str, label: str) -> Project:
    base = {"name": "bundled", "task": "tabular-classification"}
    return Project.model_validate({"project": base, "data": {"source": source, "label": label}})


@pytest.mark.parametrize(
    ("name", "rows", "features", "classes"),
    [
        ("breast_cancer", 569, 30, ("benign", "malignant")),
        ("iris", 150, 4, ("setosa", "versicolor", "virginica")),
        ("wine", 178, 13, ("class_0", "class_1", "class_2")),
        ("digits", 1797, 64, tuple("0123456789")),
    ],
)
def test_a_bundled_data_set_has_its_classes_as_words(
    name: str, rows: int, features: int, classes: tuple[str, ...]
) -> None:
    """The label column holds the names of the classes, under the name that the project file gives it."""
    dataset = load_dataset(project(f"sklearn:{name}", "kind"))
    assert (len(dataset), dataset.inputs.shape[1]) == (rows, features)
    assert dataset.classes == classes
    assert dataset.labels.name == "kind"


def test_a_bundled_data_set_of_numbers_has_them_as_labels() -> None:
    """Diabetes has numbers to predict, and its features as they were measured; as classes they are refused."""
    base = {"name": "bundled", "task": "tabular-regression"}
    data = {"source": "sklearn:diabetes", "label": "progression"}
    dataset = load_dataset(Project.model_validate({"project": base, "data": data}))
    assert (len(dataset), dataset.inputs.shape[1], dataset.classes) == (442, 10, ())
    assert (dataset.labels.min(), dataset.labels.max()) == (25.0, 346.0)
    assert dataset.frame["age"].max() == 79
    with pytest.raises(DataError, match="looks continuous"):
        load_dataset(project("sklearn:diabetes", "progression"))


def test_the_breast_cancer_example_reads_its_rows() -> None:
    """The example's project file needs no data file: 212 of its rows are malignant."""
    labels = load_dataset(load_project(EXAMPLE / "tiltyard.toml")).labels
    assert labels.value_counts().to_dict() == {"benign": 357, "malignant": 212}


def test_an_unknown_name_and_a_label_that_is_a_feature_are_named() -> None:
    """A misspelt data set is another error than a clash of column names."""
    with pytest.raises(DataError, match="Did you mean 'iris'") as caught:
        load_dataset(project("sklearn:irsi", "kind"))
    assert caught.value.code == "data.missing"
    with pytest.raises(DataError, match="'alcohol'") as caught:
        load_dataset(project("sklearn:wine", "alcohol"))
    assert caught.value.code == "data.column-twice"
