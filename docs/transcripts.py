"""Write the outputs of the tutorial as a new user sees them: build the wheel, install it, run the pages with it.

python docs/transcripts.py                         # `make tutorial`: from the wheel of this checkout
python docs/transcripts.py --programs .venv/bin    # with the programs of an environment that has one

A block of output (``text`` or ``json``) that follows a block of commands is what these print. Where there are several
commands each one is shown before its output. Tests compare the pages with what is printed now.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial"
PAGE = TUTORIAL / "command-line.md"
PYTHON_PAGE = TUTORIAL / "python.md"
NOTEBOOK = TUTORIAL / "first-champion.ipynb"
NAME = "tumours"  # of the folder: the project and its model are called after it
WIDTH = "110"  # columns of the terminal
BLOCK = re.compile(r"```sh\n(?P<commands>.*?)```(?:\n+```(?P<kind>text|json)\n(?P<output>.*?)```)?", re.DOTALL)
COMMAND = re.compile(r"^.*<<'(\w+)'\n(?:.*\n)*?\1$|^(?:.*\\\n)*.+$", re.MULTILINE)

CELL = re.compile(r"```python\n(?P<code>.*?)```(?:\n+```text\n.*?```)?", re.DOTALL)
# Runs cells as Jupyter does, which shows the value of a cell's last line where it has one.
CELLS = """
import ast, contextlib, io, json, sys
scope, outputs = {"__name__": "__main__"}, []
for number, cell in enumerate(json.load(sys.stdin)):
    *before, last = ast.parse(cell).body
    shown, value = io.StringIO(), None
    with contextlib.redirect_stdout(shown):
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(before, []), f"cell {number}", "exec"), scope)
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), scope)
        else:
            exec(compile(cell, f"cell {number}", "exec"), scope)
    html = value._repr_html_() if hasattr(value, "_repr_html_") else None
    outputs.append({"printed": shown.getvalue(), "value": None if value is None else repr(value), "html": html})
json.dump(outputs, sys.stdout)
"""

Run = Callable[[str], str]


def write_outputs(text: str, run: Run) -> str:
    """A page with the outputs of its commands as they are now.

    Args:
        text: the page.
        run: runs one command of the shell, with the lines that belong to it, and returns what it prints.
    """
    return BLOCK.sub(lambda block: _write_block(block, run), text)


def _write_block(block: re.Match[str], run: Run) -> str:
    commands = [found[0] for found in COMMAND.finditer(block["commands"])]
    if any("pip install" in command for command in commands):  # what the page's reader has done before
        return block[0]
    outputs = [run(command) for command in commands]
    if block["kind"] is None:
        return block[0]
    shown = zip(commands, outputs, strict=True)
    printed = outputs[0] if len(outputs) == 1 else "".join(f"$ {command}\n{output}" for command, output in shown)
    lines = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
    return f"```sh\n{block['commands']}```\n\n```{block['kind']}\n{lines}\n```"


def list_words(text: str) -> list[str]:
    """The words of a transcript that are the same in every run: no numbers, no ids, no order of wrapped cells."""
    without_ids = re.sub(r"\b[0-9a-f]{8}[0-9a-f-]{10,}\b", "ID", text)
    return sorted(re.findall(r"[^\W\d]+", without_ids))


def run_cells(cells: Sequence[str], folder: Path, python: Path) -> list[dict[str, str | None]]:
    """What each cell of a notebook prints, and the value of its last line as text and HTML; they run in one process.

    Raises:
        RuntimeError: a cell failed.
    """
    done = subprocess.run(  # noqa: S603 - the cells are those of our page
        [python, "-c", CELLS],
        input=json.dumps(cells),
        cwd=folder,
        env=_environment(python.parent),
        text=True,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the cells ended with exit code {done.returncode}")
    outputs: list[dict[str, str | None]] = json.loads(done.stdout)
    return outputs


def write_cells(text: str, outputs: Sequence[dict[str, str | None]]) -> str:
    """A page with the outputs of its Python blocks as they are now, in their order."""
    remaining = iter(outputs)

    def write(block: re.Match[str]) -> str:
        output = next(remaining)
        lines = (output["printed"] or "") + (output["value"] or "")
        shown = f"\n\n```text\n{lines.rstrip()}\n```" if lines else ""
        return f"```python\n{block['code']}```{shown}"

    return CELL.sub(write, text)


def write_notebook(text: str, outputs: Sequence[dict[str, str | None]]) -> str:
    """The notebook with these outputs of its cells."""
    notebook = json.loads(text)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, output) in enumerate(zip(cells, outputs, strict=True), 1):
        cell["execution_count"] = number
        cell["outputs"] = list(_write_outputs(number, output))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _write_outputs(number: int, output: dict[str, str | None]) -> Iterator[dict[str, object]]:
    if output["printed"]:
        yield {"name": "stdout", "output_type": "stream", "text": output["printed"].splitlines(keepends=True)}
    if output["value"]:
        shown = {"text/html": output["html"], "text/plain": output["value"]}
        data = {kind: text.splitlines(keepends=True) for kind, text in shown.items() if text}
        yield {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def install_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout, install it into a new environment as a user would; its folder of programs."""
    uv = str(Path(sys.executable).with_name("uv"))
    environment = folder / "environment"
    python = environment / "bin" / "python"
    _call(uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "wheel"), str(ROOT))
    [wheel] = (folder / "wheel").glob("*.whl")
    _call(uv, "venv", "--quiet", "--python", sys.executable, str(environment))
    _call(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), str(wheel))
    return python.parent


def _call(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - uv and our own folders


def _environment(programs: Path) -> dict[str, str]:
    left_out = ("TILTYARD_", "MLFLOW_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    path = f"{programs.absolute()}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "COLUMNS": WIDTH, "USER": "ann", "LOGNAME": "ann"}


class Terminal:
    """Commands in a folder, with the programs of an environment; a server continues until the end.

    Args:
        folder: where the commands run.
        programs: the folder of ``python`` and ``tiltyard``.
        port: where the server listens, shown as 8000.
    """

    def __init__(self, folder: Path, programs: Path, port: int) -> None:
        self._port = port
        self._folder = folder
        self._environment = _environment(programs)
        self._server: subprocess.Popen[str] | None = None

    def run(self, command: str) -> str:
        """What a command prints; of a server, what it prints until it listens.

        Raises:
            RuntimeError: it failed.
        """
        if command == "tiltyard serve":
            return self._serve(f"{command} --port {self._port}").replace(f":{self._port}", ":8000")
        process = self._start(command.replace(":8000", f":{self._port}"))
        printed = process.communicate()[0]
        if process.returncode:
            raise RuntimeError(f"{command} ended with exit code {process.returncode}")
        return printed

    def _serve(self, command: str) -> str:
        self._server = self._start(f"exec {command}")
        lines: list[str] = []
        for line in self._server.stdout or ():
            lines.append(line)
            if "Ctrl-C" in line:
                return "".join(lines)
        raise RuntimeError(f"{command} ended")

    def _start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - the commands are those of our page
            ["/bin/sh", "-c", command], cwd=self._folder, env=self._environment, text=True, stdout=subprocess.PIPE
        )

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.terminate()
            self._server.communicate(timeout=60)


def main() -> None:
    """Write the pages again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, help="folder of python and tiltyard  [default: a new wheel]")
    parser.add_argument("--port", type=int, default=8000, help="a free port for the server")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        programs = given.programs or install_wheel(Path(place))
        _write_command_line(Path(place) / NAME, programs, given.port)
        _write_python(Path(place) / "python", programs)


def _write_command_line(folder: Path, programs: Path, port: int) -> None:
    folder.mkdir()
    terminal = Terminal(folder, programs, port)
    try:
        text = write_outputs(PAGE.read_text("utf-8"), terminal.run)
    finally:
        terminal.close()
    PAGE.write_text(text, encoding="utf-8")


def _write_python(folder: Path, programs: Path) -> None:
    folder.mkdir()
    page = PYTHON_PAGE.read_text("utf-8")
    outputs = run_cells([block["code"].rstrip() for block in CELL.finditer(page)], folder, programs / "python")
    PYTHON_PAGE.write_text(write_cells(page, outputs), encoding="utf-8")
    NOTEBOOK.write_text(write_notebook(NOTEBOOK.read_text("utf-8"), outputs), encoding="utf-8")


if __name__ == "__main__":
    main()
