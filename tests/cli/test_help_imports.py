"""What showing a help imports."""

from __future__ import annotations

import json
import subprocess
import sys

# Walks through all commands in one process, and says after each what it has imported of what it names.
WALK = """
import io, json, sys
from contextlib import redirect_stdout
import click
from tiltyard.cli.main import cli

def walk(command, path):
    with redirect_stdout(io.StringIO()) as shown:
        cli.main(args=[*path, "--help"], prog_name="tiltyard", standalone_mode=False)
    assert shown.getvalue().startswith("Usage: " + " ".join(["tiltyard", *path])), shown.getvalue()
    found = sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:]))
    print(json.dumps([" ".join(path), found]))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in sorted(command.list_commands(context), key=lambda name: name == "init"):
            walk(command.get_command(context, name), [*path, name])

walk(cli, [])
"""

# A help needs click, and rich to print. What checks values, computes, or reaches a store or a server has no part in it.
HEAVY = (
    *("numpy", "pandas", "pyarrow", "scipy", "sklearn", "skops", "numba", "llvmlite", "joblib", "optuna", "river"),
    *("mlflow", "sqlalchemy", "alembic", "pydantic", "prefect", "dash", "plotly", "matplotlib", "jinja2"),
    *("fastapi", "starlette", "uvicorn", "httpx", "requests", "prometheus_client", "opentelemetry", "asyncio"),
)


def test_a_help_imports_nothing_that_it_does_not_show() -> None:
    """No command's help, nor that of a command in a group, imports a library that computes, stores or serves."""
    done = subprocess.run([sys.executable, "-c", WALK, *HEAVY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) > 60
    before: list[str] = []
    guilty = {}
    for path, found in steps:
        if found != before:
            guilty[path] = sorted(set(found) - set(before))
            before = found
    # What a label may be is declared by targets, in types that pydantic checks; the help of init lists the tasks.
    assert guilty in ({}, {"init": ["pydantic"]})
