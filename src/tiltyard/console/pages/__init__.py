"""The pages, in the order of the menu; some have an address for each subject, and no entry there."""

from tiltyard.console.layout.page import Page, PageData
from tiltyard.console.pages.batches import batches_page
from tiltyard.console.pages.columns import columns_page
from tiltyard.console.pages.comparison import comparison_page
from tiltyard.console.pages.decisions import decisions_page
from tiltyard.console.pages.evaluation import evaluation_page
from tiltyard.console.pages.experiments import experiments_page
from tiltyard.console.pages.incident import incident_page
from tiltyard.console.pages.incidents import incidents_page
from tiltyard.console.pages.labelling import labelling_page
from tiltyard.console.pages.monitoring import monitoring_page
from tiltyard.console.pages.overview import overview_page
from tiltyard.console.pages.prediction import prediction_page
from tiltyard.console.pages.predictions import predictions_page
from tiltyard.console.pages.try_it import trial_page
from tiltyard.console.pages.version import version_page
from tiltyard.console.pages.versions import versions_page

__all__ = ["all_pages"]


def all_pages(data: PageData) -> tuple[Page, ...]:
    """The pages over a project's registry and ledger; the first one is the console's start."""
    return (
        overview_page(data),
        incidents_page(data),
        incident_page(data),
        versions_page(data),
        version_page(data),
        comparison_page(data),
        evaluation_page(data),
        monitoring_page(data),
        columns_page(data),
        predictions_page(data),
        prediction_page(data),
        labelling_page(data),
        batches_page(data),
        experiments_page(data),
        decisions_page(data),
        trial_page(data),
    )
