"""Running what lies in deploy/, as a workflow does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests import fork_server
from tests.films import environment

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent


def run(
    script: str, *words: str, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """A script of deploy/ with its words: Python by this interpreter, shell by its first line."""
    file = DEPLOY / script
    command = [sys.executable, str(file)] if file.suffix == ".py" else [str(file)]
    path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHON": sys.executable}
    variables = {**environment(), **path, **(env or {})}
    return fork_server.run([*command, *words], env=variables, stdin=stdin, timeout=180)
