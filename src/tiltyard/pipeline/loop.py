"""The loop: look, respond, deliver; on a schedule, for as long as it is let."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.findings import Finding, could_not_judge
from tiltyard.ledger import FindingRecord
from tiltyard.ledger.finding_records import finding_record
from tiltyard.monitoring.run import MonitoringResult
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline.jobs.monitoring_run import run_monitoring
from tiltyard.pipeline.jobs.scheduled_report import report_if_due
from tiltyard.pipeline.orchestration.runner import FlowRunner
from tiltyard.pipeline.orchestration.schedule import Schedule
from tiltyard.pipeline.remediation.canary_checks import ERRORS, check_new_champion
from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper
from tiltyard.pipeline.remediation.operational_checks import check_approvals, check_processes
from tiltyard.pipeline.remediation.responder import Remediation, Responder
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace

SHORTEST_TICK, LONGEST_TICK = 0.1, 5.0
DELIVER_SECONDS = 2.0
RETRY = timedelta(seconds=30)
UPKEEP = timedelta(hours=1)
"""How long a program that was started again is worth an alert, unless looks are rarer."""

_NOT_LET_IN = "The server asks for an API key to read its metrics, and was shown none that is good."
_LET_IN = "Make a key with: tiltyard keys api new --scope read, and set TILTYARD_SERVER_KEY for the loop."


@dataclass(frozen=True)
class LoopIteration:
    """What one pass of the loop saw and did."""

    look: MonitoringResult
    findings: tuple[FindingRecord, ...]
    response: Remediation

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, without the figures of the look."""
        return {
            "at": self.look.at.isoformat(),
            "version": self.look.version,
            "found": [
                {"code": one.code, "subject": one.subject, "severity": one.severity, "message": one.message}
                for one in self.findings
                if one.status == "found" and one.severity != "info"
            ],
            "response": self.response.to_dict(),
        }

    @property
    def summary(self) -> str:
        """One line for people."""
        found = sum(one.status == "found" and one.severity != "info" for one in self.findings)
        done = [action.summary or f"{action.kind} is under way" for action in self.response.actions]
        if done:
            return " ".join(done)
        decision = self.response.decision
        return f"{found} found. {decision.reason if decision else 'Another process is at it.'}"


class Loop:
    """Looks at a model, answers what is found, and delivers notices.

    Args:
        project: the project.
        workspace: registry, ledger and host.
        responder: answers what is found.
        courier: empties the outbox.
        flows: runs looks and responses, here or in an orchestrator.
        probe: reads what the server counted; None where there is none to ask.
    """

    def __init__(
        self,
        project: Project,
        workspace: Workspace,
        responder: Responder,
        courier: Dispatcher,
        flows: FlowRunner,
        probe: MetricsScraper | None = None,
    ) -> None:
        self._project, self._workspace = project, workspace
        self._responder, self._courier, self._probe = responder, courier, probe
        self._flows = flows

    def once(self, now: datetime | None = None) -> LoopIteration:
        """Look once and answer what is found.

        Raises:
            TiltyardError: the look could not be taken; nothing was decided on it.
        """
        moment = now or datetime.now(UTC)
        seen, findings = self._flows.run("monitoring", lambda: self._look(moment), lambda found: _findings_page(*found))
        response = self._flows.run(
            "response",
            lambda: self._flows.runner.run(
                "respond", lambda: self._responder.respond(findings), lambda answer: answer.outcome
            ),
            lambda answer: LoopIteration(seen, findings, answer).summary,
        )
        return LoopIteration(seen, findings, response)

    def _look(self, moment: datetime) -> tuple[MonitoringResult, tuple[FindingRecord, ...]]:
        runner = self._flows.runner
        seen = runner.run(
            "take-look",
            lambda: run_monitoring(self._project, self._workspace, until=moment),
            lambda look: f"{len(look.alarms)} found",
        )
        extra = runner.run(
            "watch-champion", lambda: self._watch(seen, moment), lambda watched: f"{len(watched)} things watched"
        )
        return seen, (*seen.records(), *extra)

    def _watch(self, seen: MonitoringResult, moment: datetime) -> list[FindingRecord]:
        counts = self._probe.counts() if self._probe else None
        history = self._responder.history()
        watched = check_new_champion(self._project, self._workspace, history, moment, counts)
        if watched and self._probe is not None and self._probe.refused:
            watched.append(could_not_judge(ERRORS, "requests", _NOT_LET_IN, _LET_IN))
        name = self._project.model_name
        records = [finding_record(finding, project=name, at=moment, version=seen.version) for finding in watched]
        records += [finding_record(finding, project=name, at=moment) for finding in self._upkeep(moment)]
        self._workspace.ledger.findings.record(records)
        return records

    def _upkeep(self, moment: datetime) -> list[Finding]:
        name = self._project.model_name
        window = max(UPKEEP, 2 * timedelta(minutes=self._project.monitoring.every_minutes))
        events = list(self._workspace.ledger.events(subject=name))
        champion = self._responder.history().champion
        return [
            check_processes(events, moment - window, moment),
            *check_approvals(events, name, champion, moment),
        ]

    def run(
        self,
        stop: threading.Event,
        on_pass: Callable[[LoopIteration], None],
        on_problem: Callable[[TiltyardError], None],
        on_step: Callable[[], object] = lambda: None,
    ) -> None:
        """Go on until ``stop`` is set: at once take up what was cut off, then look whenever a look is due, and report.

        Notices are delivered beside, also while a response takes its time.

        Args:
            stop: ends it, after what is being done.
            on_pass: told of each pass.
            on_problem: told of what could not be done; it is tried again.
            on_step: told again and again that it gets on, for whoever would end a loop that is stuck.
        """
        every = timedelta(minutes=self._project.monitoring.every_minutes)
        schedule = Schedule(
            self._workspace.ledger.leases, f"look/{self._project.model_name}", every, self._workspace.actor
        )
        delivering = threading.Thread(target=self._deliver, args=(stop, on_problem), name="courier", daemon=True)
        delivering.start()
        self._guarded(lambda: self._responder.respond([]), on_problem)
        while not stop.is_set():
            on_step()
            self._guarded(lambda: self._look_if_due(schedule, on_pass), on_problem)
            self._guarded(lambda: report_if_due(self._project, self._workspace, datetime.now(UTC)), on_problem)
            stop.wait(min(max(every.total_seconds() / 10, SHORTEST_TICK), LONGEST_TICK))
        delivering.join()

    def _look_if_due(self, schedule: Schedule, on_pass: Callable[[LoopIteration], None]) -> None:
        now = datetime.now(UTC)
        lease = schedule.begin(now)
        if lease is None:
            return
        try:
            seen = self.once(now)
        except BaseException:
            schedule.failed(lease, now, RETRY)
            raise
        on_pass(seen)

    def _deliver(self, stop: threading.Event, on_problem: Callable[[TiltyardError], None]) -> None:
        while True:
            self._guarded(self._courier.run, on_problem)
            if stop.wait(DELIVER_SECONDS):
                self._guarded(self._courier.run, on_problem)  # what the last pass left
                return

    @staticmethod
    def _guarded(work: Callable[[], object], on_problem: Callable[[TiltyardError], None]) -> None:
        try:
            work()
        except TiltyardError as error:
            on_problem(error)
        except Exception as error:  # noqa: BLE001 - a loop that ends over one bad pass is none
            on_problem(TiltyardError(f"{type(error).__name__}: {error}", code="loop.unexpected"))


def _findings_page(seen: MonitoringResult, findings: Sequence[FindingRecord]) -> str:
    """The findings of a look as Markdown, for those who look at it later."""
    rows = [
        f"| {one.code} | {one.subject} | {one.status.replace('_', ' ')} | {one.severity} | {one.message} |".replace(
            "\n", " "
        )
        for one in findings
    ]
    head = f"# {seen.model}, version {seen.version or '–'}, {seen.at:%Y-%m-%d %H:%M} UTC\n"
    return "\n".join(
        [head, "| finding | subject | verdict | severity | what was seen |", "|---|---|---|---|---|", *rows]
    )
