"""Write the outputs of the tutorial by the command line: run its commands in a fresh folder, and show what they print.

python docs/transcripts.py --programs .venv/bin    # the folder of an environment with the built wheel

A block of output (``text`` or ``json``) that follows a block of commands is what these print. Where there are several
commands each one is shown before its output. A test compares words and order on the page with what is printed now.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).parent / "tutorial" / "command-line.md"
NAME = "tumours"  # of the folder: the project and its model are called after it
WIDTH = "110"  # columns of the terminal
BLOCK = re.compile(r"```sh\n(?P<commands>.*?)```(?:\n+```(?P<kind>text|json)\n(?P<output>.*?)```)?", re.DOTALL)
COMMAND = re.compile(r"^.*<<'(\w+)'\n(?:.*\n)*?\1$|^(?:.*\\\n)*.+$", re.MULTILINE)

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
        left_out = ("TILTYARD_", "MLFLOW_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        path = f"{programs.absolute()}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**kept, "PATH": path, "COLUMNS": WIDTH, "USER": "ann", "LOGNAME": "ann"}
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
    """Write the page again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="folder of python and tiltyard, from the wheel")
    parser.add_argument("--port", type=int, default=8000, help="a free port for the server")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / NAME
        folder.mkdir()
        terminal = Terminal(folder, given.programs, given.port)
        try:
            text = write_outputs(PAGE.read_text("utf-8"), terminal.run)
        finally:
            terminal.close()
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
