"""Scoring a frame of many rows at once: what ``Scorer.score`` says of them one by one, without an object a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.cells import normalise_text
from tiltyard.drift.profiles.rows import rows_frame
from tiltyard.errors import DataError, InputError
from tiltyard.scoring.batches.isolation import score_groups
from tiltyard.scoring.batches.some_scores import join_scores, take_scores
from tiltyard.scoring.class_order import DecidingScorer, OrderedScorer
from tiltyard.scoring.input_errors import InputProblem, list_problems
from tiltyard.scoring.input_warnings import ABSTAINED, UnknownPolicy
from tiltyard.scoring.scorer import Scorer, Scores
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.frame_encoding import ReadColumn, encode_cells, read_feature
from tiltyard.scoring.table.table_scorer import TableNumberScorer, TableScorer
from tiltyard.scoring.text.text_inputs import ScorerOfTexts, TextColumns
from tiltyard.suggest import nearest
from tiltyard.tasks import DecisionRule

_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be scored.

    Attributes:
        position: its place in the frame, from 0.
        reason: why, as sentences.
    """

    position: int
    reason: str


@dataclass(frozen=True)
class FrameScores:
    """What a model says of the rows of a frame.

    Attributes:
        scored: places of the m rows that were scored, rising.
        classes: the k labels; none of a model of numbers.
        labels: int, (m,), the predicted label of each by its place in ``classes``; empty of numbers.
        probabilities: float64, (m, k); k is 0 of numbers.
        numbers: float64, (m,), of a model of numbers; else None.
        intervals: float64, (m, 2), their ends, infinite where there is none; None without.
        abstained: (m,), which the model leaves to a person; None for none.
        unusual: how many of them have values that training did not know, as far as the project wants to know it.
        refused: the rows that cannot be scored.
        inputs: of the m rows what the model read: a frame of numbers and categories, or a series of texts.
    """

    scored: NDArray[np.intp]
    classes: tuple[str, ...]
    labels: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    numbers: NDArray[np.float64] | None
    intervals: NDArray[np.float64] | None
    abstained: NDArray[np.bool_] | None
    unusual: int
    refused: tuple[RefusedRow, ...]
    inputs: pd.DataFrame | pd.Series

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """The probability of each predicted label, (m,); NaN of numbers."""
        if self.numbers is not None:
            return np.full(len(self.numbers), np.nan)
        return self.probabilities[np.arange(len(self.labels)), self.labels]


def match_columns(columns: InputColumns | TextColumns, names: Sequence[str]) -> dict[str, str]:
    """By the names that a model reads, the names that a source has for them.

    Args:
        columns: what the model reads.
        names: the columns of the source.

    Raises:
        DataError: the source lacks some; the message names them.
    """
    own = {normalise_text(str(name)): str(name) for name in names}
    if isinstance(columns, TextColumns):
        wanted = ["text"] if "text" in own else [columns.name]
    else:
        wanted = [column.name for column in columns]
    missing = [name for name in wanted if name not in own]
    if missing:
        shown = ", ".join(f"'{name}'" for name in missing[:_MOST_SHOWN])
        more = f" and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else ""
        raise DataError(
            f"The source lacks {shown}{more}, which the model reads; it has {', '.join(own) or 'no column'}."
            f"{nearest(missing[0], own)}",
            next_step="Name the columns as the training data did; a column without values may be empty.",
            code="data.column-missing",
            column=missing[0],
        )
    return {name: own[name] for name in wanted}


class FrameScorer:
    """Scores frames with one version. Each row is scored by itself, and as it would be by HTTP.

    Args:
        scorer: of the version.
        columns: what its inputs are.
        policy: what is done about values that training did not know.
    """

    def __init__(self, scorer: Scorer, columns: InputColumns | TextColumns, policy: UnknownPolicy) -> None:
        self._scorer = scorer
        self._policy = policy
        self._text = columns.name if isinstance(columns, TextColumns) else None
        self._columns = columns if isinstance(columns, InputColumns) else InputColumns({})
        core = _find_core(scorer)
        self._table = core if isinstance(core, TableScorer) else None
        self._reader = core if isinstance(core, ScorerOfTexts) else None

    def score(self, frame: pd.DataFrame) -> FrameScores:
        """Score n rows, numbered from 0.

        Args:
            frame: the columns as of ``match_columns``, by the names that the model reads; others are passed over.
        """
        if self._text is not None:
            return self._score_texts(frame["text"] if "text" in frame else frame[self._text])
        read = {column.name: read_feature(frame[column.name], column, self._columns) for column in self._columns}
        refused = _join_refusals(read, len(frame))
        if self._table is None or self._columns.reads_unsure_dates:
            return self._score_rows(frame, read)
        problems = self._describe_refused(frame, np.flatnonzero(refused))
        return self._score_table(self._table, frame, read, refused, problems)

    def score_objects(self, rows: Sequence[Mapping[str, Any]]) -> FrameScores:
        """Score n rows as a request would hold them."""
        places = np.arange(len(rows), dtype=np.intp)
        if self._text is None:
            found = self._score_inputs(rows, places, [])
            kept = [rows[place] for place in found.scored.tolist()]
            frame = rows_frame(map(self._columns.name_cells, kept), [column.name for column in self._columns])
            read = {column.name: read_feature(frame[column.name], column, self._columns) for column in self._columns}
            return replace(found, inputs=pd.DataFrame({name: one.values for name, one in read.items()}))
        names = ["text" if "text" in row else self._text for row in rows]
        texts = pd.Series([row.get(name) for row, name in zip(rows, names, strict=True)], dtype=object)
        return self._score_texts(texts)

    def _score_table(
        self,
        table: TableScorer,
        frame: pd.DataFrame,
        read: Mapping[str, ReadColumn],
        refused: NDArray[np.bool_],
        problems: list[RefusedRow],
    ) -> FrameScores:
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imports numba

        found, state = table.score_encoded(encode_cells(read, table.columns, table.prepared.codes))
        seen = int(np.bitwise_or.reduce(state))
        for code in (table_kernels.NOT_A_NUMBER, table_kernels.TOO_LARGE):
            if not seen & code:
                continue
            bad = ((state & (table_kernels.NOT_A_NUMBER | table_kernels.TOO_LARGE)) == code) & ~refused
            if bad.any():
                reason = f"It {table.explain_refusal(code)}."
                problems += [RefusedRow(place, reason) for place in np.flatnonzero(bad).tolist()]
                refused = refused | bad
        unusual = np.flatnonzero(((state & table_kernels.UNUSUAL) != 0) & ~refused)
        count, more = self._apply_policy(table, frame, unusual)
        if more:
            problems += more
            refused = refused.copy()
            refused[[one.position for one in more]] = True
        finite = np.isfinite(found)
        if not finite.all():
            endless = ~refused & ~finite.all(axis=1)
            problems += [
                RefusedRow(place, "The model gave no finite value for it.")
                for place in np.flatnonzero(endless).tolist()
            ]
            refused = refused | endless
        scored = np.flatnonzero(~refused)
        found = found if len(scored) == len(found) else found[scored]
        inputs = _list_inputs(read, scored, len(frame))
        made = _make_scores(self._scorer, table, found)
        ordered = tuple(sorted(problems, key=_position))
        return replace(made, scored=scored, unusual=count, refused=ordered, inputs=inputs)

    def _apply_policy(
        self, table: TableScorer, frame: pd.DataFrame, unusual: NDArray[np.intp]
    ) -> tuple[int, list[RefusedRow]]:
        """How many rows are reported to be unusual, and which of them the policy refuses."""
        policy = self._policy
        if not len(unusual) or (policy.values == "ignore" and not policy.columns):
            return 0, []
        if policy.values == "warn" and not policy.columns:
            return len(unusual), []
        shown, problems = policy.apply(table.find_unusual(_list_rows(frame, unusual, list(self._columns.names))))
        refused = _join_problems([replace(one, position=int(unusual[one.position])) for one in problems])
        places = {one.position for one in refused}
        count = sum(bool(some) for place, some in zip(unusual.tolist(), shown, strict=True) if place not in places)
        return count, refused

    def _describe_refused(self, frame: pd.DataFrame, places: NDArray[np.intp]) -> list[RefusedRow]:
        if not len(places):
            return []
        rows = _list_rows(frame, places, [column.name for column in self._columns])
        found = self._columns.problems(rows)
        return _join_problems([replace(one, position=int(places[one.position])) for one in found])

    def _score_texts(self, texts: pd.Series) -> FrameScores:
        cells = texts.tolist()
        quick = self._score_plain_texts(texts, cells)
        if quick is not None:
            return quick
        wrong = [place for place, cell in enumerate(cells) if not isinstance(cell, str)]
        refused = [RefusedRow(place, "Its text is missing, or is not a text.") for place in wrong]
        away = set(wrong)
        places = np.array([place for place in range(len(cells)) if place not in away], np.intp)
        kept = [cells[place] for place in places.tolist()] if wrong else cells
        found = self._score_inputs([{"text": text} for text in kept], places, refused)
        taken = dict(zip(places.tolist(), kept, strict=True))
        return replace(found, inputs=pd.Series([taken[place] for place in found.scored.tolist()], dtype=object))

    def _score_plain_texts(self, texts: pd.Series, cells: list[Any]) -> FrameScores | None:
        """The scores of texts without an object for each; None where some need a closer look."""
        refuses = bool(self._policy.columns) or self._policy.values == "refuse"
        if self._reader is None or refuses or {*map(type, cells)} != {str}:
            return None
        found, unknown = self._reader.score_texts(cells)
        if not np.isfinite(found).all():
            return None
        count = len(unknown) if self._policy.values == "warn" else 0
        return replace(_make_scores(self._scorer, self._reader, found), unusual=count, inputs=texts)

    def _score_rows(self, frame: pd.DataFrame, read: Mapping[str, ReadColumn]) -> FrameScores:
        places = np.arange(len(frame), dtype=np.intp)
        rows = _list_rows(frame, places, [column.name for column in self._columns])
        found = self._score_inputs(rows, places, [])
        return replace(found, inputs=_list_inputs(read, found.scored, len(frame)))

    def _score_inputs(
        self, rows: Sequence[Mapping[str, Any]], places: NDArray[np.intp], refused: list[RefusedRow]
    ) -> FrameScores:
        """The scores of rows as a request would hold them; ``places`` are those in the frame."""
        kept, scores = _score_apart(self._scorer, rows, places, refused)
        warnings = scores.warnings if scores is not None else None
        count = 0
        abstained = None
        if scores is not None and warnings is not None:
            shown, problems = self._policy.apply(warnings)
            own = _join_problems([replace(one, position=int(kept[one.position])) for one in problems])
            abstained = np.array([any(one.code == ABSTAINED for one in some) for some in shown], np.bool_)
            unusual = np.array([any(one.code != ABSTAINED for one in some) for some in shown], np.bool_)
            if own:
                refused += own
                stays = ~np.isin(kept, [one.position for one in own])
                scores, kept, abstained, unusual = (
                    take_scores(scores, stays),
                    kept[stays],
                    abstained[stays],
                    unusual[stays],
                )
            count = int(unusual.sum())
        k = len(self._scorer.classes)
        of_numbers = not self._scorer.classes
        known = {name: place for place, name in enumerate(self._scorer.classes)}
        labels = [] if scores is None or of_numbers else [known[label] for label in scores.labels]
        return FrameScores(
            kept,
            tuple(self._scorer.classes),
            np.array(labels, np.intp),
            np.zeros((0, k)) if scores is None else scores.probabilities,
            (np.zeros(0) if scores is None else scores.numbers) if of_numbers else None,
            None if scores is None else scores.intervals,
            abstained if abstained is not None and abstained.any() else None,
            count,
            tuple(sorted(refused, key=_position)),
            pd.DataFrame(),
        )


def _find_core(scorer: Scorer) -> Scorer:
    """The scorer below those that order or decide labels."""
    while isinstance(scorer, DecidingScorer | OrderedScorer):
        scorer = scorer.scorer
    return scorer


def _make_scores(scorer: Scorer, table: TableScorer | ScorerOfTexts, found: NDArray[np.float64]) -> FrameScores:
    """The scores of what the core of a scorer says of m rows, all of which are scored."""
    every = np.arange(len(found), dtype=np.intp)
    if isinstance(table, TableNumberScorer):
        numbers = np.ascontiguousarray(found[:, 0])
        ends = None if table.intervals is None else table.intervals.make_intervals(numbers)
        none = np.zeros((len(numbers), 0))
        return FrameScores(every, (), np.zeros(0, np.intp), none, numbers, ends, None, 0, (), pd.DataFrame())
    classes = table.classes
    labels = _find_largest(found)
    layers: list[DecidingScorer | OrderedScorer] = []
    inner: Any = scorer
    while isinstance(inner, DecidingScorer | OrderedScorer):
        layers.append(inner)
        inner = inner.scorer
    abstained = None
    for layer in reversed(layers):
        if isinstance(layer, OrderedScorer):
            places = np.argsort(layer.columns)
            labels, found = places[labels], np.ascontiguousarray(found[:, layer.columns])
            classes = layer.classes
        else:
            labels, abstained = _decide(layer.rule, found)
    return FrameScores(
        every, tuple(classes), labels.astype(np.intp, copy=False), found, None, None, abstained, 0, (), pd.DataFrame()
    )


def _find_largest(found: NDArray[np.float64]) -> NDArray[np.intp]:
    """The column of the first largest value of each row, none of them NaN; numpy goes through short rows slowly."""
    if found.shape[1] != 2:
        return np.asarray(found.argmax(axis=1), np.intp)
    return (found[:, 1] > found[:, 0]).astype(np.intp)


def _decide(rule: DecisionRule, found: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.bool_] | None]:
    abstained = rule.abstains(found)
    return np.asarray(rule.decide(found), np.intp), abstained if abstained.any() else None


def _join_refusals(read: Mapping[str, ReadColumn], rows: int) -> NDArray[np.bool_]:
    refused = np.zeros(rows, np.bool_)
    for one in read.values():
        if one.refused is not None:
            refused |= one.refused
    return refused


def _list_inputs(read: Mapping[str, ReadColumn], scored: NDArray[np.intp], rows: int) -> pd.DataFrame:
    """What was read of the rows that were scored, as a frame numbered from 0; it shares their memory."""
    columns = {name: _for_profile(one, scored, rows) for name, one in read.items()}
    return pd.DataFrame(columns, copy=False).reset_index(drop=True)


def _for_profile(one: ReadColumn, scored: NDArray[np.intp], rows: int) -> Any:
    if len(scored) == rows:
        return one.values
    return one.values.iloc[scored] if isinstance(one.values, pd.Series) else one.values[scored]


def _list_rows(frame: pd.DataFrame, places: NDArray[np.intp], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as a request would hold them: a gap is None."""
    some = frame[list(names)].iloc[places]
    plain = some.astype(object).where(some.notna(), None)
    return [{str(name): cell for name, cell in row.items()} for row in plain.to_dict(orient="records")]


def _join_problems(problems: Sequence[InputProblem]) -> list[RefusedRow]:
    """A row each, with all that is wrong with it."""
    reasons: dict[int, list[str]] = {}
    for one in problems:
        reasons.setdefault(one.position, []).append(
            f"'{one.field}' {one.message}." if one.field else f"It {one.message}."
        )
    return [RefusedRow(position, " ".join(found)) for position, found in reasons.items()]


def _score_apart(
    scorer: Scorer, rows: Sequence[Mapping[str, Any]], places: NDArray[np.intp], refused: list[RefusedRow]
) -> tuple[NDArray[np.intp], Scores | None]:
    """The scores of the rows that can be scored, and the places of these; the others are added to ``refused``."""
    if not len(rows):
        return places, None
    (found,) = score_groups(scorer, [rows])
    if isinstance(found, Scores):
        return places, found
    if isinstance(found, InputError) and list_problems(found):
        own = _join_problems(list_problems(found))
        refused += [replace(one, position=int(places[one.position])) for one in own]
        stays = np.setdiff1d(np.arange(len(rows)), [one.position for one in own])
        return _score_apart(scorer, [rows[place] for place in stays.tolist()], places[stays], refused)
    if len(rows) == 1:
        refused.append(RefusedRow(int(places[0]), f"The model failed: {found or type(found).__name__}"))
        return places[:0], None
    half = len(rows) // 2
    parts = [_score_apart(scorer, rows[part], places[part], refused) for part in (slice(None, half), slice(half, None))]
    scored = [scores for _, scores in parts if scores is not None]
    return np.concatenate([kept for kept, _ in parts]), join_scores(scored) if scored else None


def _position(one: RefusedRow) -> int:
    return one.position
