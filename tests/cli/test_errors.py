"""Bad input at the command line: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.films import PROJECT
from tiltyard.cli.main import main

GOOD = "text,label\n" + "".join(f"film {n} was {'good' if n % 2 else 'bad'},{'pn'[n % 2]}\n" for n in range(60))
PLAIN = PROJECT.replace('positive = "positive"\n', "")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches the commands under test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "TILTYARD_HOME", "TILTYARD_LEDGER"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(words)
    printed = capsys.readouterr()
    code = left.value.code
    assert isinstance(code, int)
    assert "Traceback" not in printed.out + printed.err
    return code, printed.out, printed.err


def write(root: Path, project: str = PLAIN, data: bytes = GOOD.encode()) -> str:
    (root / "reviews.csv").write_bytes(data)
    (root / "tiltyard.toml").write_text(project, encoding="utf-8")
    return str(root)


def test_the_programs_name_alone_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """``tiltyard`` without a word prints its help, without an error; a group without its command is incomplete."""
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: tiltyard")
    code, out, err = run(capsys, "data")
    assert (code, out) == (2, "")
    assert err.startswith("Usage: tiltyard data")


@pytest.mark.parametrize(
    ("project", "data", "code", "words"),
    [
        (PLAIN, b"text,lable\na,p\nb,n\n", 1, "no column 'label'"),
        (PLAIN, b"", 1, "is empty (0 bytes)"),
        (PLAIN, b"text,label\nd\xe9j\xe0 vu,p\n", 1, "is not utf-8"),
        (PLAIN, b"text,label\na,p\nb,p\n", 1, "only the label 'p'"),
        (PLAIN + "[trianing]\n", GOOD.encode(), 2, "unknown key 'trianing'. Did you mean 'training'?"),
        (PLAIN + '[training]\ncandidates = ["tfidf-logrek"]\n', GOOD.encode(), 2, "Did you mean 'tfidf-logreg'?"),
        (PLAIN + '[training]\nmetric = "accurracy"\n', GOOD.encode(), 2, "accuracy"),
    ],
    ids=[
        "no label column",
        "empty file",
        "not UTF-8",
        "one class",
        "unknown key",
        "unknown candidate",
        "unknown metric",
    ],
)
def test_unusable_data_is_an_error_with_a_next_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], project: str, data: bytes, code: int, words: str
) -> None:
    """The message names what is wrong and says what to do next."""
    left, _, message = run(capsys, "train", "--project", write(tmp_path, project, data))
    assert left == code
    assert words in message
    assert "next:" in message


def test_without_a_champion_commands_name_the_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for a champion before there is one says how to get one."""
    left, _, message = run(capsys, "model-info", "--project", write(tmp_path))
    assert left == 1
    assert "tiltyard train --champion" in message


def test_a_port_in_use_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server says that the port is taken and how to take another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        left, _, message = run(capsys, "serve", "--project", write(tmp_path), "--port", port)
    assert left == 1
    assert port in message
    assert "--port" in message


def test_errors_are_json_with_the_json_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is JSON, too."""
    left, output, message = run(capsys, "model-info", "--json", "--project", str(tmp_path / "nowhere.toml"))
    assert left == 2
    assert json.loads(output)["error"]["code"] == "project.invalid"
    assert not message


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest command is suggested; an unknown option points at the help."""
    assert run(capsys, "trian")[2].count("Did you mean 'train'?") == 1
    left, _, message = run(capsys, "train", "--champoin")
    assert left == 2
    assert "--champion" in message
