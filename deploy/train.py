"""The training of CI: train a version, run the gates, report the result.

    python deploy/train.py --project examples/sentiment

"Not promoted" (exit code 3 of ``tiltyard train --champion``) is not a failure: the pipeline worked, and the champion
stays. The summary of the run reports it, and the output ``promoted=false`` prevents a deployment.
Exit codes: 0 trained (promoted or not), else that of the training.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DONE, NOT_PROMOTED = 0, 3
HEADLINE = ("accuracy", "f1", "precision", "recall", "roc_auc", "log_loss")


def train(project: str) -> int:
    """Run the training, and write summary and outputs for GitHub."""
    command = [sys.executable, "-m", "tiltyard", "train", "--project", project, "--champion", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own words
    print(done.stdout, end="")
    if done.returncode not in (DONE, NOT_PROMOTED):
        _append("GITHUB_STEP_SUMMARY", f"## Training failed (exit code {done.returncode})\n")
        return done.returncode
    outcome: dict[str, Any] = json.loads(done.stdout)
    promoted = done.returncode == DONE
    _append("GITHUB_STEP_SUMMARY", summary(outcome, promoted=promoted))
    _append("GITHUB_OUTPUT", f"promoted={json.dumps(promoted)}\nversion={outcome['model_version']}\n")
    if not promoted:
        print(f"::notice title=Not promoted::{outcome['status']}".replace("\n", " "))
    return 0


def summary(outcome: dict[str, Any], *, promoted: bool) -> str:
    """What the training came to, as Markdown."""
    metrics = outcome["metrics"]
    lines = [
        f"## {outcome['model_name']} version {outcome['model_version']}: {'promoted' if promoted else 'not promoted'}",
        "",
        f"{outcome['status']}. {outcome['train_rows']:,} rows learnt, {outcome['test_rows']:,} held out.",
        "",
        "| metric | held-out rows |",
        "|---|---|",
        *(f"| {name} | {metrics[name]:.4f} |" for name in HEADLINE if name in metrics),
        "",
        "| gate | passed | |",
        "|---|---|---|",
        *(
            f"| {gate['title']} | {'yes' if gate['passed'] else 'no'} | {gate['message']} |"
            for gate in (outcome.get("promotion") or {}).get("gates", ())
        ),
    ]
    return "\n".join(lines) + "\n"


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if file:
        with Path(file).open("a", encoding="utf-8") as target:
            target.write(text)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train for CI.")
    parser.add_argument("--project", required=True, help="folder of the project file")
    return train(parser.parse_args().project)


if __name__ == "__main__":
    sys.exit(main())
