"""A small driver of GitHub's workflows: it runs the ``run:`` steps of the file that ships, with their environment.

What an expression says is worked out as GitHub does, for what our files use: names with dots, strings, ``==``, ``!=``,
``&&``, ``||``, ``!`` and ``cancelled()``. Steps that use an action of others are given to a handler of the test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Action = Callable[[Mapping[str, str]], Mapping[str, str]]
"""An action of others: takes its inputs, returns its outputs."""

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r"\s*(==|!=|&&|\|\||!|\(|\)|'(?:[^']|'')*'|[\w-]+(?:\.[\w-]+)*)")


class Expression:
    """An expression of GitHub's, worked out on contexts.

    Args:
        text: the expression, without its braces.
        contexts: values by context, such as ``inputs`` and ``steps``.
    """

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self._contexts = contexts
        self._tokens = _TOKEN.findall(text)
        assert "".join(self._tokens).replace(" ", "") == re.sub(r"\s", "", text), f"cannot read {text!r}"

    def work_out(self) -> Any:
        """Its value."""
        value = self._either()
        assert not self._tokens, f"not read: {self._tokens}"
        return value

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compare()
        while self._take("&&"):
            other = self._compare()
            value = other if value else value
        return value

    def _compare(self) -> Any:
        value = self._one()
        if self._take("=="):
            return _fold(value) == _fold(self._one())
        if self._take("!="):
            return _fold(value) != _fold(self._one())
        return value

    def _one(self) -> Any:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            value = self._either()
            assert self._take(")")
            return value
        token = self._tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._take("("):
            assert token == "cancelled", token
            assert self._take(")")
            return False
        found: Any = self._contexts
        for part in token.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return "" if found is None else found

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False


def _fold(value: Any) -> str:
    """As GitHub compares: texts without their case."""
    return str(value).casefold()


@dataclass
class StepRun:
    """How a step ended: what it printed, and its exit code."""

    name: str
    code: int
    text: str
    skipped: bool = False


@dataclass
class Steps:
    """Runs the steps of a job, or of a composite action, one after the other.

    Attributes:
        folder: the workspace.
        temp: a folder for what the runner writes.
        contexts: ``github``, ``inputs``, ``secrets``, ``vars``, ``env`` as the test sets them.
        actions: handlers of the actions that steps use, by name without owner's version.
        variables: further environment of each step.
    """

    folder: Path
    temp: Path
    contexts: dict[str, Any] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    done: list[StepRun] = field(default_factory=list)

    def run_all(self, steps: list[dict[str, Any]], env: Mapping[str, Any] | None = None) -> bool:
        """Run the steps; after one that failed only those that ask for it run. Returns whether all went well."""
        self.contexts.setdefault("steps", {})
        well = True
        for step in steps:
            self.contexts["env"] = {name: self.fill(str(value)) for name, value in (env or {}).items()}
            condition = step.get("if", "success()")
            wants = "cancelled()" in str(condition)
            text = str(condition).replace("success()", "'yes'")
            if not (well or wants) or not Expression(_EXPRESSION.sub(r"\1", text), self.contexts).work_out():
                self.done.append(StepRun(step.get("name", ""), 0, "", skipped=True))
                continue
            ended = self._use(step) if "uses" in step else self._run(step)
            self.done.append(ended)
            well = well and (ended.code == 0 or bool(step.get("continue-on-error")))
        return well

    def fill(self, text: str) -> str:
        """A text with its expressions filled in."""

        def value_of(found: re.Match[str]) -> str:
            value = Expression(found[1], self.contexts).work_out()
            return str(value).lower() if isinstance(value, bool) else str(value)

        return _EXPRESSION.sub(value_of, text)

    def _use(self, step: dict[str, Any]) -> StepRun:
        name = step["uses"].partition("@")[0]
        given = {key: self.fill(str(value)) for key, value in (step.get("with") or {}).items()}
        outputs = self.actions[name](given)
        self._keep(step, outputs)
        return StepRun(step.get("name", name), 0, "")

    def _run(self, step: dict[str, Any]) -> StepRun:
        output, summary = self.temp / "output", self.temp / "summary.md"
        output.write_text("", encoding="utf-8")
        said = {name: self.fill(str(value)) for name, value in (step.get("env") or {}).items()}
        environment = {
            **os.environ,
            **self.variables,
            **self.contexts["env"],
            **said,
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(self.temp),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        script = self.temp / "step.sh"
        script.write_text(self.fill(step["run"]), encoding="utf-8")
        # As GitHub calls it where a step names no shell, and where it names bash.
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") else ["bash", "-e"]
        done = subprocess.run(
            [*shell, str(script)],
            cwd=self.folder / step.get("working-directory", "."),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        lines = output.read_text(encoding="utf-8").splitlines()
        self._keep(step, dict(line.split("=", 1) for line in lines if "=" in line))
        return StepRun(step.get("name", ""), done.returncode, done.stdout)

    def _keep(self, step: dict[str, Any], outputs: Mapping[str, str]) -> None:
        if "id" in step:
            self.contexts["steps"][step["id"]] = {"outputs": dict(outputs)}
