"""``tiltyard.score`` takes frames and sources, and gives a frame or the result of the run."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import tiltyard
from tests.batch.conftest import Shop, make_rows
from tiltyard.batch.results import ScoreResult
from tiltyard.errors import DataError, UsageError


def test_frames_of_any_library_come_back_scored(shop: Shop) -> None:
    """A frame of pandas and a table of Arrow give the same rows as a file, and say of which run they are."""
    frame = make_rows(300, 60)
    given: list[Any] = [frame, pa.Table.from_pandas(frame, preserve_index=False)]
    found = [
        tiltyard.score(one, project=shop.project, settings=shop.settings, columns=["customer"], record="none")
        for one in given
    ]
    result = tiltyard.score(
        shop.write("in.parquet", frame),
        shop.folder / "out.parquet",
        project=shop.env.films.root,
        settings=shop.settings,
        columns=["customer"],
        record="none",
    )
    assert isinstance(result, ScoreResult)
    expected = pd.read_parquet(shop.folder / "out.parquet")
    same = ["customer", "prediction", "confidence"]
    for one in found:
        pd.testing.assert_frame_equal(one[same], expected[same], check_exact=True)
        run = one.attrs["run"]
        assert isinstance(run, ScoreResult)
        assert (run.rows, run.scored) == (300, 300)
        assert (run.source, run.target) == ("A data frame", "A data frame")
    assert "300 of 300 scored" in repr(result)
    assert "<table>" in result._repr_html_()
    assert ScoreResult.from_dict(result.to_dict()) == result


def test_errors_about_a_frame_name_no_file(shop: Shop) -> None:
    """A frame without rows, or without a row that can be scored, was in no file of the caller's."""
    frame = make_rows(10, 62)
    for wrong, words in ((frame.iloc[:0], "A data frame holds no rows"), (frame.drop(columns="plan"), "lacks 'plan'")):
        with pytest.raises(DataError, match=words) as caught:
            tiltyard.score(wrong, project=shop.project, settings=shop.settings)
        assert ".parquet" not in caught.value.message


def test_an_option_that_is_not_known_is_named(shop: Shop) -> None:
    """With those that there are; options that contradict each other are refused."""
    frame = make_rows(10, 61)
    with pytest.raises(UsageError, match=r"no option 'keys'; it has .*key"):
        tiltyard.score(frame, project=shop.project, settings=shop.settings, keys="customer")
    with pytest.raises(UsageError, match="Both version and alias"):
        tiltyard.score(frame, project=shop.project, settings=shop.settings, version="1", alias="champion")
