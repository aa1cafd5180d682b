"""Run commands of Tiltyard from the scripts; the version that the training made is kept in model-version.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

KEPT = Path("model-version.json")
NOT_PROMOTED = 3


def run_tiltyard(*words: str) -> int:
    """Run a command whose output goes to the log; its exit code."""
    return subprocess.run([sys.executable, "-m", "tiltyard", *words], check=False).returncode


def read_tiltyard(*words: str, accept: tuple[int, ...] = (0,)) -> Any:
    """Run a command with --json and read its output; end with its exit code where that is not accepted."""
    command = [sys.executable, "-m", "tiltyard", *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in accept:
        print(done.stdout)
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def read_version() -> tuple[str, str]:
    """Name and version of the model that the training made."""
    if not KEPT.is_file():
        sys.exit(f"{KEPT} is missing: run scripts/train_model.py first.")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return kept["model_name"], kept["model_version"]
