"""A search that several processes share: together they try what one would, each trial once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.corpus import dataset, texts
from tests.postgres import PostgresServer
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.models import SearchBudget, SelectionPlan, select_candidates
from tiltyard.models.selection import shared_search
from tiltyard.models.selection.shared_search import SharedSearch, search_together

pytest.importorskip("optuna", reason="needs Optuna: pip install 'tiltyard[search]'")

NAMES = ("tfidf-naive-bayes", "tfidf-logreg")
PLAN = SelectionPlan("log_loss", 3, 7)
TRIALS = 14

HELPER = """
import json, sys
from tests.models.test_shared_search import seek
print(json.dumps(seek(sys.argv[1], helps=True)))
"""


def seek(url: str, *, helps: bool = False, trials: int = TRIALS, rows: int = 60) -> list[list[object]]:
    """Number, candidate, parameters and scores of the trials."""
    candidates = select_candidates(NAMES, "text-classification")
    shared = SharedSearch(url, "topics", helps)
    found = search_together(candidates, dataset(*texts(rows)), PLAN, SearchBudget(trials), shared)
    return [[one.number, one.candidate.name, dict(one.params), list(one.scores)] for one in found.trials]


def help_with(url: str) -> subprocess.Popen[str]:
    """Another process that joins."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", HELPER, url], env=environment, stdout=subprocess.PIPE, text=True)


def check_together(url: str) -> None:
    """Two processes, of which one helps, make as many trials as one, and know of each other's."""
    with help_with(url) as helper:
        trials = seek(url)
        output, _ = helper.communicate()
    assert helper.returncode == 0
    helped = json.loads(output)
    assert [trial[0] for trial in trials] == list(range(TRIALS))
    assert [trial[1:3] for trial in trials[:2]] == [[name, {}] for name in NAMES]
    assert all(trial in json.loads(json.dumps(trials)) for trial in helped)
    assert all(len(trial[3]) == 3 for trial in trials)  # type: ignore[arg-type]
    # All of it is known, so who comes later tries nothing, and has the same result.
    assert seek(url, helps=True) == []
    assert json.loads(json.dumps(seek(url))) == json.loads(json.dumps(trials))


@pytest.mark.journey
def test_two_processes_share_a_search_in_a_file(tmp_path: Path) -> None:
    """Through an SQLite file of one machine."""
    check_together(f"sqlite:///{tmp_path / 'search.db'}")


@pytest.mark.journey
def test_two_processes_share_a_search_in_postgresql(postgres: PostgresServer) -> None:
    """Through a PostgreSQL server, as several machines do."""
    check_together(postgres.database())


def test_searches_of_other_rows_do_not_meet(tmp_path: Path) -> None:
    """Other rows lead to another study in the same database."""
    url = f"sqlite:///{tmp_path / 'search.db'}"
    first = seek(url, trials=3)
    other = seek(url, trials=3, rows=63)
    assert [trial[0] for trial in first] == [trial[0] for trial in other] == [0, 1, 2]
    assert first[0] != other[0]


def test_a_trial_whose_machine_is_lost_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that took a trial and died is waited for only as long as it might be alive."""
    optuna = pytest.importorskip("optuna")
    url = f"sqlite:///{tmp_path / 'search.db'}"
    assert len(seek(url, trials=3)) == 3
    (name,) = optuna.get_all_study_names(url)
    optuna.load_study(study_name=name, storage=url).ask()
    monkeypatch.setattr(shared_search, "LOST_SECONDS", 1.0)
    trials = seek(url, trials=5)
    # Trial 3 was lost before it had chosen anything.
    assert [trial[0] for trial in trials] == [0, 1, 2, 4]
    assert all(len(trial[3]) == 3 for trial in trials)  # type: ignore[arg-type]


def test_what_stands_in_the_way_is_named_without_a_password(tmp_path: Path) -> None:
    """A database that is away, a URL that is none, and a search without a number of trials."""
    with pytest.raises(UnavailableError, match=r"The search's database .*@127\.0\.0\.1:9/none cannot be used") as away:
        seek("postgresql://user:hush@127.0.0.1:9/none")
    assert "hush" not in away.value.message
    with pytest.raises(UsageError, match="not the URL of a database"):
        seek("nonsense")
    candidates = select_candidates(NAMES, "text-classification")
    shared = SharedSearch(f"sqlite:///{tmp_path / 'search.db'}", "topics")
    with pytest.raises(UsageError, match="needs a number of trials"):
        search_together(candidates, dataset(*texts(60)), PLAN, SearchBudget(seconds=1.0), shared)
