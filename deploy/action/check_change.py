"""What a change makes of the model: the data are validated, a version is trained, and it challenges that of the base.

    python deploy/action/check_change.py --project examples/sentiment --base origin/main --out verdict.md

The base is trained first, in a separate folder, and its version is the champion; the change's version then passes the
gates or not. All of it is in a state folder that is removed: no registry is touched, and no secret is needed, so that
pull requests from forks are compared too. Without ``--base`` the version is compared with guessing.

Exit codes: 0 the version may be promoted; 3 the data break the project's limits; 4 the gates refuse the version, as
they do one that is only as good as the base's; else that of the command that failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REFUSED, NOT_BETTER = 3, 4
HEADLINE = ("accuracy", "f1", "roc_auc", "log_loss", "mae", "rmse", "r2")
# A registry or ledger of the host must not learn of a version that is only tried.
LEFT_OUT = frozenset(
    {
        *("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"),
        *("TILTYARD_LEDGER", "TILTYARD_HOME", "PREFECT_API_URL", "GH_TOKEN", "GITHUB_TOKEN"),
    }
)


@dataclass(frozen=True)
class Outcome:
    """What a command printed as JSON, and how it ended."""

    code: int
    said: dict[str, Any]
    text: str

    @property
    def why(self) -> str:
        """Why it failed, in a line."""
        error = self.said.get("error")
        if isinstance(error, dict):
            return f"{error.get('message', '')} {error.get('next_step', '')}".strip()
        return self.text.strip().splitlines()[-1] if self.text.strip() else f"exit code {self.code}"


def run_command(words: list[str], folder: Path, state: Path) -> Outcome:
    """Run a command of Tiltyard in a folder, with a separate state; what it says for people goes to the log."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    command = [sys.executable, "-m", "tiltyard", *words]
    print("::group::tiltyard", *words, flush=True)
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=folder, env=kept | {"TILTYARD_HOME": str(state)}, stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout, "::endgroup::", sep="\n", flush=True)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {}
    return Outcome(done.returncode, said if isinstance(said, dict) else {}, done.stdout)


def train_base(base: str, project: Path, state: Path) -> str:
    """Train the champion of the base; returns what there is to say where that was not possible, else an empty text."""
    root = Path(_git("rev-parse", "--show-toplevel", cwd=project)).resolve()
    within = project.resolve().relative_to(root)
    with tempfile.TemporaryDirectory(prefix="tiltyard-base-") as folder:
        tree = Path(folder) / "base"
        try:
            _git("worktree", "add", "--detach", "--quiet", str(tree), base, cwd=root)
        except subprocess.CalledProcessError as error:
            return f"The base `{base}` could not be checked out: {error.stderr.strip()}"
        try:
            if not (tree / within / "tiltyard.toml").is_file():
                return "The base has no such project: the version is compared with guessing."
            trained = run_command(["train", "--champion", "--json"], tree / within, state)
        finally:
            _git("worktree", "remove", "--force", str(tree), cwd=root)
    if trained.code in (0, REFUSED):
        return "" if trained.code == 0 else "The base's version does not pass its gates itself: there is no champion."
    return f"The base could not be trained: {trained.why}"


def check_change(project: Path, base: str | None, state: Path) -> tuple[int, str]:
    """Validate, train and challenge; returns the exit code and the verdict as Markdown."""
    title = f"## {project.name if project.name else 'tiltyard'}"
    report = run_command(["validate", "--json"], project, state)
    if report.code not in (0, REFUSED):
        return report.code, f"{title}: the data cannot be read\n\n{report.why}\n"
    findings = list_findings(report.said)
    if report.code == REFUSED:
        return REFUSED, f"{title}: the data break the limits of the project\n\n{findings}"
    note = train_base(base, project, state) if base else "There is no base to compare with."
    trained = run_command(["train", "--json"], project, state)
    if trained.code != 0:
        return trained.code, f"{title}: the training failed\n\n{trained.why}\n"
    version = str(trained.said["model_version"])
    gates = run_command(["promote", version, "--markdown"], project, state)
    if gates.code not in (0, REFUSED):
        return gates.code, f"{title}: the gates could not be run\n\n{gates.why}\n"
    headline = "may be promoted" if gates.code == 0 else "would not be promoted"
    parts = [f"{title}: the version of this change {headline}", note, gates.text.strip(), list_metrics(trained.said)]
    code = 0 if gates.code == 0 else NOT_BETTER
    return code, "\n\n".join(part for part in (*parts, findings) if part) + "\n"


def list_metrics(said: dict[str, Any]) -> str:
    """The metrics on the held-out rows, as a table."""
    metrics = said.get("metrics") or {}
    rows = [f"| {name} | {metrics[name]:.4f} |" for name in HEADLINE if isinstance(metrics.get(name), int | float)]
    counts = f"{said.get('train_rows', 0):,} rows learnt, {said.get('test_rows', 0):,} held out"
    return "\n".join([f"| metric | {counts} |", "|---|---|", *rows])


def list_findings(said: dict[str, Any]) -> str:
    """What the validation found in the data, in the split and by drift, as a list; empty where nothing has weight."""
    parts = [said.get(part) or {} for part in ("data", "split", "drift")]
    found = [
        one
        for part in parts
        for one in part.get("findings", ())
        if one["status"] == "found" and one["severity"] in ("warning", "error")
    ]
    lines = [
        f"- **{one['severity']}** `{one['code']}` {one['subject']}: {one['message']} {one['next_step']}".rstrip()
        for one in sorted(found, key=lambda one: one["severity"])
    ]
    return "\n".join(["What the validation found:", "", *lines]) + "\n" if lines else ""


def _git(*words: str, cwd: Path) -> str:
    command = ["git", *words]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Validate, train and challenge what a change makes of the model.")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the project file")
    parser.add_argument("--base", default="", help="commit that the change is compared with")
    parser.add_argument("--out", type=Path, required=True, help="file of the verdict, in Markdown")
    options = parser.parse_args()
    project = options.project.resolve()
    if not (project / "tiltyard.toml").is_file():
        print(f"::error::There is no tiltyard.toml in {options.project}. Name its folder by the input `project`.")
        return 2
    with tempfile.TemporaryDirectory(prefix="tiltyard-state-") as state:
        code, verdict = check_change(project, options.base or None, Path(state))
    options.out.write_text(verdict, encoding="utf-8")
    for variable, text in (
        ("GITHUB_STEP_SUMMARY", verdict),
        ("GITHUB_OUTPUT", f"passed={json.dumps(code == 0)}\nverdict={options.out.resolve()}\n"),
    ):
        if file := os.environ.get(variable):
            with Path(file).open("a", encoding="utf-8") as target:
                target.write(text)
    print(verdict)
    return code


if __name__ == "__main__":
    sys.exit(main())
