"""``tiltyard init`` reads files as people have them, and writes down how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiltyard.cli.main import main
from tiltyard.data import load_dataset
from tiltyard.project import load_project

GERMAN = "größe;betrag;tarif;y\n" + "".join(
    f"{20 + place % 40};{1 + place % 3}.{100 + place},50;{('groß', 'klein')[place % 2]};{('ja', 'nein')[place % 2]}\n"
    for place in range(60)
)


def exit_code(arguments: list[str]) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_the_written_project_reads_the_file_as_init_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What init finds out stands in the project file, is printed, and gives training the same rows."""
    (tmp_path / "export.txt").write_bytes(GERMAN.encode("cp1252"))
    output = tmp_path / "tiltyard.toml"
    assert exit_code(["init", str(tmp_path / "export.txt"), "--output", str(output), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = {"encoding": "windows-1252", "separator": ";", "decimal": ",", "thousands": "."}
    assert printed["read_as"] == found
    assert len(printed["notices"]) == 4
    project = load_project(output)
    assert project.data.model_dump(include=set(found)) == found
    dataset = load_dataset(project)
    assert dataset.inputs["betrag"].tolist()[:2] == [1100.5, 2101.5]
    assert (dataset.classes, len(dataset.inputs)) == (("ja", "nein"), 60)


@pytest.mark.parametrize("separator", [";", "tab"])
def test_options_of_init_are_written_as_stated(tmp_path: Path, separator: str) -> None:
    """Each option that states how a file is written ends in the project file."""
    character = {"tab": "\t"}.get(separator, separator)
    (tmp_path / "rows").write_text(GERMAN.split("\n", 1)[1].replace(";", character), encoding="latin-1")
    output = tmp_path / "tiltyard.toml"
    options = ["--sep", separator, "--encoding", "latin-1", "--decimal", ",", "--no-header", "--format", "csv"]
    assert exit_code(["init", str(tmp_path / "rows"), "--output", str(output), *options]) == 0
    data = load_project(output).data
    assert (data.format, data.encoding, data.separator, data.decimal) == ("csv", "latin-1", character, ",")
    assert data.columns == ("column_1", "column_2", "column_3", "column_4")
    assert len(load_dataset(load_project(output)).inputs) == 60


def test_a_separator_of_several_characters_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that cannot be meant is an error that says what can."""
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    output = tmp_path / "tiltyard.toml"
    assert exit_code(["init", str(tmp_path / "rows.csv"), "--output", str(output), "--sep", "::"]) == 2
    assert "one character" in capsys.readouterr().err
    assert not output.exists()
