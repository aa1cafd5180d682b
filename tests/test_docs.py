"""The documentation matches the code."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tiltyard
from tiltyard.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
LINK = r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)"


def test_the_page_of_the_project_file_matches_the_code() -> None:
    """The page lists every key as the code describes it; `python docs/generate.py` writes it."""
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


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


def test_every_link_between_pages_leads_to_a_file_and_a_heading() -> None:
    """Relative links in Markdown pages name existing files, and existing headings in them."""
    for page in PAGES:
        for target, heading in re.findall(LINK, page.read_text("utf-8")):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.relative_to(ROOT)} links to {target}"
            assert not heading or heading in headings(file), f"{page.relative_to(ROOT)} links to {target}#{heading}"


def test_every_guide_is_in_the_table_of_guides() -> None:
    """A reader finds each page of docs/ in docs/README.md, and each record in docs/adr/README.md."""
    for folder in (ROOT / "docs", ROOT / "docs" / "adr"):
        listed = {target for target, _ in re.findall(LINK, (folder / "README.md").read_text("utf-8"))}
        assert {page.name for page in folder.glob("*.md")} - {"README.md"} <= listed


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


def test_every_test_that_the_requirements_name_exists() -> None:
    """A reader of a ticked row can run its proof."""
    named = set(re.findall(r"`(tests/[^`:]+)(?:::(\w+))?`", (ROOT / "docs" / "requirements.md").read_text("utf-8")))
    assert named
    for file, test in named:
        assert (ROOT / file).exists(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text("utf-8"), test


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; empty for files that are not pages."""
    if page.suffix != ".md":
        return set()
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
