"""The pages, in the order of the menu; some have an address for each subject, and no entry there."""

from tiltyard.console.pages.batches import batches_page
from tiltyard.console.pages.decisions import decisions_page
from tiltyard.console.pages.evaluation import evaluation_page
from tiltyard.console.pages.experiments import experiments_page
from tiltyard.console.pages.monitoring import monitoring_page
from tiltyard.console.pages.page import Page, PageAddresses, PageData, Placeholder
from tiltyard.console.pages.prediction import prediction_page
from tiltyard.console.pages.predictions import predictions_page
from tiltyard.console.pages.try_it import trial_page
from tiltyard.console.pages.version import version_page
from tiltyard.console.pages.versions import versions_page

__all__ = ["Page", "PageAddresses", "PageData", "Placeholder", "all_pages"]


def all_pages(data: PageData) -> tuple[Page, ...]:
    """The pages over a project's registry and ledger; the first one is the console's start."""
    return (
        versions_page(data),
        version_page(data),
        evaluation_page(data),
        monitoring_page(data),
        predictions_page(data),
        prediction_page(data),
        batches_page(data),
        experiments_page(data),
        decisions_page(data),
        trial_page(data),
    )
