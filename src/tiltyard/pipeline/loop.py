"""The loop: monitor, respond, deliver notifications; on a schedule, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import FindingRecord
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.ledger.records import finding_record
from tiltyard.monitoring.run import MonitoringResult
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline.jobs.monitoring_run import run_monitoring
from tiltyard.pipeline.jobs.scheduled_report import report_if_due
from tiltyard.pipeline.orchestration.runner import FlowRunner
from tiltyard.pipeline.orchestration.schedule import Schedule
from tiltyard.pipeline.remediation.canary_checks import check_new_champion
from tiltyard.pipeline.remediation.closed_findings import find_closed
from tiltyard.pipeline.remediation.history import History
from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper
from tiltyard.pipeline.remediation.operational_checks import check_approvals, check_processes, count_hung_calls
from tiltyard.pipeline.remediation.responder import Remediation, Responder
from tiltyard.pipeline.remediation.service_checks import ERRORS, check_service
from tiltyard.pipeline.remediation.service_tally import Scrape, ServiceTally, update_tally
from tiltyard.pipeline.remediation.tally_records import COMPLETE_EVERY, read_tally
from tiltyard.processes.stop_signal import Stop
from tiltyard.project import Project

SHORTEST_TICK, LONGEST_TICK = 0.1, 5.0
DELIVER_SECONDS = 2.0
RETRY = timedelta(seconds=30)
RESTART_WINDOW = timedelta(hours=1)
"""How long a restarted program is worth an alert, unless monitoring runs are rarer."""

_NO_SERVER_KEY = "The server requires an API key to read its metrics, and got no valid one."
_MAKE_SERVER_KEY = "Make a key with: tiltyard keys api new --scope read, and set TILTYARD_SERVER_KEY for the loop."

_OLD_SERVER = "The server is of an earlier build, which does not count requests by version and cause."


@dataclass(frozen=True)
class LoopIteration:
    """What one pass of the loop found and did."""

    monitoring: MonitoringResult
    findings: tuple[FindingRecord, ...]
    response: Remediation

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, without the figures of the monitoring run."""
        return {
            "at": self.monitoring.at.isoformat(),
            "version": self.monitoring.version,
            "found": [
                {"code": one.code, "subject": one.subject, "severity": one.severity, "message": one.message}
                for one in self.findings
                if one.status == "found" and one.severity != "info"
            ],
            "response": to_json_object(self.response),
        }

    @property
    def summary(self) -> str:
        """One line for people."""
        found = sum(one.status == "found" and one.severity != "info" for one in self.findings)
        done = [action.summary or f"{action.kind} is under way" for action in self.response.actions]
        if done:
            return " ".join(done)
        decision = self.response.decision
        return f"{found} found. {decision.reason if decision else 'Another process is responding.'}"


class Loop:
    """Monitors a model, responds to what is found, and delivers notifications.

    Args:
        project: the project.
        responder: responds to what is found, in a workspace.
        dispatcher: empties the outbox.
        flows: runs monitoring and responses, here or in an orchestrator.
        scraper: reads the server's request counts; None without a server.
        ship: brings what this host's servers recorded into the ledger, before each pass; None where nothing has to.
    """

    def __init__(
        self,
        project: Project,
        responder: Responder,
        dispatcher: Dispatcher,
        flows: FlowRunner,
        scraper: MetricsScraper | None = None,
        ship: Callable[[], object] | None = None,
    ) -> None:
        self._project, self._workspace = project, responder.context.workspace
        self._responder, self._dispatcher, self._scraper = responder, dispatcher, scraper
        self._flows, self._ship = flows, ship

    def once(self, now: datetime | None = None) -> LoopIteration:
        """Monitor once and respond to what is found.

        Raises:
            TiltyardError: monitoring failed; nothing was decided on it.
        """
        if self._ship is not None:
            self._ship()
        moment = now or datetime.now(UTC)
        # The model's history is read once a pass; every step below shares it, and reads only what was appended since.
        events = self._responder.read_events()
        result, findings = self._flows.run(
            "monitoring", lambda: self._monitor(moment, events), lambda found: _findings_page(*found)
        )
        response = self._flows.run(
            "response",
            lambda: self._flows.runner.run(
                "respond", lambda: self._responder.respond(findings, events), lambda response: response.outcome
            ),
            lambda response: LoopIteration(result, findings, response).summary,
        )
        if response.outcome != "busy":
            # Only now: had the process died before its alerts ended, the next pass would find them again.
            self._workspace.ledger.findings.record([one for one in findings if one.evidence.get("closed")])
        return LoopIteration(result, findings, response)

    def _monitor(self, moment: datetime, events: ModelEvents) -> tuple[MonitoringResult, tuple[FindingRecord, ...]]:
        runner = self._flows.runner
        result = runner.run(
            "take-look",
            lambda: run_monitoring(self._project, self._workspace, until=moment, events=events),
            lambda result: f"{len(result.alarms)} found",
        )
        extra = runner.run(
            "watch-champion",
            lambda: self._check_operations(result, moment, events),
            lambda records: f"{format_count(len(records), 'thing')} watched",
        )
        return result, (*result.records(), *extra)

    def _check_operations(self, result: MonitoringResult, moment: datetime, events: ModelEvents) -> list[FindingRecord]:
        """Findings about a new champion, about the programs, and about versions that wait for approval; recorded."""
        name = self._project.model_name
        history = self._responder.history(events)
        tally = self._tally_requests(history, events, moment)
        about_champion = check_new_champion(self._project, self._workspace, history, moment, tally)
        if about_champion and tally is None:
            about_champion += _explain_missing_counts(self._scraper)
        window = max(RESTART_WINDOW, 2 * timedelta(minutes=self._project.monitoring.every_minutes))
        seen = events.read()
        about_operations = [
            check_processes(seen, moment - window, moment),
            *check_approvals(seen, name, history.champion, moment),
        ]
        if tally is not None:
            about_operations.append(check_service(self._project, tally, moment))
        records = [
            finding_record(finding, model_name=name, at=moment, version=history.champion) for finding in about_champion
        ]
        records += [finding_record(finding, model_name=name, at=moment) for finding in about_operations]
        ledger = self._workspace.ledger
        ledger.findings.record(records)
        return [*records, *find_closed(ledger, name, history, [*result.records(), *records], moment)]

    def _tally_requests(self, history: History, events: ModelEvents, moment: datetime) -> ServiceTally | None:
        """What the servers counted about the champion up to now; None where there is none, or none can be read."""
        period = history.aliases.champion
        workers = self._scraper.scrape() if self._scraper is not None and period is not None else []
        if period is None or period.version is None or not workers:
            return None
        earlier = [one.version for one in history.aliases.champions[:-1]]
        scrape = Scrape(
            workers=workers,
            version=period.version,
            since=period.since,
            now=moment,
            previous=history.aliases.previous_champion,
            returned=period.version in earlier,
            hangs=count_hung_calls(events.read(), period.version, period.since),
        )
        before = read_tally(self._workspace.ledger, self._project.model_name)
        return update_tally(before, scrape, complete_every=COMPLETE_EVERY)

    def run(
        self,
        stop: Stop,
        on_pass: Callable[[LoopIteration], None],
        on_problem: Callable[[TiltyardError], None],
        on_step: Callable[[], object] = lambda: None,
    ) -> None:
        """Run until ``stop`` is set: resume what was interrupted, then monitor whenever that is due, and report.

        A thread delivers notifications meanwhile, also while a response takes long.

        Args:
            stop: ends the loop, after the step that is under way.
            on_pass: called with each pass.
            on_problem: called with each failure; the work is tried again.
            on_step: called regularly as a sign of life, for a supervisor that ends a loop that hangs.
        """
        every = timedelta(minutes=self._project.monitoring.every_minutes)
        schedule = Schedule(
            self._workspace.ledger.leases, f"look/{self._project.model_name}", every, self._workspace.actor
        )
        delivering = threading.Thread(target=self._deliver, args=(stop, on_problem), name="dispatcher", daemon=True)
        delivering.start()
        self._run_and_report(lambda: self._responder.respond([]), on_problem)
        while not stop.is_set():
            on_step()
            self._run_and_report(lambda: self._monitor_if_due(schedule, on_pass), on_problem)
            self._run_and_report(lambda: report_if_due(self._project, self._workspace, datetime.now(UTC)), on_problem)
            stop.wait(min(max(every.total_seconds() / 10, SHORTEST_TICK), LONGEST_TICK))
        delivering.join()

    def _monitor_if_due(self, schedule: Schedule, on_pass: Callable[[LoopIteration], None]) -> None:
        now = datetime.now(UTC)
        lease = schedule.begin()
        if lease is None:
            return
        try:
            iteration = self.once(now)
        except BaseException:
            schedule.retry_soon(lease, RETRY)
            raise
        on_pass(iteration)

    def _deliver(self, stop: Stop, on_problem: Callable[[TiltyardError], None]) -> None:
        while True:
            self._run_and_report(self._dispatcher.run, on_problem)
            if stop.wait(DELIVER_SECONDS):
                self._run_and_report(self._dispatcher.run, on_problem)  # what the last pass added
                return

    @staticmethod
    def _run_and_report(work: Callable[[], object], on_problem: Callable[[TiltyardError], None]) -> None:
        try:
            work()
        except TiltyardError as error:
            on_problem(error)
        except Exception as error:  # noqa: BLE001 - one failed pass must not end the loop
            on_problem(TiltyardError(f"{type(error).__name__}: {error}", code="loop.unexpected"))


def _explain_missing_counts(scraper: MetricsScraper | None) -> list[Finding]:
    """Why nothing is known about a new champion's requests."""
    if scraper is None:
        why, step = "This loop reads no server.", "Name its address: tiltyard loop --server URL"
    elif scraper.refused:
        why, step = _NO_SERVER_KEY, _MAKE_SERVER_KEY
    elif scraper.outdated:
        why, step = _OLD_SERVER, "Restart the server with this build of Tiltyard."
    else:
        why, step = "The server does not respond.", "Scrape whether it runs: tiltyard doctor"
    return [could_not_judge(ERRORS, "requests", why, step)]


def _findings_page(result: MonitoringResult, findings: Sequence[FindingRecord]) -> str:
    """The findings of a monitoring run as Markdown, for the orchestrator's pages."""
    rows = [
        f"| {one.code} | {one.subject} | {one.status.replace('_', ' ')} | {one.severity} | {one.message} |".replace(
            "\n", " "
        )
        for one in findings
    ]
    head = f"# {result.model_name}, version {result.version or '–'}, {result.at:%Y-%m-%d %H:%M} UTC\n"
    return "\n".join(
        [head, "| finding | subject | verdict | severity | what was seen |", "|---|---|---|---|---|", *rows]
    )
