"""What a page tells its reader to type, held against the programs themselves."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click
from packaging.requirements import Requirement

from tests.pages.blocks import ROOT
from tiltyard.cli.main import cli
from tiltyard.errors import TiltyardError
from tiltyard.serving.__main__ import serve

# Programs of others, which a test of the whole needs: what they get is written on the page and run there.
OTHERS = {
    "docker": "tests/deploy/test_containers.py::test_the_stand_from_start_to_reset",
    "helm": "tests/deploy/test_helm.py::test_the_chart_and_kustomize_make_the_same_objects",
    "kubectl": "tests/deploy/test_kubernetes.py::test_the_manifests_are_valid",
    "prefect": "tests/pipeline/test_prefect.py::test_a_worker_runs_the_deployments",
    "prometheus": "tests/deploy/test_observability.py::test_promtool_accepts_rules_queries_and_tests",
    "ray": "tests/batch/test_ray.py::test_a_table_is_scored_on_a_cluster_as_here",
    "openssl": "tests/registry/test_signing.py::test_openssl_verifies_our_signatures",
}
# Programs of the shell and of version control: nothing of ours.
SHELL_WORDS = frozenset({".", "cd", "dvc", "export", "git", "printf"})


def parse_tiltyard(words: Sequence[str], command: click.Command = cli, parent: click.Context | None = None) -> str:
    """What is wrong with the words of a command of ``tiltyard``; "" for nothing.

    The real command reads them: its options, the kinds of their values, what has to be given. Files that it is to
    read have to be in the working folder.
    """
    inner = command.commands if isinstance(command, click.Group) and command.invoke_without_command else {}
    if not isinstance(command, click.Group) or (command.invoke_without_command and not {*words[:1]} & {*inner}):
        try:
            command.make_context(command.name, list(words), parent=parent)
        except (click.ClickException, TiltyardError) as error:
            return str(error.format_message() if isinstance(error, click.ClickException) else error)
        return ""
    context = click.Context(command, parent=parent, info_name=command.name)
    found = command.get_command(context, words[0]) if words else None
    if found is None:
        return f"there is no command {' '.join(words[:1])!r} in {command.name}"
    return parse_tiltyard(words[1:], found, context)


def parse_python(words: Sequence[str], folder: Path) -> str:
    """What is wrong with the words after ``python``: a module, a script with options, code; "" for nothing."""
    if not words or words[0] == "-":  # its input is another block
        return ""
    if words[0] == "-m":
        if words[1] != "tiltyard.serving":
            return "" if words[1] == "venv" else f"no test knows the module {words[1]}"
        return parse_tiltyard(words[2:], serve)
    if words[0] == "-c":
        ast.parse(words[1])
        return ""
    script = next((place / words[0] for place in (ROOT, folder) if (place / words[0]).is_file()), None)
    if script is None:
        return f"there is no script {words[0]}"
    known = _options_of(script)
    return ", ".join(word for word in words[1:] if word.startswith("--") and word not in known)


def _options_of(script: Path) -> set[str]:
    """The options of a script with ``argparse`` or click, read from its code: importing it may take seconds."""
    calls = (node for node in ast.walk(ast.parse(script.read_text("utf-8"))) if isinstance(node, ast.Call))
    named = ("add_argument", "option")
    found = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in named)
    return {str(word.value) for call in found for word in call.args if isinstance(word, ast.Constant)}


def parse_make(words: Sequence[str]) -> str:
    """The targets among the words that the Makefile does not have."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return ", ".join(word for word in words if not re.search(rf"^{re.escape(word)}:", text, re.MULTILINE))


def parse_pip(words: Sequence[str]) -> str:
    """What is wrong with ``pip install``: another package than ours, or an extra that ours does not have."""
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for word in words[1:]:
        if word == "-e":
            continue
        named = Requirement(word.replace(".[", "tiltyard["))
        if named.name != "tiltyard" or not named.extras <= set(optional):
            return word
    return ""


def parse_mlflow(words: Sequence[str]) -> str:
    """What is wrong with the words of a command of ``mlflow``."""
    from mlflow.cli import cli as mlflow

    return parse_tiltyard(words, mlflow)


def find_tiltyard(words: Sequence[str]) -> list[str] | None:
    """The command of ``tiltyard`` that a container is to run; None for none."""
    runs = words[0] == "$run" or "exec" in words
    return list(words[words.index("tiltyard") + 1 :]) if runs and "tiltyard" in words else None


def find_fault(words: Sequence[str], folder: Path) -> str:
    """What is wrong with a command of a page; "" for nothing.

    Args:
        words: the command.
        folder: the folder of its page.
    """
    program, rest = words[0], words[1:]
    checks = {"tiltyard": parse_tiltyard, "make": parse_make, "pip": parse_pip, "mlflow": parse_mlflow}
    if program in checks:
        return checks[program](rest)
    if program in {"python", "python3"}:
        return parse_python(rest, folder)
    if (inner := find_tiltyard(words)) is not None:
        return parse_tiltyard(inner)
    known = program in OTHERS or program in SHELL_WORDS or program == "curl"
    return "" if known else f"no test knows the program {program}"
