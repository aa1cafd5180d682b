"""The action for pull requests: its own steps, run as the file that ships says, on a repository with two commits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.scripts import BIN, ROOT
from tests.deploy.workflow_steps import Expression, Steps

ACTION = ROOT / "action.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
PROJECT = """
[project]
name = "orders"
task = "tabular-classification"

[data]
source = "orders.csv"
label = "returned"

[training]
candidates = ["{candidate}"]

[validation]
min_rows = 100
"""


@dataclass
class Comments:
    """The comments of a pull request, at an address as GitHub's API has it; GitHub itself cannot be had here."""

    token: str = "a-token"
    kept: dict[int, str] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)
    status: int = 0
    url: str = ""

    def respond(self, method: str, path: str, authorised: bool, body: dict[str, str]) -> tuple[int, Any]:
        place, page = urlsplit(path), parse_qs(urlsplit(path).query)
        self.methods.append(method)
        if self.status or not authorised:
            return self.status or 401, {"message": "no"}
        if method == "GET" and place.path == "/repos/shop/models/issues/7/comments":
            start, size = (int(page["page"][0]) - 1) * int(page["per_page"][0]), int(page["per_page"][0])
            return 200, [{"id": key, "body": text} for key, text in list(self.kept.items())[start : start + size]]
        key = len(self.kept) + 1 if method == "POST" else int(place.path.rpartition("/")[2])
        assert method == "POST" or key in self.kept
        self.kept[key] = body["body"]
        return 200, {"html_url": f"https://github.example/shop/models/pull/7#{key}"}


@contextmanager
def serving(comments: Comments) -> Iterator[Comments]:
    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            authorised = self.headers["Authorization"] == f"Bearer {comments.token}"
            code, said = comments.respond(self.command, self.path, authorised, json.loads(content or b"{}"))
            body = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = respond  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    comments.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield comments
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit has a project."""
    folder = tmp_path / "repository"
    (folder / "models").mkdir(parents=True)
    random = np.random.default_rng(3)
    amount, age = random.normal(50, 20, 400), random.integers(18, 80, 400)
    returned = np.where(amount + random.normal(0, 8, 400) > 55, "yes", "no")
    frame = pd.DataFrame({"amount": amount.round(2), "age": age, "returned": returned})
    frame.to_csv(folder / "models" / "orders.csv", index=False)
    (folder / "models" / "tiltyard.toml").write_text(PROJECT.format(candidate="logreg"), encoding="utf-8")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@shop.example"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a change")
    return git(folder, "rev-parse", "HEAD")


def read_steps() -> list[dict[str, Any]]:
    """The action's steps; the package is installed already, from this checkout."""
    steps: list[dict[str, Any]] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
    left = [step for step in steps if step["name"] != "Install Tiltyard"]
    assert len(left) == len(steps) - 1
    return left


def run_action(folder: Path, comments: Comments, **inputs: str) -> tuple[bool, Steps]:
    """Run the action's steps on what the repository holds; its inputs have the defaults of the file."""
    temp = folder.parent / f"runner-{len(list(folder.parent.glob('runner-*')))}"
    (temp / "tiltyard" / "bin").mkdir(parents=True)
    python = temp / "tiltyard" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    event = temp / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}), encoding="utf-8")
    github = {
        "action_path": str(ROOT),
        "token": comments.token,
        "event": {"pull_request": {"base": {"sha": git(folder, "rev-parse", "HEAD~1")}}},
    }
    variables = {
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "shop/models",
        "GITHUB_API_URL": comments.url,
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9/",  # a registry of the host that must not be used
    }
    python_action = {"actions/setup-python": lambda _inputs: {"python-path": sys.executable}}
    steps = Steps(folder, temp, {"github": github, "inputs": {}}, python_action, variables)
    defaults = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    given = {name: steps.fill(str(about.get("default", ""))) for name, about in defaults.items()}
    steps.contexts["inputs"] = given | inputs
    return steps.run_all(read_steps()), steps


@pytest.mark.requirement("R-MORE-10")
def test_a_pull_request_gets_one_comment_that_is_updated(repository: Path) -> None:
    """The version of a change challenges that of the base; a second run writes over the comment of the first."""
    toml = repository / "models" / "tiltyard.toml"
    toml.write_text(PROJECT.format(candidate="gradient-boosting"), encoding="utf-8")
    commit(repository)
    with serving(Comments(kept={1: "Looks good to me."})) as comments:
        well, steps = run_action(repository, comments, project="models")
        assert well, steps.done
        verdict = comments.kept[2]
        assert verdict.startswith("<!-- tiltyard: models -->\n## models: the version of this change ")
        assert "| metric |" in verdict
        assert "the champion" in verdict  # the version of the base
        assert (steps.temp / "summary.md").read_text("utf-8") in verdict
        check = steps.contexts["steps"]["check"]["outputs"]
        assert (check["passed"], check["code"]) == (("false", "4") if "would not be" in verdict else ("true", "0"))
        # The next push breaks the data: nothing is trained, and the job fails.
        frame = pd.read_csv(repository / "models" / "orders.csv")
        frame.head(20).to_csv(repository / "models" / "orders.csv", index=False)
        commit(repository)
        well, steps = run_action(repository, comments, project="models")
        assert not well
        assert list(comments.kept) == [1, 2]
        assert "the data break the limits of the project" in comments.kept[2]
        assert (
            "- **error** `data.too-few-rows` rows: The data has 20 rows; at least 100 are needed." in comments.kept[2]
        )
        assert "| metric |" not in comments.kept[2]
        assert comments.kept[1] == "Looks good to me."
    assert git(repository, "worktree", "list").count("\n") == 0
    assert git(repository, "status", "--porcelain") == ""


def test_a_token_that_may_not_comment_fails_no_run(repository: Path) -> None:
    """From a fork the token only reads; a verdict that cannot be commented is in the summary, and said to be."""
    (repository / "README.md").write_text("Orders.", encoding="utf-8")
    commit(repository)
    script = str(ROOT / "deploy" / "action" / "comment.py")
    verdict = repository.parent / "verdict.md"
    verdict.write_text("## all is well", encoding="utf-8")
    event = repository.parent / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}), encoding="utf-8")
    with serving(Comments(status=403)) as comments:
        environment = {
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "shop/models",
            "GITHUB_API_URL": comments.url,
            "GH_TOKEN": "a-token",
            "PATH": str(BIN),
        }
        command = [sys.executable, script, str(verdict), "--about", "models"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, comments.kept) == (0, {})
        assert "pull-requests: write" in done.stdout
        comments.status = 500
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "500" in done.stdout
    event.write_text("{}", encoding="utf-8")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "not about a pull request" in done.stdout


def test_a_comment_is_found_on_any_page() -> None:
    """Of more comments than a page holds, the one with the mark is found."""
    sys.path.insert(0, str(ROOT / "deploy" / "action"))
    try:
        from comment import Issue  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    with serving(Comments()) as comments:
        comments.kept = {key: f"comment {key}" for key in range(1, 251)}
        issue = Issue(comments.url, "shop/models", 7, comments.token)
        assert issue.find("<!-- tiltyard: models -->") is None
        comments.kept[230] = "<!-- tiltyard: models -->\nold"
        assert issue.find("<!-- tiltyard: models -->") == 230
        assert issue.write("<!-- tiltyard: models -->\nnew", 230).endswith("#230")
        assert comments.kept[230].endswith("new")


def test_the_action_and_the_hook_keep_their_schemas() -> None:
    """GitHub's schema of actions, pre-commit's of hooks; what the guide writes is what they take."""
    for command in (
        ["check-jsonschema", "--builtin-schema", "vendor.github-actions", str(ACTION)],
        ["pre-commit", "validate-manifest", str(HOOKS)],
        ["zizmor", "--offline", "--no-progress", "--persona=auditor", str(ACTION)],
    ):
        program = BIN / command[0]
        if not program.exists():
            pytest.skip(f"{command[0]} is not installed (it is in the lock: make setup)")
        done = subprocess.run([str(program), *command[1:]], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    (workflow,) = [block for block in blocks if "jobs" in block]
    (hooks,) = [block for block in blocks if "repos" in block]
    (step,) = [one for one in workflow["jobs"]["model"]["steps"] if one["uses"].startswith("tiltyard/")]
    assert set(step["with"]) <= set(yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"])
    (hook,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    assert hook["entry"] == "tiltyard validate"
    assert hooks["repos"][0]["hooks"][0]["id"] == hook["id"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.base != ''", True),
        ("inputs.none || inputs.base", "main"),
        ("github.event_name == 'push' && inputs.base || ''", ""),
        ("!cancelled()", True),
        ("inputs.base == 'MAIN'", True),
        ("(inputs.none || 'it''s') && 'x'", "x"),
    ],
)
def test_expressions_are_worked_out_as_github_does(text: str, value: object) -> None:
    """Names that are not there are empty; texts are compared without their case; `&&` and `||` return operands."""
    contexts = {"inputs": {"base": "main"}, "github": {"event_name": "pull_request"}}
    assert Expression(text, contexts).work_out() == value
