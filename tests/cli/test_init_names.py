"""The project file that init writes, whatever columns and classes are called."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tiltyard.cli.main import cli
from tiltyard.data import load_dataset
from tiltyard.project import load_project

SIGNS = "ab\"'\\=#[]{},.\n\t\x7f\u2028é日🎈$%"
names = st.text(SIGNS, min_size=1, max_size=12).map(str.strip).filter(bool)
classes = st.lists(names, min_size=2, max_size=3, unique=True)


@settings(max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(label=names, feature=names, labels=classes)
@example(label='say "so" = # no', feature="two\nlines", labels=["a\nb", 'c"d'])
@example(label="']'", feature="\\", labels=["C#", "C+"])
@example(label="\x7f", feature="'''", labels=["[data]", "x = 1"])
def test_the_file_parses_and_names_the_columns(label: str, feature: str, labels: list[str]) -> None:
    """The written file parses, names the label as the data does, and the data loads by it with the same classes."""
    if label == feature:
        feature += "2"
    rows = [
        {feature: n * 0.5, label: labels[n % len(labels)]} for n in range(240)
    ]  # so that no class is missing on the test side
    with tempfile.TemporaryDirectory() as folder:
        data, file = Path(folder) / "rows.jsonl", Path(folder) / "tiltyard.toml"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        done = CliRunner().invoke(cli, ["init", str(data), "--label", label, "--output", str(file)])
        assert done.exit_code == 0, done.exception
        project = load_project(file)
        assert project.data.label == label
        assert set(load_dataset(project).classes) == set(labels)


@pytest.mark.parametrize("words", [("TRUE", "FALSE"), ("true", "false"), ("1.0", "0.0")])
def test_classes_are_named_as_training_spells_them(words: tuple[str, str], tmp_path: Path) -> None:
    """What init shows and writes of the classes, and of the positive one, is what training will call them."""
    data, file = tmp_path / "rows.csv", tmp_path / "tiltyard.toml"
    data.write_text("fee,churn\n" + "".join(f"{n * 7 % 61},{words[n % 3 % 2]}\n" for n in range(90)))
    done = CliRunner().invoke(cli, ["init", str(data), "--label", "churn", "--output", str(file), "--json"])
    project = load_project(file)
    classes = load_dataset(project).classes
    assert list(json.loads(done.stdout)["guess"]["classes"]) == list(classes)
    assert project.data.positive in classes
