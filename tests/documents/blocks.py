"""The code blocks of the five documents, and how their commands are run here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
BLOCKS: dict[str, dict[str, str]] = {
    block["id"]: block for block in json.loads((HERE / "blocks.json").read_text("utf-8"))
}
# How the documents call their program; what follows is the same for ours.
PROGRAM = "docker compose exec training uv run python -m pipelines.cli "
ADDRESS = re.compile(r"http://localhost:\d+")


def read_commands(block: str) -> list[str]:
    """The commands of a block, one a line, without comments."""
    joined = re.sub(r"\\\n\s*", "", BLOCKS[block]["text"])
    return [line for line in map(str.strip, joined.splitlines()) if line and not line.startswith("#")]


def read_words(command: str) -> list[str]:
    """The words that a command of the documents gives to its program."""
    assert command.startswith(PROGRAM), command
    return command.removeprefix(PROGRAM).split()


def read_expected(block: str) -> list[dict[str, Any]]:
    """The responses that a block says to expect, without what an ellipsis stands for."""
    found = re.findall(r"# (?:Expected|Response): (\{.*\})", BLOCKS[block]["text"])
    return [json.loads(text.replace(",...}", "}")) for text in found]


def run_curls(block: str, address: str) -> list[Any]:
    """Run the curls of a block by a shell, with a server's own address for the documents', and read their responses."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    responses = []
    for command in read_commands(block):
        assert command.startswith("curl "), command
        done = subprocess.run(
            ["sh", "-c", ADDRESS.sub(address, command)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        responses.append(json.loads(done.stdout))
    return responses
