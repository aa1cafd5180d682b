"""The documentation says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tiltyard.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]


def test_the_reference_of_the_project_file_is_up_to_date() -> None:
    """Run `python docs/generate.py` after a key has changed."""
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


def test_every_command_that_the_readme_names_exists() -> None:
    """A reader can type what the README shows."""
    named = set(re.findall(r"(?:^|`)tiltyard ([a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert named
    assert named <= set(COMMANDS), named - set(COMMANDS)


def test_the_readme_names_every_command() -> None:
    """Whatever the program can do, a reader of the README learns of."""
    text = (ROOT / "README.md").read_text("utf-8").replace("```", "")
    shown = " ".join(re.findall(r"`([^`\n]+)`", text))
    missing = [name for name in COMMANDS if not re.search(rf"(?<![\w-]){name}(?![\w-])", shown)]
    assert not missing


def test_every_link_between_pages_leads_somewhere() -> None:
    """Relative links in Markdown pages name files that are there."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
