"""The documentation matches the code."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from pathlib import Path

import click
import pytest

import tiltyard
from tests import fork_server
from tiltyard.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
LINK = r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)"


@pytest.mark.requirement("R-DOC-02")
def test_the_reference_pages_match_the_code() -> None:
    """The reference lists commands, names, routes, keys, settings and errors as they are (`docs/generate.py`)."""
    done = fork_server.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_in_the_readme_exists() -> None:
    """A reader can run every command that the README shows."""
    named = set(re.findall(r"(?:^|`)tiltyard ([a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert named
    assert named <= set(COMMANDS), named - set(COMMANDS)


def test_the_readme_names_every_command() -> None:
    """A reader of the README learns every command of the program."""
    text = (ROOT / "README.md").read_text("utf-8").replace("```", "")
    shown = " ".join(re.findall(r"`([^`\n]+)`", text))
    missing = [name for name in COMMANDS if not re.search(rf"(?<![\w-]){name}(?![\w-])", shown)]
    assert not missing


@pytest.mark.requirement("R-DOC-02")
def test_every_link_between_pages_leads_to_a_file_and_a_heading() -> None:
    """Relative links in Markdown pages name existing files, and existing headings in them."""
    for page in PAGES:
        for target, heading in re.findall(LINK, page.read_text("utf-8")):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.relative_to(ROOT)} links to {target}"
            assert not heading or heading in headings(file), f"{page.relative_to(ROOT)} links to {target}#{heading}"


@pytest.mark.requirement("R-DOC-02")
def test_every_guide_is_in_the_table_of_guides() -> None:
    """A reader finds each page of docs/ in docs/README.md, and each record in docs/adr/README.md."""
    for folder in (ROOT / "docs", ROOT / "docs" / "adr"):
        listed = {target for target, _ in re.findall(LINK, (folder / "README.md").read_text("utf-8"))}
        assert {page.name for page in folder.glob("*.md")} - {"README.md"} <= listed


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    """A reader of the site finds each page of docs/ in its navigation; decisions are listed on their own page."""
    navigation = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    listed = set(re.findall(r"[\w/.-]+\.md", json.dumps(navigation)))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert listed == {page for page in pages if not page.startswith("adr/0")}


def test_the_page_of_the_public_api_names_all_public_names() -> None:
    """What the package exports is what the page promises."""
    named = set(
        re.findall(r"`(\w+)`", (ROOT / "docs" / "public-api.md").read_text("utf-8").split("## Command line")[0])
    )
    assert set(tiltyard.__all__) <= named


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "import" in page.read_text("utf-8")], ids=lambda page: page.stem
)
def test_every_import_on_a_page_works(page: Path) -> None:
    """A reader can copy an import of the package from a page."""
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for module, names in re.findall(r"^from (tiltyard[\w.]*) import (.+)$", block, re.MULTILINE):
            for name in re.split(r",\s*", names):
                assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "tiltyard " in page.read_text("utf-8")], ids=lambda page: page.stem
)
def test_every_command_line_on_a_page_is_accepted(page: Path) -> None:
    """A reader can type every command that a page shows: commands, their groups and their options exist."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"```(?:sh|bash|yaml)\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*lines, *(span.replace("\n", " ") for span in spans)]:
        for words in re.findall(r"(?:^|\s)tiltyard ((?:[a-z][\w-]*)(?:\s[^#;&|<]*)?)", line):
            wrong = find_unknown_words(words.split())
            assert not wrong, f"{page.relative_to(ROOT)}: tiltyard {words}: {wrong}"


def find_unknown_words(words: list[str]) -> list[str]:
    """Those of a command's words that are neither a command, nor a command of its group, nor an option of it."""
    if words[0] not in COMMANDS:
        return words[:1]
    module, name = COMMANDS[words[0]][0].split(":")
    command = getattr(importlib.import_module(module), name)
    if isinstance(command, click.Group):
        if len(words) == 1:
            return []
        if words[1] not in command.commands:
            return words[1:2]
        command = command.commands[words[1]]
        if isinstance(command, click.Group):
            if len(words) > 2 and words[2] not in command.commands:
                return words[2:3]
            command = command.commands[words[2]] if len(words) > 2 else command
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known.add("--help")
    given = [re.sub(r"[=\]).,].*", "", word.lstrip("[")) for word in words if word.lstrip("[").startswith("--")]
    return [option for option in given if option not in known]


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; empty for files that are not pages."""
    if page.suffix != ".md":
        return set()
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
