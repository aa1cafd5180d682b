"""Semantic labels say what kind of change a version is; lineage says where it comes from."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tiltyard.ledger import Event
from tiltyard.registry import VersionInfo
from tiltyard.registry.lineage import LINEAGE_TAG, Lineage, code_state, deployments, read_lineage
from tiltyard.registry.semantic_version import (
    LABEL_TAG,
    ChangeKind,
    duplicate_labels,
    is_label,
    next_label,
    recipe_digest,
    schema_digest,
    version_by_label,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KIND = ChangeKind("schema", "recipe")


def version(number: int, label: str | None, kind: ChangeKind = KIND) -> VersionInfo:
    tags = {**kind.tags, **({LABEL_TAG: label} if label else {})}
    return VersionInfo("films", str(number), (), None, NOW, tags=tags)


@pytest.mark.requirement("R-REG-21")
def test_what_changed_decides_which_number_rises() -> None:
    """Major for another schema, minor for another recipe, patch for new data, from the highest label so far."""
    versions = [version(11, "1.10.0"), version(2, "1.9.3"), version(3, None)]
    assert next_label([], KIND) == next_label([version(1, None)], KIND) == "1.0.0"
    assert next_label(versions, KIND) == "1.10.1"
    assert next_label(versions, ChangeKind("schema", "other")) == "1.11.0"
    assert next_label(versions, ChangeKind("other", "recipe")) == "2.0.0"


def test_what_a_schema_and_a_recipe_are() -> None:
    """Whole numbers with gaps are numbers still; another label, column, parameter or source is another digest."""
    columns = {"age": "int64", "town": "str"}
    schema = schema_digest("tabular-classification", columns, ("no", "yes"))
    assert schema == schema_digest("tabular-classification", {"age": "float64", "town": "object"}, ("yes", "no"))
    assert schema != schema_digest("tabular-classification", columns, ("no", "perhaps", "yes"))
    assert schema != schema_digest("tabular-classification", {"age": "int64"}, ("no", "yes"))
    digests = {
        recipe_digest("a", {"C": 1}),
        recipe_digest("b", {"C": 1}),
        recipe_digest("a", {"C": 2}),
        recipe_digest("a", {"C": 1}, b"x"),
    }
    assert len(digests) == 4


def test_a_label_names_one_version() -> None:
    """Of two that were given the same label at once the first keeps it; what is not a label is none."""
    first, second = version(4, "1.0.0"), version(5, "1.0.0")
    assert (duplicate_labels([first, second], first), duplicate_labels([first, second], second)) == (False, True)
    assert version_by_label([second, first], "1.0.0") == first
    assert version_by_label([first], "2.0.0") is None
    assert all(map(is_label, ("1.0.0", "10.2.33")))
    assert not any(map(is_label, ("1.0", "01.0.0", "v1.0.0", "3")))


def test_lineage_fits_into_its_tag() -> None:
    """However many parameters there are, the tag is short, and all but the longest parameters come back."""
    parameters = {f"p{number}": "x" * (number * 10) for number in range(60)}
    lineage = Lineage({"rows": 3}, {"commit": "abc", "dirty": True}, parameters, {"python": "3"}, "7")
    tags = lineage.tags
    assert all(len(value) <= 4_800 for value in tags.values())
    read = read_lineage(VersionInfo("films", "8", (), None, NOW, tags=tags))
    assert read is not None
    assert (read.data, read.code, read.parent) == (lineage.data, lineage.code, "7")
    assert 0 < len(read.parameters) < 60
    assert (tags["tiltyard.code_commit"], tags["tiltyard.parent_version"]) == ("abc-dirty", "7")
    assert read_lineage(VersionInfo("films", "8", (), None, NOW, tags={"tiltyard.lineage": "[3"})) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "1",
        '{"data": "x"}',
        '{"code": [1]}',
        '{"parent": {"a": 1}}',
        '{"parameters": {"a": []}}',
        "[" * 4800,
    ],
)
def test_lineage_that_somebody_set_to_something_else(content: str) -> None:
    """A tag that is not a lineage counts as none, without an error."""
    assert read_lineage(VersionInfo("films", "1", (), None, NOW, tags={LINEAGE_TAG: content})) is None


def test_a_label_of_thousands_of_digits() -> None:
    """A tag that cannot be counted on from is not a label, and labels continue."""
    assert next_label([version(1, "1.0.0"), version(2, f"{'9' * 4900}.0.0")], KIND) == "1.0.1"
    assert not is_label("\u0661.0.0")


@pytest.mark.requirement("R-REG-22")
def test_where_a_version_serves() -> None:
    """The latest take-over of each host and alias counts, and its time is when that version came there."""

    def served(number: int, host: str, minutes: int, alias: str = "champion") -> Event:
        at = NOW + timedelta(minutes=minutes)
        return Event("served", f"films/{number}", at, "server", evidence={"host": host, "alias": alias})

    events = [
        served(1, "a", 0),
        served(1, "b", 1),
        served(2, "a", 2),
        served(2, "a", 9),  # a restart
        served(3, "b", 3, "challenger"),
        Event("served", "songs/9", NOW, "server", evidence={"host": "a"}),
    ]
    listed = deployments(events, "films")
    found = [(one.host, one.alias, one.version, (one.since - NOW).seconds // 60) for one in listed]
    assert found == [("a", "champion", "2", 2), ("b", "challenger", "3", 3), ("b", "champion", "1", 1)]


@pytest.mark.requirement("R-REG-20")
def test_the_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    """The code is the commit and a flag for changes since; without a repository nothing is known."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    if subprocess.run(["git", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("git is not installed")
    assert code_state(tmp_path) == (None, None)
    (tmp_path / "tiltyard.toml").write_text("a")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    commit, dirty = code_state(tmp_path)
    assert commit is not None
    assert (len(commit), dirty) == (40, False)
    (tmp_path / "tiltyard.toml").write_text("b")
    assert code_state(tmp_path) == (commit, True)
