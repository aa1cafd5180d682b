"""The one table of rates on the page about evidence is what was measured."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from benchmarks.evidence_rates.page import BEGIN, END, TITLES, is_missed, write_table

from benchmarks import evidence

MEASURED = Path(evidence.__file__).with_name("evidence.json")


def row(**given: object) -> dict[str, object]:
    """A row of the file, with these fields."""
    known = {"topic": "chains", "name": "a|b", "promised": 0.05, "rate": 0.04, "low": 0.03, "high": 0.06, "runs": 1000}
    return {**known, "build": "now", "least": False, **given}


def test_the_page_shows_the_measured_rates() -> None:
    """The table on the page is the one that the kept figures give, of every topic."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    page = evidence.PAGE.read_text(encoding="utf-8")
    assert write_table(page, measured) == page
    assert set(measured["topics"]) <= set(evidence.TOPICS)
    assert set(TITLES) == set(evidence.TOPICS)
    assert all({"name", "promised", "rate", "low", "high", "runs", "scale"} <= set(one) for one in measured["rows"])
    assert all(one["scale"] == measured["topics"][one["topic"]]["scale"] for one in measured["rows"])
    assert {one["topic"] for one in measured["rows"]} == set(measured["topics"])


def test_a_row_has_both_builds_and_says_what_is_missed() -> None:
    """Rates of one name share a line; one whose interval is beyond the promise is marked."""
    rows = [
        row(build="before", rate=0.9),
        row(rate=0.2, low=0.1, high=0.3),
        row(name="c", promised=None, build="before"),
    ]
    page = write_table(
        f"top\n{BEGIN}\nold\n{END}\nend\n", {"topics": {"chains": {"scale": 0.5, "date": "2026-11-30"}}, "rows": rows}
    )
    assert "(scale 0.5, 2026-11-30)" in page
    assert "| a\\|b | ≤ 0.05 | 0.200 (missed) | 0.100 to 0.300 | 1,000 | 0.900 |" in page
    assert "| c | | | | 1,000 | 0.040 |" in page
    assert "old" not in page
    assert page.startswith("top\n")
    assert page.endswith("end\n")
    with pytest.raises(ValueError, match="no '<!--"):
        write_table("no marks", {"topics": {}, "rows": []})


@pytest.mark.parametrize(
    ("given", "missed"),
    [
        ({"low": 0.051}, True),
        ({"low": 0.049}, False),
        ({"promised": 0.8, "least": True, "high": 0.79}, True),
        ({"promised": 0.4, "least": True, "low": 0.41, "high": 0.5}, False),
        ({"promised": None, "low": 0.5}, False),
    ],
)
def test_a_promise_is_missed_where_the_interval_is_beyond_it(given: dict[str, object], missed: bool) -> None:
    """A greatest rate is missed from above, a least rate from below, and what is not promised never."""
    assert is_missed(row(**given)) is missed


def test_a_scale_is_of_all_topics_or_of_one() -> None:
    """``0.1`` is of every topic, ``groups=1`` of one; other topics and numbers are refused."""
    assert evidence._read_scale("0.1") == ("", 0.1)
    assert evidence._read_scale("groups=1") == ("groups", 1.0)
    for wrong in ("grops=1", "none", "0", "groups=-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            evidence._read_scale(wrong)


def test_figures_are_written_after_each_topic(tmp_path: Path) -> None:
    """The file has the rows of the topic with its scale and what it took."""
    file = tmp_path / "evidence.json"
    evidence.main(["--topic", "labels", "--scale", "0.001", "--json", str(file)])
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["topics"]["labels"]["scale"] == 0.001
    assert written["topics"]["labels"]["processor_seconds"] > 0
    assert {one["topic"] for one in written["rows"]} == {"labels"}
    assert all(0 <= one["low"] <= one["rate"] <= one["high"] <= 1 for one in written["rows"])


def test_topics_that_are_not_measured_keep_their_figures(tmp_path: Path) -> None:
    """With ``--keep`` a topic takes the place of its earlier figures alone; without it the file has this run alone."""
    file = tmp_path / "evidence.json"
    kept = {"rows": [row(scale=0.5), row(topic="labels", scale=0.5)]}
    topics = {name: {"scale": 0.5, "date": "2026-11-30"} for name in ("chains", "labels")}
    file.write_text(json.dumps({**kept, "topics": topics}), encoding="utf-8")
    evidence.main(["--topic", "labels", "--scale", "0.001", "--json", str(file), "--keep"])
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["rows"][0] == row(scale=0.5)
    assert [one["scale"] for one in written["topics"].values()] == [0.5, 0.001]
    assert {one["scale"] for one in written["rows"] if one["topic"] == "labels"} == {0.001}
    evidence.main(["--topic", "labels", "--scale", "0.001", "--json", str(file)])
    assert set(json.loads(file.read_text(encoding="utf-8"))["topics"]) == {"labels"}
