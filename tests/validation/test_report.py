"""What validation returns, and how it is rendered."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from pydantic import ValidationError

from tiltyard.errors import NotFoundError, UsageError
from tiltyard.findings import SEVERITIES
from tiltyard.formatting import format_number, format_percent, quote_excerpt
from tiltyard.project import Project
from tiltyard.validation import DataValidator, ValidationSection, render_validation_html, rows_for_table
from tiltyard.validation.score import PARTS

RANDOM = np.random.default_rng(3)
TEXTS = [f"Sentence {place} tells of a day that was {'fine' if place % 3 else 'poor'}." for place in range(120)]


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": np.where(np.arange(120) < 12, np.nan, RANDOM.normal(size=120)),
            "word": ["a", "b", "?"] * 40,
            "note": TEXTS,
            "label": ["yes", "no", "no", "yes", "no"] * 24,
        }
    )


def test_the_report_reads_as_the_dictionary_that_is_documented() -> None:
    """The keys of the documents are there, and each holds its measures."""
    results = DataValidator().validate_dataset(frame(), "train_data")
    for key in ("missing_data", "data_types", "duplicates", "outliers", "class_balance", "distributions", "text"):
        assert key in results
        assert results[key] == dict(results)[key]
    assert results["missing_data"]["columns"]["number"]["missing"] == 12
    assert results["quality_score"] == results.quality_score
    assert len(list(results)) == len(results)
    with pytest.raises(KeyError):
        results["nonsense"]


@pytest.mark.requirement("R-DATA-08")
def test_the_score_is_the_product_of_its_parts() -> None:
    """The score is 100 times the product of parts that are each explained and from 0 to 1."""
    validator = DataValidator()
    report = validator.validate_dataset(frame(), "train_data")
    assert set(report.score_parts) <= set(PARTS)
    assert all(0 <= part <= 1 for part in report.score_parts.values())
    assert report.quality_score == pytest.approx(100 * math.prod(report.score_parts.values()), abs=0.01)
    assert validator.get_data_quality_score("train_data") == report.quality_score
    # 12 gaps and 40 stand-ins in the 240 cells of number and word; the note is a feature too.
    assert report.score_parts["completeness"] == pytest.approx(1 - 52 / 360)


@pytest.mark.requirement("R-DATA-08")
def test_worse_data_scores_lower() -> None:
    """Each flaw that is put in lowers the score."""
    good = frame().assign(word=["a", "b", "c"] * 40, number=RANDOM.normal(size=120))
    base = DataValidator().validate_dataset(good).quality_score
    repeated = pd.concat([good, good[:60]], ignore_index=True)
    for worse in (
        good.assign(number=good.number.where(good.index > 30)),
        good.assign(word="same"),
        good.assign(label=["yes"] * 119 + ["no"]),
        good.assign(note=["#!?"] * 30 + TEXTS[30:]),
        good.assign(label=good.label.where(good.index > 30)),
        repeated,
    ):
        assert DataValidator().validate_dataset(worse).quality_score < base - 1


def test_a_report_is_remembered_by_name() -> None:
    """The score of a name that was not validated is refused, with the nearest name."""
    validator = DataValidator()
    validator.validate_dataset(frame(), "train_data")
    assert validator.report("train_data").name == "train_data"
    with pytest.raises(NotFoundError, match="Did you mean 'train_data'"):
        validator.get_data_quality_score("train-data")


def test_other_limits_apply_to_the_same_measures() -> None:
    """`passed` with other limits is what validating with these limits would say."""
    report = DataValidator().validate_dataset(frame())
    assert report.passes()
    strict = ValidationSection(max_missing=0.05)
    assert not report.passes(strict)
    assert report.with_limits(strict).findings == DataValidator(limits=strict).validate_dataset(frame()).findings
    assert not report.passes(ValidationSection(fail_on="warning"))
    assert report.passes(ValidationSection(max_missing=0.05, fail_on="never"))


def test_ignored_findings_are_left_out() -> None:
    """A finding is ignored by code, or by code for one column, and nothing else is."""
    every = {finding.code for finding in DataValidator().validate_dataset(frame()).findings}
    assert "data.stand-in" in every
    for pattern in ("data.stand-in", "data.stand-in:word"):
        report = DataValidator(limits=ValidationSection(ignore=(pattern,))).validate_dataset(frame())
        assert {finding.code for finding in report.findings} == every - {"data.stand-in"}
    kept = DataValidator(limits=ValidationSection(ignore=("data.stand-in:number",))).validate_dataset(frame())
    assert {finding.code for finding in kept.findings} == every


def test_limits_are_closed_and_described() -> None:
    """A limit that does not exist, or a share above 1, is refused; every limit has a description."""
    with pytest.raises(ValidationError):
        ValidationSection.model_validate({"max_mising": 0.1})
    with pytest.raises(ValidationError):
        ValidationSection(max_missing=1.5)
    assert all(field.description for field in ValidationSection.model_fields.values())


def test_only_a_table_is_a_dataset() -> None:
    """Anything but a table is refused with what to pass."""
    with pytest.raises(UsageError, match="df is not a table") as caught:
        DataValidator().validate_dataset([1, 2])
    assert "polars data frame" in caught.value.next_step


def test_the_project_says_what_the_columns_are() -> None:
    """With a text project, its label and text are taken, and its longest text is the limit."""
    project = Project.model_validate(
        {
            "project": {"name": "p", "task": "text-classification"},
            "data": {"source": "x.csv", "label": "label", "text": "note"},
            "serving": {"max_text": 40},
        }
    )
    report = DataValidator(project).validate_dataset(frame())
    roles = {name: facts["role"] for name, facts in report["data_types"]["columns"].items()}
    assert roles == {"number": "other", "word": "other", "note": "text", "label": "label"}
    assert "text.long" in {finding.code for finding in report.findings}


def test_findings_come_gravest_first() -> None:
    """Errors stand before warnings, warnings before the rest, in findings and table alike."""
    bad = frame().assign(empty=None, label=["yes"] * 119 + ["no"])
    report = DataValidator().validate_dataset(bad)
    order = [SEVERITIES.index(finding.severity) for finding in report.findings]
    assert order == sorted(order, reverse=True)
    rows = rows_for_table(report)
    assert [row[1] for row in rows] == [finding.code for finding in report.findings]
    assert rows[0][0] == "error"


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def test_the_page_stands_alone_and_is_accessible() -> None:
    """The page loads nothing, runs nothing, names its language, and every plot has a name."""
    html = render_validation_html(DataValidator().validate_dataset(frame(), "train_data"))
    page = read(html)
    assert not re.search(r"https?://|url\(|@import", html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    assert ("html", {"lang": "en"}) in page.tags
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(plots) >= 4
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    assert "prefers-color-scheme: dark" in html


def test_the_page_says_what_the_report_says() -> None:
    """Score, every part, every finding and every column are on the page; the split's findings too."""
    validator = DataValidator()
    report = validator.validate_dataset(frame(), "train_data")
    split = validator.validate_train_test_split(TEXTS, TEXTS[:40], ["a", "b"] * 60, ["a", "b"] * 20)
    words = read(render_validation_html(report, split)).words
    assert f"{report.quality_score:.1f}" in words
    for finding in (*report.findings, *split.findings):
        assert finding.message in words
    for name in (*report.score_parts, *frame().columns):
        assert name in words
    assert "breaks a limit" in words
    assert "within its limits" in read(render_validation_html(report)).words


NASTY = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "\ud800", "a\x00b", "'"]
)


@given(NASTY, NASTY, NASTY)
@settings(max_examples=40, deadline=None)
def test_nothing_in_the_data_becomes_markup(name: str, value: str, label: str) -> None:
    """Names and values of data, whatever they are, are shown as text: the page's elements are the same."""
    data = pd.DataFrame(
        {0: pd.Series([value, "x"] * 20, dtype=object), "label": pd.Series([label, "y"] * 20, dtype=object)}
    )
    data.columns = pd.Index([name, "label"], dtype=object)
    report = DataValidator().validate_dataset(data, name or "data")
    html = render_validation_html(report)
    html.encode("utf-8")
    json.dumps(report.to_dict(), allow_nan=False)
    assert {tag for tag, _ in read(html).tags} <= _usual_elements()
    assert not any(key.startswith("on") for _, attributes in read(html).tags for key in attributes)


@cache
def _usual_elements() -> frozenset[str]:
    page = render_validation_html(DataValidator().validate_dataset(frame()))
    return frozenset(re.findall(r"<([a-z0-9]+)", page))


def test_the_page_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that renders a second report compiles nothing again, which would take longer than all else."""
    report = DataValidator().validate_dataset(pd.DataFrame({"a": [1.0, 2.0]}))
    render_validation_html(report)
    monkeypatch.setattr(Environment, "compile", lambda *_: pytest.fail("compiled again"))
    assert render_validation_html(report)


def test_an_empty_report_can_be_shown() -> None:
    """A frame without rows or columns has a page too."""
    for empty in (pd.DataFrame(), pd.DataFrame({"a": []})):
        assert "0 rows" in read(render_validation_html(DataValidator().validate_dataset(empty))).words


@given(st.floats(0, 1))
def test_a_percentage_never_rounds_to_none_or_all(share: float) -> None:
    """Only nothing is 0% and only all is 100%, but for what is within a hundredth of a percent of it."""
    says = format_percent(share)
    assert (says == "0%") == (share == 0)
    if says == "100%":
        assert share > 0.9999


def test_values_are_shown_on_one_line() -> None:
    """Excerpts are short, quoted, and hold no control characters; figures have four digits."""
    assert quote_excerpt("a\nb\x00" + "c" * 99, 10) == "'a\\nb\\x00cccc…'".replace("cccc…", "ccccc…")
    assert (format_number(3.0), format_number(0.12345), format_number(12345.678), format_number(1e20)) == (
        "3",
        "0.1235",
        "12,346",
        "1e+20",
    )
