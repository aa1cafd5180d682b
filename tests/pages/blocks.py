"""The fenced blocks of the documentation's pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/*.md")))
SHELL = ("sh", "bash", "console", "yaml")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"^(.*)<<'?(\w+)'?\n(.*?)^\2$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: its page, from the root of the repository.
        line: its first line on the page, counted from 1.
        language: as the fence says; "" for none.
        text: what is between the fences, without the indentation of the fence.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first(self) -> str:
        """Its first line: what names it where reasons are listed."""
        return self.text.splitlines()[0] if self.text else ""


def read_blocks() -> list[Block]:
    """All blocks of all pages, in their order."""
    return [block for page in PAGES for block in _read_page(page)]


def _read_page(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    found = list(_FENCE.finditer(text))
    # Every fence is read: one that this pattern does not know would never be checked.
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found), f"{page}: a fence is not understood"
    for fence in found:
        line = text.count("\n", 0, fence.start()) + 2
        name = page.relative_to(ROOT).as_posix()
        yield Block(name, line, fence["language"], textwrap.dedent(fence["text"]))


def split_commands(block: Block) -> list[list[str]]:
    """The simple commands of a block of shell, in order, each as its words without redirections and variables.

    A block of ``console`` holds commands after ``$ ``, and output; one of ``yaml`` holds a workflow, or steps of one.
    """
    text = block.text
    if block.language == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    elif block.language == "yaml":
        text = "\n".join(step["run"] for step in _list_steps(yaml.safe_load(text)) if "run" in step)
    text = _HEREDOC.sub(r"\1", text).replace("\\\n", " ")
    return [words for line in _join_quoted(text) for words in _split_line(line)]


def _list_steps(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    return [step for job in content.get("jobs", {}).values() for step in job["steps"]]


def _join_quoted(text: str) -> Iterator[str]:
    """Lines, each with those after it that belong to its quoted word."""
    line = ""
    for more in text.splitlines():
        line = f"{line}\n{more}" if line else more
        try:
            shlex.split(line, comments=True)
        except ValueError:
            continue
        yield line
        line = ""
    assert not line, f"a quotation is not closed: {line}"


def _split_line(line: str) -> Iterator[list[str]]:
    reader = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    reader.whitespace_split = True
    words: list[str] = []
    tokens = iter(reader)
    for token in tokens:
        if set(token) <= set("&|;"):
            yield from _without_variables(words)
            words = []
        elif set(token) <= set("<>"):
            next(tokens)
        else:
            words.append(token)
    yield from _without_variables(words)


def _without_variables(words: list[str]) -> Iterator[list[str]]:
    """The command without the variables that are set for it; nothing where variables are all there is."""
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if words:
        yield words
