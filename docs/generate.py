"""Write the pages that follow from the code (``python docs/generate.py``); ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from generating.command_line import render_command_line
from generating.errors import render_errors
from generating.http_api import render_console_api, render_http
from generating.project_file import render_project_file
from generating.python_api import render_python
from generating.requirements import render_requirements
from generating.settings import render_settings

DOCS = Path(__file__).parent
PAGES = {
    "project-file.md": render_project_file,
    "requirements.md": render_requirements,
    "reference/command-line.md": render_command_line,
    "reference/python.md": render_python,
    "reference/settings.md": render_settings,
    "reference/errors.md": render_errors,
    "reference/http.md": render_http,
    "reference/console-api.md": render_console_api,
}


def main() -> int:
    """Write the pages, or name those that are not up to date."""
    wanted = {DOCS / name: render() for name, render in PAGES.items()}
    old = [page for page, text in wanted.items() if not page.exists() or page.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for page in old:
            print(f"{page.relative_to(DOCS.parent)} is not up to date: run python docs/generate.py", file=sys.stderr)
        return int(bool(old))
    for page in old:
        page.write_text(wanted[page], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
