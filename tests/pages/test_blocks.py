"""Every block of every page is run, held against the code, or listed with the reason why it is not."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.console.conftest import running
from tests.films import PROJECT, Films, make_films
from tests.pages.blocks import ROOT, SHELL, Block, read_blocks, split_commands
from tests.pages.commands import OTHERS, find_fault, find_tiltyard
from tests.pages.conftest import Stand, write_files
from tests.pages.curl import read_curl
from tests.pages.python_pages import PYTHON
from tests.pages.test_python_blocks import ELSEWHERE
from tiltyard.console.actions import ActionDesk
from tiltyard.project import Project, load_project
from tiltyard.promotion.context import Workspace
from tiltyard.testing import MemoryLedger
from tiltyard.testing.registry import MemoryRegistry

BLOCKS = read_blocks()
COMMANDS = [(block, words) for block in BLOCKS if block.language in SHELL for words in split_commands(block)]
CONSOLE = ":8050/"
TYPED = sorted({shlex.join(words) for _, words in COMMANDS})
# What readers see and do not type: pages, or single blocks by their first lines, with what holds them.
OUTPUTS = {
    ("README.md", "┌──────────── labelled rows ◀───────────────┐"): "a picture of the loop",
    ("docs/reference/command-line.md", ""): "tests/test_docs.py::test_the_reference_pages_match_the_code",
    (
        "docs/deployment.md",
        "upstream tiltyard {",
    ): "tests/serving/auth/test_nginx.py::test_the_configuration_of_the_guide_works",
    (
        "docs/tutorial/command-line.md",
        "",
    ): "tests/pages/test_transcripts.py::test_the_commands_print_what_the_page_shows",
    (
        "docs/console-actions.md",
        '{"mcpServers": {',
    ): "tests/console/test_mcp.py::test_an_assistant_reads_what_happened_last_night",
    ("docs/tutorial/python.md", ""): "tests/test_tutorial.py::test_the_notebook_runs_in_a_running_event_loop",
}
# Commands that run here in the project with a champion, by their exit codes; the real command reads all others.
RUN = {
    "tiltyard validate": {0},
    "tiltyard monitor": {0, 3},
    "tiltyard monitor --json": {0, 3},
    "tiltyard report --days 7": {0},
    "tiltyard feedback import labels.csv": {0},
    "tiltyard label queue --to q.csv": {0},
    "tiltyard list-versions": {0},
    "tiltyard approve": {0},
    "tiltyard data snapshot": {0},
    "tiltyard data snapshots": {0},
    "tiltyard data prune --older-than 90d": {0},
}
KEYS = ("tiltyard keys api new --scope predict --name shop --expires 90d", "tiltyard keys api list")
INIT = [line for line in TYPED if line.startswith("tiltyard init ") and "tumours" not in line]


def test_every_block_is_checked() -> None:
    """Each block is shell, TOML, JSON or Python that is checked here, or an output that a named test holds."""
    for block in BLOCKS:
        checked = block.language in (*SHELL, "toml", "json")
        checked |= block.language == "python" and (block.page in PYTHON or block.page in ELSEWHERE)
        listed = {(block.page, block.first.strip()), (block.page, "")} & set(OUTPUTS)
        assert checked or listed, f"{block} is neither checked nor listed with a reason: {block.first}"


@pytest.mark.parametrize("named", [*OTHERS.values(), *ELSEWHERE.values(), *OUTPUTS.values()])
def test_every_named_test_exists(named: str) -> None:
    """Where another test holds what a page shows, that test is there."""
    file, _, name = named.partition("::")
    assert not name or f"def {name}(" in (ROOT / file).read_text("utf-8")


@pytest.mark.filterwarnings("ignore:.*type hint is inferred:UserWarning")  # when MLflow is imported
def test_every_command_is_one_that_its_program_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of every block is read by the real program: its commands, options, and the kinds of values."""
    write_files(tmp_path)
    for name in ("labels.csv", "FILE", "tumours.csv", "churn.skops", "customers.csv", "training.csv"):
        (tmp_path / name).write_text("key,label\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    faults = {
        f"{block}: {shlex.join(words)}": find_fault(words, (ROOT / block.page).parent) for block, words in COMMANDS
    }
    assert not {line: fault for line, fault in faults.items() if fault}


@pytest.mark.parametrize("words", ["nothing", "train --chamption", "report --days many", "data prun", "promote"])
def test_a_command_that_is_not_taken_is_found(words: str) -> None:
    """An unknown command or option, a value of the wrong kind and a missing argument are faults of a page."""
    assert find_fault(["tiltyard", *words.split()], ROOT)
    assert find_fault(["docker", "compose", "exec", "training", "tiltyard", *words.split()], ROOT)


def test_the_commands_run(stand: Stand) -> None:
    """The quick commands of the pages run in a project that has what their readers have."""
    shown = {shlex.join(["tiltyard", *inner]) for _, words in COMMANDS if (inner := find_tiltyard(words))} | set(TYPED)
    assert set(RUN) <= shown, f"no page shows {set(RUN) - shown}"
    assert set(KEYS) <= shown
    for line, codes in RUN.items():
        done = stand.films.call(*shlex.split(line)[1:], check=False)
        assert done.returncode in codes, line + done.stdout + done.stderr


def test_the_commands_about_keys_run(tmp_path: Path) -> None:
    """API keys are made and listed as shown, in another project: a server that has keys requires them."""
    films = make_films(tmp_path, rows=1)
    made, listed = (films.call(*shlex.split(line)[1:]).stdout for line in KEYS)
    assert made.startswith("ty_")
    assert "shop" in listed


@pytest.mark.parametrize("line", INIT)
def test_init_drafts_a_project(line: str, tmp_path: Path) -> None:
    """Each line with `init` of the pages writes a project file that is read."""
    write_files(tmp_path)
    Films(tmp_path).call(*shlex.split(line)[1:])
    assert load_project(tmp_path).data.label in ("label", "churn")


def test_the_requests_succeed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request by curl of the pages, but for address and id, is taken by a server of reviews."""
    monkeypatch.chdir(stand.films.root)
    calls = [(block, words) for block, words in COMMANDS if words[0] == "curl" and "tutorial" not in block.page]
    requests = [(block, words) for block, words in calls if CONSOLE not in str(words)]
    assert requests
    made = httpx.post(f"{stand.url}/predict", json={"text": "A film."}).json()["prediction_id"]
    for block, words in requests:
        response = httpx.request(**read_curl(words, stand.url, {"019…": made}))
        if any(
            field in str(words) for field in ('"features"', '"instances"')
        ):  # rows of a table: a server of reviews names what it takes instead
            assert response.json()["code"] == "input.invalid", f"{block}: {response.text}"
            continue
        assert response.status_code == 200, f"{block}: {response.text}"


def test_the_requests_of_the_console_succeed(tmp_path: Path) -> None:
    """Every request by curl of the pages to a console is taken by one of reviews, with three versions."""
    pytest.importorskip("dash")
    project = Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": "films"},
            "data": {"source": "reviews.csv", "text": "text"},
        }
    )
    workspace = Workspace(MemoryRegistry(), MemoryLedger(), tmp_path, (), "ada")
    for _ in range(3):
        workspace.registry.register_model(tmp_path.as_uri(), "films")
    requests = [(block, words) for block, words in COMMANDS if words[0] == "curl" and CONSOLE in str(words)]
    assert requests
    desk = ActionDesk(project, workspace)
    with running(project, workspace.registry, workspace.ledger, desk=desk) as reader:
        for block, words in requests:
            response = httpx.request(**read_curl(words, str(reader.client.base_url), {}, port=8050))
            assert response.status_code == 200, f"{block}: {response.text}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_keys_of_a_project_file_are_taken(block: Block, tmp_path: Path) -> None:
    """A block of TOML, within a project, is read as a project file."""
    stated = tomllib.loads(block.text)
    base = {name: table for name, table in tomllib.loads(PROJECT).items() if name not in stated}
    base["data"]["sensitive"] = ["country"]  # what limits of fairness are about
    (tmp_path / "tiltyard.toml").write_text(f"{block.text}\n{write_toml(base)}", encoding="utf-8")
    assert load_project(tmp_path).name == "films"


def write_toml(tables: dict[str, dict[str, Any]]) -> str:
    return "\n".join(f"[{name}]\n" + "\n".join(_lines(table)) for name, table in tables.items())


def _lines(table: dict[str, Any]) -> Iterator[str]:
    yield from (f"{key} = {json.dumps(value)}" for key, value in table.items())


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_a_response_has_the_fields_that_the_server_declares(block: Block, stand: Stand) -> None:
    """A block of JSON is a response of `POST /predict`, or some of its fields: each is declared, and of that kind."""
    declared = httpx.get(f"{stand.url}/openapi.json").json()
    schema = declared["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = declared["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    loose = {"components": declared["components"], **schema, "required": [], "additionalProperties": False}
    response = json.loads(block.text)
    Draft202012Validator(loose).validate(response)
