"""The pages, in the order of the menu."""

from tiltyard.console.pages.decisions import decisions_page
from tiltyard.console.pages.page import Instead, Page, Sources
from tiltyard.console.pages.predictions import predictions_page
from tiltyard.console.pages.versions import versions_page

__all__ = ["Instead", "Page", "Sources", "all_pages"]


def all_pages(sources: Sources) -> tuple[Page, ...]:
    """The pages over a project's registry and ledger; the first one is the console's start."""
    return versions_page(sources), predictions_page(sources), decisions_page(sources)
