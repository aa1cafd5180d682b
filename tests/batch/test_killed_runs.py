"""The command is killed at any moment and started again: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests import fork_server
from tests.batch.conftest import Shop, make_rows
from tiltyard.batch.run import RunOptions
from tiltyard.ledger.batch_runs import BATCH


def start(shop: Shop, source: Path, target: Path) -> subprocess.Popen[str]:
    """The command over a table, with two processes that score."""
    words = ["score", str(source), "--to", str(target), "--columns", "customer", "--record", "all", "--workers", "2"]
    environment = {
        "TILTYARD_HOME": str(shop.settings.home),
        "TILTYARD_LEDGER": str(shop.settings.ledger),
        "MLFLOW_TRACKING_URI": str(shop.settings.mlflow_tracking_uri),
    }
    return fork_server.popen(
        [sys.executable, "-m", "tiltyard", *words, "--project", str(shop.env.films.root)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.journey
def test_a_killed_run_is_finished_by_the_next_one(shop: Shop, tmp_path: Path) -> None:
    """Killed after some fragments, with all its processes in the middle of others, it continues where it was."""
    frame = make_rows(12_000, 50)
    source = shop.write("in.parquet", frame)
    shop.score(source, "whole.parquet", columns=("customer",), record="none")
    target = tmp_path / "out.parquet"
    done = target.parent / ".out.parquet.tiltyard" / "done"
    for least in (2, 7):
        with start(shop, source, target) as process:
            try:
                while len(list(done.glob("*.json"))) < least:
                    assert process.poll() is None, process.communicate()[0]
                    time.sleep(0.01)
            finally:
                process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not target.exists()
    with start(shop, source, target) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert re.search(r"\d+ fragments? done before", output), output
    found = pd.read_parquet(target)
    whole = pd.read_parquet(shop.folder / "whole.parquet")
    same = ["customer", "prediction", "confidence"]
    pd.testing.assert_frame_equal(found[same], whole[same], check_exact=True)
    assert found["prediction_id"].is_unique
    recorded = [one.id for one in shop.ledger.predictions(project="shop-classifier", route=BATCH)]
    assert sorted(recorded) == sorted(found["prediction_id"])


def test_several_processes_give_what_one_gives(shop: Shop) -> None:
    """Results, counts, profile and findings do not depend on how many processes scored."""
    source = shop.write("in.parquet", make_rows(5000, 51))
    one = shop.score(source, "one.parquet", columns=("customer",), record="none")
    two = shop.score(source, "two.parquet", columns=("customer",), record="none", options=RunOptions(workers=2))
    same = ["customer", "prediction", "confidence"]
    pd.testing.assert_frame_equal(
        pd.read_parquet(shop.folder / "one.parquet")[same],
        pd.read_parquet(shop.folder / "two.parquet")[same],
        check_exact=True,
    )
    assert (one.rows, one.labels, one.unusual) == (two.rows, two.labels, two.unusual)
    drift = [[found for found in run.findings if found.code.startswith("drift")] for run in (one, two)]
    assert drift[0] == drift[1]
