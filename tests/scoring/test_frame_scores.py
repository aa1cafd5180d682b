"""A frame is scored as its rows are one by one: the same predictions to the bit, and the same rows refused."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tests.scoring.conftest import COLUMNS
from tests.scoring.conftest import table as plain_table
from tests.scoring.test_table_scorer import TOWNS, UNHURRIED, rows, table
from tiltyard.data.conform.frames import infer_schema
from tiltyard.errors import DataError, InputError
from tiltyard.models.recipes.tabular import TABULAR
from tiltyard.scoring import (
    FrameScorer,
    FrameScores,
    Scorer,
    SklearnScorer,
    UnknownPolicy,
    compile_scorer,
    match_columns,
)
from tiltyard.scoring.class_order import decide_labels, order_columns
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.text_inputs import TextColumns
from tiltyard.tasks import DecisionRule

WARN = UnknownPolicy()


@pytest.fixture(scope="module", params=["logreg", "gradient-boosting"])
def scorer(request: pytest.FixtureRequest) -> tuple[Scorer, InputColumns]:
    frame, truth = table()
    pipeline = TABULAR[request.param][1](0)
    if request.param == "gradient-boosting":
        pipeline.set_params(classifier__max_iter=15)
    with threadpool_limits(limits=1):
        pipeline.fit(frame, truth)
    schema = infer_schema(frame)
    columns = InputColumns({str(name): str(dtype) for name, dtype in frame.dtypes.items()}, (), schema)
    return compile_scorer(pipeline, "tabular-classification", columns), columns


def list_cells(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as a request would hold them."""
    plain = frame.astype(object).where(frame.notna(), None)
    rows: list[dict[Any, Any]] = plain.to_dict("records")
    return [{str(name): cell for name, cell in row.items()} for row in rows]


def score_singly(scorer: Scorer, some: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The probabilities of each row by itself, None of one that is refused."""
    found: list[Any] = []
    for row in some:
        try:
            found.append(scorer.score([row]).probabilities[0].tolist())
        except InputError:
            found.append(None)
    return found


def list_probabilities(found: FrameScores, count: int) -> list[Any]:
    """The same of a frame's scores."""
    listed: list[Any] = [None] * count
    for place, row in zip(found.scored.tolist(), found.probabilities.tolist(), strict=True):
        listed[place] = row
    assert sorted([*found.scored.tolist(), *(one.position for one in found.refused)]) == list(range(count))
    assert all(one.reason for one in found.refused)
    return listed


@UNHURRIED
@given(some=st.lists(rows, min_size=1, max_size=8))
def test_objects_are_scored_as_single_rows(scorer: tuple[Scorer, InputColumns], some: list[dict[str, Any]]) -> None:
    """Columns of any cells give each row what it gets alone, and refuse the rows that are refused alone."""
    frame = pd.DataFrame({name: pd.Series([row[name] for row in some], dtype=object) for name in some[0]})
    plain = [{name: None if pd.isna(cell) else cell for name, cell in row.items()} for row in some]
    found = FrameScorer(*scorer, WARN).score(frame)
    assert list_probabilities(found, len(some)) == score_singly(scorer[0], plain)


@UNHURRIED
@given(data=st.data(), size=st.integers(1, 12))
def test_typed_columns_are_scored_as_their_cells(
    scorer: tuple[Scorer, InputColumns], data: st.DataObject, size: int
) -> None:
    """Columns of numbers, truth values, categories and texts with separate types are read as their cells are."""
    numbers = st.floats(-1e12, 1e12) | st.just(np.nan) | st.just(np.inf)

    def draw(cells: st.SearchStrategy[Any]) -> list[Any]:
        return data.draw(st.lists(cells, min_size=size, max_size=size))

    town = pd.Categorical(draw(st.sampled_from([*TOWNS, "Atlantis"]) | st.none()))
    frame = pd.DataFrame(
        {
            "age": pd.Series(draw(st.integers(-(2**62), 2**62) | st.none()), dtype="Int64"),
            "income": np.array(draw(numbers)),
            "big": np.array(draw(st.integers(0, 2**62)), np.uint64),
            "town": town,
            "fear": pd.Series(draw(st.sampled_from(["Yes", "No", "no"]) | st.none()), dtype="str"),
            "member": np.array(draw(st.booleans())),
            "paid": pd.Series(draw(st.booleans() | st.none()), dtype="boolean"),
            "news": pd.Series(draw(st.booleans() | st.none()), dtype="boolean"),
        }
    )
    cells = list_cells(frame)
    found = FrameScorer(*scorer, WARN).score(frame)
    assert list_probabilities(found, size) == score_singly(scorer[0], cells)


def test_the_text_of_a_file_means_what_its_cells_mean(scorer: tuple[Scorer, InputColumns]) -> None:
    """A column of texts, as a file of delimited text has it, is read as the same texts in a request."""
    frame, _ = table()
    written = pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype="str", keep_default_na=False)
    written.loc[3, "age"] = "many"
    cells = list_cells(written)
    found = FrameScorer(*scorer, WARN).score(written)
    assert list_probabilities(found, len(frame)) == score_singly(scorer[0], cells)
    assert [(one.position, "'age'" in one.reason) for one in found.refused] == [(3, True)]


def test_another_order_of_classes_and_a_decision_rule_apply(scorer: tuple[Scorer, InputColumns]) -> None:
    """Probabilities follow the version's order of classes, labels its rule, and rows on which it abstains say so."""
    frame, _ = table()
    classes = ("middle", "high", "low")
    rule = DecisionRule(classes=classes, abstain_below=0.6)
    decided = decide_labels(order_columns(scorer[0], classes), rule)
    found = FrameScorer(decided, scorer[1], WARN).score(frame)
    alone = decided.score(list_cells(frame))
    assert found.classes == classes
    assert found.probabilities.tolist() == alone.probabilities.tolist()
    assert [classes[place] for place in found.labels.tolist()] == list(alone.labels)
    assert found.abstained is not None
    assert found.abstained.tolist() == (alone.probabilities.max(axis=1) < 0.6).tolist()
    ordered = FrameScorer(order_columns(scorer[0], classes), scorer[1], WARN).score(frame)
    assert ordered.abstained is None
    assert ordered.labels.tolist() == ordered.probabilities.argmax(axis=1).tolist()


def test_the_policy_refuses_what_training_did_not_know(scorer: tuple[Scorer, InputColumns]) -> None:
    """Unusual values are counted, refused or passed over, as the project wants it, for all columns or single ones."""
    frame, _ = table()
    frame.loc[[1, 4], "town"] = "Atlantis"
    frame.loc[4, "age"] = 1000
    counts = {}
    for policy in (
        WARN,
        UnknownPolicy("ignore"),
        UnknownPolicy("refuse"),
        UnknownPolicy("warn", {"town": "refuse"}),
        UnknownPolicy("ignore", {"age": "warn"}),
    ):
        found = FrameScorer(*scorer, policy).score(frame)
        counts[policy.values, *policy.columns.items()] = (
            found.unusual,
            [one.position for one in found.refused],
            len(found.scored),
        )
    rows = len(frame)
    assert counts == {
        ("warn",): (2, [], rows),
        ("ignore",): (0, [], rows),
        ("refuse",): (0, [1, 4], rows - 2),
        ("warn", ("town", "refuse")): (0, [1, 4], rows - 2),
        ("ignore", ("age", "warn")): (1, [], rows),
    }


def test_any_scorer_scores_frames(table_pipeline: Pipeline, gapless_pipeline: Pipeline) -> None:
    """A model without a compiled form scores rows one after the other, and a row that it refuses is reported."""
    frame, _ = plain_table()
    columns = InputColumns(COLUMNS)
    plain = SklearnScorer(table_pipeline, "tabular-classification", columns)
    found = FrameScorer(plain, columns, WARN).score(frame)
    assert np.allclose(found.probabilities, table_pipeline.predict_proba(frame), atol=1e-12)
    assert [plain.classes[place] for place in found.labels.tolist()] == table_pipeline.predict(frame).tolist()
    single = InputColumns({"age": "int64"})
    picky = SklearnScorer(gapless_pipeline, "tabular-classification", single)
    gaps = pd.DataFrame({"age": [30, None, 40]})
    described = FrameScorer(picky, single, WARN).score(gaps)
    assert described.scored.tolist() == [0, 2]
    assert [(one.position, "refused by the model" in one.reason) for one in described.refused] == [(1, True)]


def test_texts_are_scored_from_their_column(text_pipeline: Pipeline) -> None:
    """Texts come from the column of the training or from ``text``; what is not a text is refused."""
    compiled = compile_scorer(text_pipeline, "text-classification", InputColumns({}))
    frames = FrameScorer(compiled, TextColumns("review"), WARN)
    assert match_columns(TextColumns("review"), ["id", "review"]) == {"review": "review"}
    assert match_columns(TextColumns("review"), ["text", "review"]) == {"text": "text"}
    texts = ["a warm film", None, "zzz", 5]
    found = frames.score(pd.DataFrame({"review": pd.Series(texts, dtype=object)}))
    assert found.scored.tolist() == [0, 2]
    assert [one.position for one in found.refused] == [1, 3]
    assert found.unusual == 1
    assert (
        found.probabilities.tolist()
        == compiled.score([{"text": "a warm film"}, {"text": "zzz"}]).probabilities.tolist()
    )
    assert list(found.inputs) == ["a warm film", "zzz"]
    objects = frames.score_objects([{"review": "a warm film"}, {"text": "zzz"}, {"other": 1}])
    assert objects.scored.tolist() == [0, 1]


@pytest.mark.parametrize("policy", [WARN, UnknownPolicy("ignore"), UnknownPolicy("refuse")])
@pytest.mark.parametrize("decides", [False, True])
def test_plain_texts_are_scored_as_they_are_one_by_one(
    text_pipeline: Pipeline, policy: UnknownPolicy, decides: bool
) -> None:
    """Whole columns of strings take a shorter way, to the same scores, warnings and refusals."""
    compiled = compile_scorer(text_pipeline, "text-classification", InputColumns({}))
    if decides:
        ordered = order_columns(compiled, compiled.classes[::-1])
        compiled = decide_labels(ordered, DecisionRule(classes=ordered.classes, abstain_below=0.6))
    texts = ["a warm film", "zzz", "", "Ein KÜHLER Abend İ", "dull \ud800 film", "a cold film"] * 5
    found = FrameScorer(compiled, TextColumns("text"), policy).score(
        pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    )
    singly = [compiled.score([{"text": text}]) for text in texts]
    unknown = [any(one.code == "unknown-words" for one in (some.warnings or [[]])[0]) for some in singly]
    refused = [place for place, is_unknown in enumerate(unknown) if is_unknown and policy.values == "refuse"]
    kept = [place for place in range(len(texts)) if place not in refused]
    assert any(unknown)
    assert found.unusual == (sum(unknown) if policy.values == "warn" else 0)
    assert [one.position for one in found.refused] == refused
    assert found.scored.tolist() == kept
    assert found.probabilities.tolist() == [singly[place].probabilities[0].tolist() for place in kept]
    assert [found.classes[place] for place in found.labels.tolist()] == [singly[place].labels[0] for place in kept]
    abstained = [any(one.code == "abstained" for one in (singly[place].warnings or [[]])[0]) for place in kept]
    assert (found.abstained if found.abstained is not None else np.zeros(len(kept), bool)).tolist() == abstained
    assert list(found.inputs) == [texts[place] for place in kept]


def test_a_missing_column_is_named(scorer: tuple[Scorer, InputColumns]) -> None:
    """A source without a column that the model reads is refused; white space around a name changes nothing."""
    names = [column.name for column in scorer[1]]
    assert match_columns(scorer[1], [f" {name}" for name in names]) == {name: f" {name}" for name in names}
    with pytest.raises(DataError, match=r"lacks 'income'.*Did you mean 'incomes'"):
        match_columns(scorer[1], [*(name for name in names if name != "income"), "incomes"])


def test_objects_that_lack_a_feature_are_refused(scorer: tuple[Scorer, InputColumns]) -> None:
    """A row as a request would hold it has to name every feature, as a request has to."""
    frame, _ = table()
    objects = list_cells(frame.head(3))
    del objects[1]["income"]
    found = FrameScorer(*scorer, WARN).score_objects(objects)
    assert found.scored.tolist() == [0, 2]
    assert "'income' is missing" in found.refused[0].reason
    assert list(found.inputs.columns) == [column.name for column in scorer[1]]
    assert len(found.inputs) == 2
