"""Every response is as the OpenAPI document says, whatever is sent: schemathesis against a live server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving.interfaces import run_server
from tiltyard.serving.auth import KeyFile, NewKey

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "missing_required_header",
    "allow_header_conformance",
    "ignored_auth",
)
# A profile takes as long as the request says, up to a minute: the valid ones here are short.
HOOKS = """
import schemathesis

@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path == "/admin/profile":
        query = dict(case.query or {})
        try:
            taken = 0 < float(str(query.get("seconds", 5))) <= 60
        except ValueError:
            taken = False
        case.query = {**query, "seconds": 0.01} if taken else query
"""


def ask(url: str, folder: Path, examples: int, phases: str, token: str = "") -> dict[str, Any]:
    """Run schemathesis against a server; what it found."""
    folder.mkdir(exist_ok=True)
    (folder / "tiltyard_hooks.py").write_text(HOOKS, encoding="utf-8")
    report = folder / "report.json"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{url}/openapi.json",
        *("--max-examples", str(examples), "--phases", phases, "--checks", ",".join(CHECKS)),
        *("--seed", "1", "--continue-on-failure", "--no-shrink", "--suppress-health-check", "all"),
        *("--generation-database", "none", "--warnings", "off"),
        *("--report", "json", "--report-json-path", str(report)),
        *(("--header", f"Authorization: Bearer {token}") if token else ()),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tiltyard_hooks", "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    assert (found["failures"], found["errors"]) == ([], []), done.stdout
    assert found["operations"]["tested"] == found["operations"]["total"] > 20
    assert found["complete"]
    cases: dict[str, Any] = found["test_cases"]
    return cases


def test_responses_are_as_documented(tmp_path: Path, text_package: Path) -> None:
    """A hundred requests, right ones and wrong ones, meet no server error and no undocumented response."""
    with run_server(tmp_path, text_package) as films:
        cases = ask(str(films.client.base_url), tmp_path / "st", 8, "examples,fuzzing")
    assert cases["generated"] >= 90


@pytest.mark.proof
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["text", "table", "keys"])
def test_thousands_of_responses_are_as_documented(
    kind: str, tmp_path: Path, text_package: Path, table_package: Path
) -> None:
    """Thousands of requests meet no server error and no undocumented response; with keys, none without one."""
    file, token = None, ""
    if kind == "keys":
        file, made = tmp_path / "api-keys.json", NewKey.generate(["admin"])
        KeyFile(file).add(made.key)
        token = made.token
    with run_server(tmp_path, table_package if kind == "table" else text_package, api_keys=file) as served:
        cases = ask(str(served.client.base_url), tmp_path / "st", 100, "examples,coverage,fuzzing", token)
    print(kind, cases)  # noqa: T201 - what a proof says
    assert cases["generated"] >= 2000
