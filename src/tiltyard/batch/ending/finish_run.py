"""The end of a run whose fragments are all done: its results appear, and the ledger says what it found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce

import msgspec

from tiltyard.batch.ending.report_run import report_run
from tiltyard.batch.ending.run_evaluation import evaluate_run
from tiltyard.batch.plan import FragmentDone, Plan, WorkFolder, clear_work
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.targets.local_targets import Target
from tiltyard.batch.version_in_use import VersionInUse
from tiltyard.drift.profiles import Profile
from tiltyard.errors import DataError
from tiltyard.files import write_atomically
from tiltyard.formatting import format_count
from tiltyard.ledger import BatchRun, Ledger, Prediction
from tiltyard.ledger.codec import PredictionRow, decode_prediction
from tiltyard.project import Project


@dataclass(frozen=True)
class RunToFinish:
    """A run whose fragments are all done.

    Attributes:
        project: whose version scored.
        target: where the results go.
        folder: what is done.
        plan: what was planned.
        version: what predicted.
        done: the sums over all fragments.
        resumed: fragments that an earlier call had done.
    """

    project: Project
    target: Target
    folder: WorkFolder
    plan: Plan
    version: VersionInUse
    done: FragmentDone
    resumed: int


def finish_run(given: RunToFinish, ledger: Ledger, run: BatchRun) -> ScoreResult:
    """Evaluate a run as a whole, have its results appear, and report it. Done twice, it is done once.

    Args:
        given: the run.
        ledger: where it is reported.
        run: as the ledger knows it.

    Raises:
        DataError: the source has no row, or none that can be scored.
    """
    plan, done = given.plan, given.done
    if not done.rows:
        raise DataError(f"{plan.request.source} holds no rows.", next_step="Check the source.", code="data.empty")
    if done.rows == done.refused:
        reason = _first_reason(given.folder)
        raise DataError(
            f"No row of {plan.request.source} can be scored ({format_count(done.rows, 'row')}). The first: {reason}",
            next_step="Correct the source; nothing was written.",
            code="batch.nothing-scored",
        )
    profile = _fold_profiles(ledger, plan, given.version)
    findings = evaluate_run(given.version, profile, done, _read_sampled(given.folder))
    result = ScoreResult(
        run_id=plan.run_id,
        model_name=plan.model_name,
        version=plan.version,
        source=plan.request.source,
        target=plan.request.target,
        started=plan.started,
        finished=datetime.now(UTC),
        rows=done.rows,
        scored=done.rows - done.refused,
        refused=done.refused,
        refused_file=str(given.target.refused) if done.refused else None,
        unusual=done.unusual,
        abstained=done.abstained,
        recorded=done.recorded,
        labels=done.labels,
        findings=findings,
        resumed=given.resumed,
    )
    given.target.publish(given.folder, result.to_dict())
    report_run(given.project, ledger, replace(run, finished=result.finished, evidence=result.to_dict()), result)
    described = {
        "result": result.to_dict(),
        "request": plan.request.digest,
        "states": list(plan.states),
        "target": given.target.find_state(),
    }
    write_atomically(given.folder.finished, msgspec.json.encode(described))
    clear_work(given.folder, finished=False)
    return result


def _fold_profiles(ledger: Ledger, plan: Plan, version: VersionInUse) -> Profile | None:
    layout = version.layout
    if layout is None:
        return None
    bodies = (one.body for one in ledger.batch_runs.fragments(plan.run_id) if one.layout == layout.digest)
    return reduce(lambda total, body: total + Profile.from_bytes(body), bodies, Profile.empty(layout))


def _read_sampled(folder: WorkFolder) -> list[Prediction]:
    found: list[Prediction] = []
    for file in sorted((folder.path / "sampled").glob("*.json")):
        rows = msgspec.json.decode(file.read_bytes(), type=list[PredictionRow])
        found += map(decode_prediction, rows)
    return found


def _first_reason(folder: WorkFolder) -> str:
    for file in folder.list_refused():
        with file.open("rb") as stream:
            described = msgspec.json.decode(stream.readline())
        return f"row {described['row']} of {described['file']}: {described['reason']}"
    return ""
