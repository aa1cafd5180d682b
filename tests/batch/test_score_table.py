"""A table is scored whole: each row once, recorded, evaluated, and resumable."""

from __future__ import annotations

import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.batch.conftest import Shop, make_rows
from tiltyard.batch.from_python import ScoreOptions
from tiltyard.batch.run import ProgressSoFar, RunOptions
from tiltyard.errors import DataError, InputError, NotFoundError, UsageError
from tiltyard.ledger import Label
from tiltyard.ledger.batch_runs import BATCH
from tiltyard.scoring import make_scorer


def read_alone(shop: Shop, frame: pd.DataFrame) -> list[list[float]]:
    """What the champion says of each row by itself."""
    info = shop.env.workspace.registry.get_version("shop-classifier", alias="champion")
    scorer = make_scorer(shop.env.workspace.load(info))
    cells = frame[["amount", "plan", "new"]].astype(object).where(frame[["amount", "plan", "new"]].notna(), None)
    rows = [{str(name): cell for name, cell in row.items()} for row in cells.to_dict("records")]
    found: list[list[float]] = scorer.score(rows).probabilities.tolist()
    return found


def test_every_row_is_scored_as_it_would_be_alone(shop: Shop) -> None:
    """The result has each row of the source once, in order, with what the version says of it, and ids that rise."""
    frame = make_rows(3500, 2)
    source = shop.write("in.parquet", frame)
    result = shop.score(source, "out.parquet", columns=("customer", "plan"), probabilities=True, record="none")
    found = pd.read_parquet(shop.folder / "out.parquet")
    assert (result.rows, result.scored, result.refused, result.recorded) == (3500, 3500, 0, 0)
    assert found["customer"].tolist() == frame["customer"].tolist()
    assert found[["probability_no", "probability_yes"]].to_numpy().tolist() == read_alone(shop, frame)
    assert (found["confidence"] == found[["probability_no", "probability_yes"]].max(axis=1)).all()
    assert set(found["run_id"]) == {result.run_id}
    assert set(found["model_version"]) == {result.version}
    ids = found["prediction_id"].tolist()
    assert ids == sorted(set(ids))
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert result.labels == found["prediction"].value_counts().to_dict()
    manifest = json.loads((shop.folder / "out.parquet.run.json").read_text())
    assert manifest["run_id"] == result.run_id
    assert not (shop.folder / "out.parquet.refused.jsonl").exists()


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.jsonl"])
def test_a_result_holds_the_prediction_sets_that_are_requested(shop: Shop, name: str) -> None:
    """The column has the labels of each row's set as JSON, those that its probabilities and the version's scores give,
    in a result of any kind, whichever process scored it."""
    source = shop.write("in.parquet", make_rows(2500, 5))
    two = RunOptions(workers=2)
    shop.score(source, name, probabilities=True, record="none", confidence_level=0.8, options=two)
    read: dict[str, Any] = {
        ".parquet": pd.read_parquet,
        ".csv": pd.read_csv,
        ".jsonl": partial(pd.read_json, lines=True),
    }
    found = read[Path(name).suffix](shop.folder / name)
    info = shop.env.workspace.registry.get_version("shop-classifier", alias="champion")
    sets = shop.env.workspace.load(info).prediction_sets
    assert sets is not None
    shares = found[["probability_no", "probability_yes"]].to_numpy(dtype=float).tolist()
    rows = [dict(zip(("no", "yes"), row, strict=True)) for row in shares]
    assert [json.loads(cell) for cell in found["prediction_set"]] == sets.list_labels(rows, 0.8)
    assert {len(json.loads(cell)) for cell in found["prediction_set"]} == {1, 2}
    shop.score(source, f"without-{name}", record="none")
    assert "prediction_set" not in (shop.folder / f"without-{name}").read_bytes().decode("latin-1")


def test_sets_that_cannot_be_made_stop_a_run_before_it_scores(shop: Shop) -> None:
    """A confidence for which the version has too few held-out rows is an error that names the highest one."""
    source = shop.write("in.parquet", make_rows(50, 6))
    with pytest.raises(InputError, match="needs more held-out rows") as refused:
        shop.score(source, "out.parquet", confidence_level=0.99999)
    assert "Ask for at most" in str(refused.value.next_step)
    assert not (shop.folder / "out.parquet").exists()
    with pytest.raises(InputError, match="is not a number between 0 and 1"):
        ScoreOptions(confidence_level=95).make_job(shop.project, shop.settings, "in.parquet", "x.parquet", shop.folder)


class StoppedError(Exception):
    """The run is stopped from outside."""


def test_a_run_that_was_stopped_gives_the_same_bits(shop: Shop) -> None:
    """Stopped after any fragment and started again, it continues, and the result is that of an undisturbed run."""
    source = shop.write("in.parquet", make_rows(4000, 3))
    shop.score(source, "whole.parquet", columns=("customer",), record="all")
    whole = pd.read_parquet(shop.folder / "whole.parquet")
    before = shop.ledger.prediction_stats("shop-classifier").total

    def stop(after: int) -> RunOptions:
        seen = []

        def count(so_far: ProgressSoFar) -> None:
            seen.append(so_far)
            if len(seen) > after:
                raise StoppedError

        return RunOptions(workers=1, on_progress=count)

    for after in (0, 1, 2, 1):
        with pytest.raises(StoppedError):
            shop.score(source, "out.parquet", columns=("customer",), record="all", options=stop(after))
        assert not (shop.folder / "out.parquet").exists()
    result = shop.score(source, "out.parquet", columns=("customer",), record="all")
    assert result.resumed == 4
    found = pd.read_parquet(shop.folder / "out.parquet")
    same = ["customer", "prediction", "confidence", "model_version"]
    pd.testing.assert_frame_equal(found[same], whole[same], check_exact=True)
    assert found["prediction_id"].is_unique
    assert shop.ledger.prediction_stats("shop-classifier").total == before + 4000
    assert sum(one.rows for one in shop.ledger.batch_runs.fragments(result.run_id)) == 4000


def test_a_finished_run_is_not_done_again(shop: Shop) -> None:
    """Requested again, it says that it is finished; with other rows, or another result, it is a new run."""
    source = shop.write("in.parquet", make_rows(2000, 4))
    first = shop.score(source, "out.parquet")
    again = shop.score(source, "out.parquet")
    assert again.already
    assert again.run_id == first.run_id
    assert again.findings == first.findings
    (shop.folder / "out.parquet").unlink()
    restored = shop.score(source, "out.parquet")
    assert not restored.already
    assert restored.run_id != first.run_id
    shop.write("in.parquet", make_rows(2500, 5))
    changed = shop.score(source, "out.parquet")
    assert (changed.already, changed.rows) == (False, 2500)
    assert len(pd.read_parquet(shop.folder / "out.parquet")) == 2500


def test_a_source_that_changes_under_an_unfinished_run_is_refused(shop: Shop) -> None:
    """What is done belongs to the rows as they were: such a run is begun anew on request only."""
    source = shop.write("in.parquet", make_rows(2000, 6))

    def stop(so_far: ProgressSoFar) -> None:
        if so_far.rows:
            raise StoppedError

    with pytest.raises(StoppedError):
        shop.score(source, "out.parquet", options=RunOptions(workers=1, on_progress=stop))
    shop.write("in.parquet", make_rows(2100, 7))
    with pytest.raises(DataError, match="changed since run") as refused:
        shop.score(source, "out.parquet")
    assert "--restart" in refused.value.next_step
    with pytest.raises(UsageError, match="unfinished, and was requested otherwise"):
        shop.score(source, "out.parquet", record="all")
    assert shop.score(source, "out.parquet", options=RunOptions(workers=1, restart=True)).rows == 2100


def test_rows_that_cannot_be_scored_are_listed_with_their_reason(shop: Shop) -> None:
    """They go to a file next to the result, by their number in the source; a strict run stops and writes nothing."""
    frame = make_rows(2500, 8).astype({"amount": object})
    frame.loc[[1200, 2400], "amount"] = ["much", "more"]
    frame["amount"] = frame["amount"].map(lambda cell: None if cell != cell else str(cell))  # noqa: PLR0124
    source = shop.write("in.parquet", frame)
    with pytest.raises(
        DataError, match=r"Row 1201 of .*in\.parquet cannot be scored: 'amount' has to be a finite number"
    ):
        shop.score(source, "out.csv", strict=True)
    assert not (shop.folder / "out.csv").exists()
    result = shop.score(source, "out.csv", options=RunOptions(workers=1, restart=True))
    assert (result.scored, result.refused) == (2498, 2)
    described = [json.loads(line) for line in (shop.folder / "out.csv.refused.jsonl").read_text().splitlines()]
    assert [(one["row"], one["input"]["customer"]) for one in described] == [(1201, "c8-1200"), (2401, "c8-2400")]
    assert "finite number" in described[0]["reason"]
    assert [found.code for found in result.findings if found.code == "batch.refused"] == ["batch.refused"]


@pytest.mark.parametrize(("record", "least", "most"), [("all", 3000, 3000), ("sample", 150, 260), ("none", 0, 0)])
def test_predictions_are_recorded_as_the_project_says(shop: Shop, record: str, least: int, most: int) -> None:
    """All of them, a sample that is always the same of a run, or none; by the caller's own keys, for late labels."""
    frame = make_rows(3000, {"all": 10, "sample": 11, "none": 12}[record])
    result = shop.score(shop.write("in.parquet", frame), "out.parquet", record=record, sample=200)
    keys = set(frame["customer"])
    kept = [one for one in shop.ledger.predictions(project="shop-classifier", route=BATCH) if one.key in keys]
    assert least <= len(kept) <= most
    assert len(kept) == result.recorded
    if not kept:
        return
    found = pd.read_parquet(shop.folder / "out.parquet").set_index("prediction_id")
    by_key = frame.set_index("customer")
    for one in kept[:50]:
        assert found.loc[one.id, "prediction"] == one.label
        assert found.loc[one.id, "confidence"] == one.confidence
        amount = by_key["amount"][str(one.key)]
        assert one.input["amount"] == (None if np.isnan(amount) else amount)
    label = Label(kept[0].id, "yes", kept[0].at, "shop")
    assert shop.ledger.record_labels([label]).accepted == 1


def test_drift_of_a_run_is_found_recorded_and_alerted(shop: Shop) -> None:
    """The rows of a run are compared with the training's as a whole; what is found is in the ledger, and passes."""
    result = shop.score(shop.write("in.parquet", make_rows(3000, 20, shift=15)), "out.parquet")
    assert [found.code for found in result.alarms][:1] == ["drift.verdict"]
    run = shop.ledger.batch_runs.find(result.run_id)
    assert run is not None
    assert run.finished == result.finished
    assert run.evidence["alarms"][0]["code"] == "drift.verdict"
    (event,) = [one for one in shop.ledger.events(kind="batch-scored") if one.evidence["run"] == result.run_id]
    assert event.subject == f"shop-classifier/{result.version}"
    kinds = [one.kind for one in shop.ledger.events(subject="shop-classifier") if one.kind.startswith("alert")]
    assert kinds[-1] == "alert-raised"
    clean = shop.score(shop.write("in.parquet", make_rows(3000, 21)), "out.parquet")
    assert not clean.alarms
    kinds = [one.kind for one in shop.ledger.events(subject="shop-classifier") if one.kind.startswith("alert")]
    assert kinds[-1] == "alert-cleared"


def test_nothing_is_written_of_a_source_without_a_row(shop: Shop) -> None:
    """An empty source, one without a row that can be scored, and one without a column: each a clear end."""
    frame = make_rows(50, 22)
    with pytest.raises(DataError, match="holds no rows"):
        shop.score(shop.write("empty.parquet", frame.head(0)), "out.parquet")
    (shop.folder / "zero.csv").touch()
    with pytest.raises(DataError, match="is empty"):
        shop.score(shop.folder / "zero.csv", "out2.parquet")
    words = frame.assign(amount="words")
    with pytest.raises(DataError, match=r"No row of .* can be scored .*The first: row 1 of .*'amount'"):
        shop.score(shop.write("words.parquet", words), "out3.parquet")
    with pytest.raises(DataError, match="lacks 'amount'"):
        shop.score(shop.write("lacking.parquet", frame.drop(columns="amount")), "out4.parquet")
    with pytest.raises(UsageError, match="has no column 'shoe'"):
        shop.score(shop.write("some.parquet", frame), "out5.parquet", columns=("shoe",))
    assert [path.name for path in shop.folder.glob("out*")] == []


def test_two_runs_to_one_target_do_not_meet(shop: Shop) -> None:
    """While a run works, another to the same target is refused."""
    source = shop.write("in.parquet", make_rows(1000, 23))
    refused: list[str] = []

    def run_again(so_far: ProgressSoFar) -> None:
        if so_far.rows:
            with pytest.raises(UsageError, match="Another process scores to this target") as error:
                shop.score(source, "out.parquet")
            refused.append(error.value.code)

    shop.score(source, "out.parquet", options=RunOptions(workers=1, on_progress=run_again))
    assert refused == ["batch.busy"]


def test_a_named_version_scores_whoever_is_champion(shop: Shop, tmp_path: Path) -> None:
    """The version is that of the alias when the run begins, or the one that is named; an unknown one is reported."""
    source = shop.write("in.parquet", make_rows(1000, 24))
    named = shop.score(source, "out.parquet", version="1", alias=None)
    assert named.version == "1"
    with pytest.raises(NotFoundError, match="version 9"):
        shop.score(source, "other.parquet", version="9", alias=None)
    assert not (tmp_path / "other.parquet").exists()
