"""Which worker of pytest runs which tests: a file at a time, and the files that take longest first.

What the tests of a file share is made once, where stolen halves of a file make it again in each worker. A file that
takes a minute and comes last would keep one worker busy alone. The list is of a run on two cores: where it is out of
date it costs time, and nothing else.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# By processor time and waiting together.
LONGEST = (
    "batch/test_ray.py",
    "journeys/test_number_story.py",
    "benchmarks/test_power_cuts.py",
    "deploy/test_check.py",
    "streams/",
    "journeys/test_batch_story.py",
    "pages/test_examples.py",
    "compat/test_states.py",
    "pipeline/test_prefect.py",
    "kernels/test_cache.py",
    "journeys/test_walking_loop.py",
    "journeys/test_up.py",
    "documents/test_sentiment.py",
    "journeys/test_announcement.py",
    "journeys/test_workers.py",
    "journeys/test_story.py",
    "drift/test_one_verdict.py",
    "benchmarks/test_batch_kills.py",
    "batch/test_schedules_in_loop.py",
    "batch/test_http_jobs.py",
    "models/test_tabular.py",
    "pipeline/test_regression.py",
    "pipeline/adoption/test_any_pipeline.py",
    "scoring/test_number_scorer.py",
    "journeys/test_serving_proofs.py",
    "batch/test_score_table.py",
    "journeys/test_cleared_state.py",
    "pipeline/test_boosters.py",
    "serving/test_dashboard.py",
    "cli/test_without_project.py",
    "journeys/test_erasure.py",
    "serving/test_http.py",
    "batch/test_targets.py",
    "cli/test_init_cases.py",
    "registry/test_mlflow_server.py",
    "console/test_sign_in.py",
    "journeys/",
    "pages/",
    "documents/",
)
TOGETHER = ("streams",)
"""Folders whose files share something dear, such as running brokers: one worker has them all."""


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker a file at a time, or a folder whose files belong together, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        return folder if folder in TOGETHER else nodeid.partition("::")[0]


def make_scheduler(config: pytest.Config, log: Any) -> WholeFiles:
    """The scheduler of a run, which keeps the order of the tests."""
    config.option.loadscopereorder = False
    return WholeFiles(config, log)


def put_longest_first(items: list[pytest.Item]) -> None:
    """Order the tests by where their files are in the list; all others follow as they were."""

    def find_place(item: pytest.Item) -> int:
        file = item.nodeid.partition("/")[2]
        return next((place for place, start in enumerate(LONGEST) if file.startswith(start)), len(LONGEST))

    items.sort(key=find_place)
