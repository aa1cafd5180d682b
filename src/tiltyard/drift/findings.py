"""Drift as findings: what moved, how far, how sure, and one verdict over all of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tiltyard.drift.detectors.suite import DriftTest, UntestedSubject, compare_profiles, decide_tests
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Profile, Reference
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.usual_hours import find_usual_hours
from tiltyard.errors import UsageError
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import format_count, format_percent

VERDICT = "drift.verdict"
WHOLE = "rows"
"""The subject of a verdict."""

_SHOWN = 5

_USUAL = {
    "day": "The training's own rows of these hours of the day are like these: it is a season.",
    "week": "The training's own rows of these weekdays are like these: it is a season.",
}
_EXPECTED = "Nothing has to be done: the model was trained on rows of these hours too."

_SHARES_OF = {"drift.missing": "missing in ", "drift.invalid": "no number in "}

_WHAT = {
    "drift.number": "The distribution of {} moved",
    "drift.category": "The shares of the categories of {} moved",
    "drift.missing": "The share of rows without {} moved",
    "drift.invalid": "The share of rows whose {} is not a number moved",
    "drift.new-category": "Categories of {} that the reference does not have came in",
    "drift.text": "The texts changed in {}",
    "drift.terms": "The words of {} changed",
    "drift.joint": "The numbers of a row no longer hang together as they did ({})",
    "drift.score": "The model's {} moved",
    "drift.prediction": "The distribution of the predictions moved ({})",
    "drift.label": "The shares of the true labels moved ({})",
    "drift.kind": "The values of {} are of another kind",
    "drift.domain": "A classifier tells the window's rows from the reference's ({})",
}


@dataclass(frozen=True)
class DriftEvaluation:
    """What a comparison with the reference finds.

    Attributes:
        findings: the verdict first, then what was found, the surest first, then what could not be checked.
        tests: every test that was made.
    """

    findings: tuple[Finding, ...]
    tests: tuple[DriftTest, ...] = ()

    @property
    def verdict(self) -> Finding:
        """The verdict over all tests: found, clear, or ``could_not_judge``."""
        return self.findings[0]

    @property
    def drifted(self) -> bool:
        """Whether drift was found."""
        return self.verdict.is_found

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def between(self, since: datetime | None, until: datetime | None) -> DriftEvaluation:
        """The same findings with the time that they are about."""
        return replace(self, findings=tuple(replace(found, since=since, until=until) for found in self.findings))


def evaluate_drift(
    reference: Reference,
    window: Profile,
    options: DriftOptions | None = None,
    further: Sequence[DriftTest] = (),
    *,
    hours: RowHours | None = None,
) -> DriftEvaluation:
    """Compare a window's profile against the reference.

    A test finds drift when it is significant after the correction for all tests of the comparison, so that
    at most ``false_alarm_rate`` of comparisons of undrifted rows find any; and when its effect is at least the limit,
    so that a window of millions does not find trifles. ``further`` tests of the same rows, beyond profiles, are
    corrected and decided with the others. ``hours`` says when the window's rows came, where that is known. Drift from
    the whole reference is information only where the reference's own rows of these hours, or weekdays, are alike
    (``find_usual_hours``).

    Raises:
        UsageError: the profile follows another layout than the reference's.
    """
    options = options or DriftOptions()
    if window.layout != reference.layout.digest:
        raise UsageError(
            f"The window's profile follows the layout {window.layout}, the reference's is {reference.layout.digest}.",
            next_step="Profile the window by the layout of the reference: profile_rows(reference.layout, rows).",
        )
    if min(window.rows, reference.profile.rows) < options.min_rows:
        return DriftEvaluation((_too_few_rows(reference, window, options),))
    made, left = compare_profiles(reference, window, options, hours)
    tests = decide_tests([*made, *further], options)
    rows = window.rows, reference.profile.rows
    drifted = sorted((test for test in tests if test.drifted), key=lambda test: (test.adjusted, -test.effect))
    found = [_test_finding(test) for test in drifted]
    untested = [_untested_finding(one, options) for one in left]
    verdict = _verdict_finding(tests, drifted, options, rows)
    known = reference.dependence
    blocks = [one.title for one in known.structures] if known else []
    verdict = replace(verdict, evidence={**verdict.evidence, "dependence": blocks or "not measured"})
    evaluation = DriftEvaluation((verdict, *found, *untested), tests)
    season = find_usual_hours(reference, window, tests, options, hours) if drifted and hours is not None else None
    return evaluation if season is None else note_season(evaluation, season, _USUAL[season], _EXPECTED)


def note_season(evaluation: DriftEvaluation, season: str, note: str, next_step: str) -> DriftEvaluation:
    """The same as information, no alarm: what drifted is a season, as the note says."""
    noted = add_note(evaluation, note, season)
    findings = tuple(
        replace(found, severity="info", next_step=next_step) if found.is_found else found for found in noted.findings
    )
    return replace(noted, findings=findings)


def add_note(evaluation: DriftEvaluation, note: str, season: str | None = None) -> DriftEvaluation:
    """The same with a sentence more in the verdict, and the season that it is about."""
    verdict, *others = evaluation.findings
    evidence = verdict.evidence if season is None else {**verdict.evidence, "season": season}
    noted = replace(verdict, message=f"{verdict.message} {note}", evidence=evidence)
    return replace(evaluation, findings=(noted, *others))


def evaluate_without_reference(version: str | None) -> DriftEvaluation:
    """The evaluation of a version that has no reference profile."""
    of = f"Version {version}" if version else "The model"
    return DriftEvaluation(
        (
            could_not_judge(
                VERDICT,
                WHOLE,
                f"{of} carries no reference profile: it was trained by an older Tiltyard or registered by hand.",
                "Train a version with this Tiltyard: tiltyard train",
            ),
        )
    )


def _verdict_finding(
    tests: tuple[DriftTest, ...], drifted: list[DriftTest], options: DriftOptions, rows: tuple[int, int]
) -> Finding:
    evidence = {
        "rows": rows[0],
        "reference_rows": rows[1],
        "false_alarm_rate": options.false_alarm_rate,
        "correction": options.correction,
        "tests": [test.to_dict() for test in tests],
    }
    if not tests:
        return could_not_judge(
            VERDICT, WHOLE, "Nothing in these rows could be compared.", "Check what was sent.", evidence=evidence
        )
    share = len(drifted) / len(tests)
    compared = f"{format_count(len(tests), 'test')} over {format_count(rows[0], 'row')}"
    rest = _describe_rest(tests)
    if not drifted:
        message = f"No drift: {compared} against {rows[1]:,}.{rest}"
        return Finding(
            VERDICT, "info", WHOLE, message=message, score=share, limit=0.0, evidence=evidence, status="clear"
        )
    named = _name_tests(drifted)
    message = f"Drift in {len(drifted)} of {compared}: {named}.{rest}"
    step = "See what changed at the source; if it is to stay, train on newer rows: tiltyard retrain"
    return Finding(VERDICT, "error", WHOLE, message=message, score=share, limit=0.0, evidence=evidence, next_step=step)


def _describe_rest(tests: tuple[DriftTest, ...]) -> str:
    """What differs without being drift: too little, or no more than groups and periods of the reference do."""
    small = [test for test in tests if test.reading == "difference"]
    alike = [test for test in tests if test.reading == "alike"]
    texts = []
    if small:
        texts.append(f" Different, but by less than the limit: {_name_tests(small)}.")
    for blocks in dict.fromkeys(dict(test.details)["blocks"] for test in alike):
        mine = [test for test in alike if dict(test.details)["blocks"] == blocks]
        texts.append(f" Different, but no more than {blocks} of the training are: {_name_tests(mine)}.")
    return "".join(texts)


def _name_tests(tests: list[DriftTest]) -> str:
    named = [f"{test.subject} ({_SHARES_OF.get(test.code, '')}{_describe_size(test)})" for test in tests[:_SHOWN]]
    return ", ".join(named) + (f" and {len(tests) - _SHOWN} more" if len(tests) > _SHOWN else "")


def _describe_size(test: DriftTest) -> str:
    """How large a difference is: in the units of the data where there are any, else in those of the test."""
    known = dict(test.details)
    if test.code == "drift.new-category":
        names = ", ".join(list(known["new_categories"])[:3])
        return f"{format_percent(test.effect)} of the rows more than expected: {names}"
    if "share" in known:
        return f"{format_percent(known['reference_share'])} → {format_percent(known['share'])} of the rows"
    if "median" in known and test.code != "drift.joint":
        before, now = known["reference_median"], known["median"]
        if f"{before:.3g}" != f"{now:.3g}":
            return f"median {before:.3g} → {now:.3g}"
        return f"mean {known['reference_mean']:.3g} → {known['mean']:.3g}"
    if known.get("shares"):
        name, (before, now) = next(iter(known["shares"].items()))
        return f"{name}: {format_percent(before)} → {format_percent(now)}"
    return f"{test.method} {test.effect:.3g}, limit {test.limit:.3g}"


def _test_finding(test: DriftTest) -> Finding:
    what = _WHAT[test.code].format(test.subject)
    size = _describe_size(test)
    figures = f"{test.method} {test.effect:.3g} (limit {test.limit:.3g}), p = {test.adjusted:.2g} after correction"
    message = f"{what}: {size}. {figures}" if not size.startswith(test.method) else f"{what}: {figures}"
    step = f"Compare {test.subject} with the training's. If this is expected: {_advise_limit(test)}"
    return Finding(
        test.code,
        "warning",
        test.subject,
        message=f"{message}, over {test.rows[0]:,} rows.",
        score=test.effect,
        limit=test.limit,
        evidence=test.to_dict(),
        next_step=step,
    )


def _advise_limit(test: DriftTest) -> str:
    """The line of the project file under which this difference would be no drift; a limit is below 1."""
    # Quoted as TOML and JSON both do it, for a name may have dots and blanks.
    key, limit = json.dumps(test.subject, ensure_ascii=False), math.ceil(test.effect * 20 + 1) / 20
    return f"[monitoring] drift_{f'limits = {{ {key} = {limit:.2f} }}' if limit < 1 else f'ignore = [{key}]'}"


def _untested_finding(left: UntestedSubject, options: DriftOptions) -> Finding:
    why = (
        f"Too few values of {left.subject} to compare: {left.rows:,} in the window and {left.reference_rows:,} in the "
        f"reference, {options.min_rows:,} are needed in each."
    )
    evidence = {"rows": left.rows, "reference_rows": left.reference_rows}
    step = "Wait for more rows, or lower [monitoring] min_rows."
    if left.reference_rows < options.min_rows:
        step = "The reference has too few values, so waiting does not help: compare with more rows."
    return could_not_judge(left.code, left.subject, why, step, evidence=evidence)


def _too_few_rows(reference: Reference, window: Profile, options: DriftOptions) -> Finding:
    why = (
        f"Too few rows to detect drift: {window.rows:,} in the window and {reference.profile.rows:,} in the reference, "
        f"{options.min_rows:,} are needed in each."
    )
    if not window.rows:
        why = "Nothing was sent: the window has no rows, so whether data drifted cannot be said."
    evidence = {"rows": window.rows, "reference_rows": reference.profile.rows, "min_rows": options.min_rows}
    step = "Wait for more predictions, or widen [monitoring] window_hours."
    if reference.profile.rows < options.min_rows:
        step = "The reference is too small, so waiting does not help: compare with more rows of undrifted data."
    return could_not_judge(VERDICT, WHOLE, why, step, evidence=evidence)
