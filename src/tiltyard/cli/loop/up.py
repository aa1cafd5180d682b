"""``tiltyard up``: server, console, the loop and the streams, in one command."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console as terminal
from tiltyard.cli.output import print_json, print_line
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import MissingExtraError, UnavailableError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.ledger import Ledger
    from tiltyard.processes.health_checks import HealthCheck
    from tiltyard.processes.supervisor import ManagedProcess, ProcessExit
    from tiltyard.project import Project
    from tiltyard.serving.auth import NewKey

DIED, HUNG = "part-died", "part-hung"
# How long a process may take until its first health check passes: a server may fetch a large version before it listens.
START_SECONDS = 900.0
# After so many failed health checks in a row a process hangs.
MISSES = 6
# A process touches its heartbeat file once a second.
SHORTEST_PAUSE = 1.5
# Some training code lets no other thread run for a while, also not the one that touches the file.
LOOP_SECONDS = 300.0
HTTP_SECONDS = 180.0


@click.command()
@project_option
@model_option
@click.option("--host", default=None, help="Address of the server.  [default: the project's, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port of the server; 0 takes any free one.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes that serve requests.  [default: one]")
@click.option(
    "--console-port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="Port of the console."
)
@click.option("--no-console", is_flag=True, help="Without the console.")
@click.option(
    "--loop-port", type=click.IntRange(0, 65535), default=None, help="Port of the loop's /health and /metrics."
)
@json_option
def up_command(
    project_path: Path | None,
    model_name: str | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    console_port: int,
    no_console: bool,
    loop_port: int | None,
    as_json: bool,
) -> None:
    """Run the server, the console, the control loop and the streams of the project file together.

    A program that dies or hangs is restarted, and the restart is recorded. Ctrl-C stops all of them.
    """
    from tiltyard import wiring
    from tiltyard.processes.stop_signal import stop_on_signal
    from tiltyard.processes.supervisor import Supervisor

    project = find_project(project_path, model_name)
    _check_streams(project)
    settings = wiring.load_settings(project)
    host = host or project.serving.host
    port = _free_port(host, project.serving.port if port is None else port, "--port")
    with_console = not no_console and _has_console(as_json=as_json)
    console_port = _free_port("127.0.0.1", console_port, "--console-port") if with_console else 0
    loop_options = [] if loop_port is None else ["--port", str(_free_port("127.0.0.1", loop_port, "--loop-port"))]
    project_options = [] if project_path is None else ["--project", str(project_path)]
    project_options += [] if model_name is None else ["--model-name", model_name]
    worker_options = [] if workers is None else ["--workers", str(workers)]
    output = _Output(project, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="tiltyard-up-") as folder, open_current_ledger(settings) as ledger:
        url = f"http://{_reachable_host(host)}:{port}"
        programs = _Programs(project, Path(folder), url, _new_own_key(), output.relay_line)
        managed = [programs.server(*project_options, "--host", host, "--port", str(port), *worker_options)]
        if with_console:
            managed.append(programs.console(console_port, *project_options))
        managed.append(programs.loop(*project_options, *loop_options))
        for name, stream in project.stream.items():
            ports = [_free_port(stream.host, stream.port, f"stream.{name}.port") for _ in range(stream.processes)]
            managed += [
                programs.stream(name, number, stream.host, port, *project_options) for number, port in enumerate(ports)
            ]
        supervisor = Supervisor(managed, lambda exit_: output.report_exit(exit_, ledger))
        output.begin(supervisor.pids)
        supervisor.run(stop_on_signal())
    output.end()


@dataclass(frozen=True)
class _Programs:
    """Server, console, loop and streams as managed processes.

    Attributes:
        project: the project.
        folder: the folder of their heartbeat files.
        url: the server's address.
        key: the key by which the loop reads the server's metrics.
        on_line: receives each line of their output, with the program's name.
    """

    project: Project
    folder: Path
    url: str
    key: NewKey = field(repr=False)
    on_line: Callable[[str, str], object]

    def server(self, *options: str) -> ManagedProcess:
        hang_seconds = self.project.serving.hang_seconds
        beats = self._heartbeat("server", hang_seconds)
        # The server's own supervisor sees much sooner that a worker hangs; the HTTP check is for what it does not see.
        environment = {**self._heartbeat_variable("server"), "TILTYARD_OWN_KEY": self.key.key.model_dump_json()}
        return self._manage("server", ["serve", *options], environment, beats, self._http(f"{self.url}/health"))

    def console(self, port: int, *options: str) -> ManagedProcess:
        http = self._http(f"http://127.0.0.1:{port}/")
        return self._manage("console", ["console", *options, "--port", str(port)], {}, http)

    def loop(self, *options: str) -> ManagedProcess:
        beats = self._heartbeat("loop", LOOP_SECONDS)
        environment = {**self._heartbeat_variable("loop"), "TILTYARD_SERVER_KEY": self.key.token}
        return self._manage("loop", ["loop", *options, "--server", self.url], environment, beats)

    def stream(self, name: str, number: int, host: str, port: int, *options: str) -> ManagedProcess:
        http = self._http(f"http://{_reachable_host(host)}:{port}/health")
        part = f"stream {name}" + (f" {number + 1}" if number else "")
        return self._manage(part, ["stream", name, "--wait", *options, "--port", str(port)], {}, http)

    def _heartbeat_variable(self, name: str) -> dict[str, str]:
        from tiltyard.processes.heartbeat import HEARTBEAT

        return {HEARTBEAT: str(self.folder / name)}

    def _heartbeat(self, name: str, seconds: float) -> Callable[[], HealthCheck]:
        from tiltyard.processes.health_checks import HealthCheck, heartbeat_check

        pause = max(SHORTEST_PAUSE, seconds / MISSES)
        return lambda: HealthCheck(
            "its heartbeat stopped", heartbeat_check(self.folder / name), pause, MISSES, START_SECONDS
        )

    def _http(self, url: str) -> Callable[[], HealthCheck]:
        from tiltyard.processes.health_checks import HealthCheck, http_check

        timeout = max(HTTP_SECONDS, 2 * self.project.serving.hang_seconds) / MISSES
        return lambda: HealthCheck(f"{url} did not respond", http_check(url, timeout), timeout, MISSES, START_SECONDS)

    def _manage(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *checks: Callable[[], HealthCheck]
    ) -> ManagedProcess:
        from tiltyard.processes.process_group import launch_group
        from tiltyard.processes.supervisor import ManagedProcess

        command = [sys.executable, "-P", "-m", "tiltyard", *arguments, "--json"]
        return ManagedProcess(
            name,
            lambda: launch_group(command, environment),
            health_checks=lambda: [check() for check in checks],
            on_line=lambda line: self.on_line(name, line),
            leads_group=True,
        )


def _check_streams(project: Project) -> None:
    """Make sure that the streams of the project file can be run here.

    Raises:
        UsageError: an address cannot be used.
        MissingExtraError: the library of a broker is not installed.
    """
    from tiltyard.streams.brokers.library import require_library
    from tiltyard.streams.request import read_stream

    for name in project.stream:
        for address in read_stream(project, name).addresses.values():
            require_library(address)


def _new_own_key() -> NewKey:
    """A key by which the loop reads the server's metrics where callers need one.

    It lives as long as these processes, in the loop's memory and environment alone: the server receives its digest.
    """
    from tiltyard import wiring
    from tiltyard.serving.auth import NewKey

    return NewKey.generate(["read"], name="the loop of tiltyard up", made_by=wiring.current_actor())


class _Output:
    """Prints what the processes report: JSON lines for programs, plain lines for people."""

    def __init__(self, project: Project, *, as_json: bool) -> None:
        self._project, self._as_json = project, as_json
        self._printing = threading.Lock()
        self._pids: Callable[[], dict[str, int]] = dict

    def begin(self, pids: Callable[[], dict[str, int]]) -> None:
        self._pids = pids
        if not self._as_json:
            print_line("[bold]{}[/bold] is starting. Press Ctrl-C to stop.", self._project.model_name)

    def relay_line(self, name: str, line: str) -> None:
        """Print a line that a process wrote to its standard output."""
        try:
            content: Any = json.loads(line)
        except ValueError:
            content = {"text": line}
        if "url" in content:
            self._print({"event": "listening", "part": name, "pid": self._pids().get(name), **content})
        elif "error" in content:
            self._print({"event": "problem", "part": name, **content["error"]})
        else:
            self._print({"part": name, **content})

    def report_exit(self, exit_: ProcessExit, ledger: Ledger) -> None:
        """Record in the ledger that a process died or hung, and print it."""
        from tiltyard import wiring
        from tiltyard.ledger import Event

        cause = f"signal {-exit_.code}" if exit_.code < 0 else f"exit code {exit_.code}"
        what = f"hung ({exit_.hung}) and was ended" if exit_.hung else f"died ({cause})"
        reason = f"The {exit_.name} {what}; it is started again after {exit_.wait_seconds:g} seconds."
        evidence = {"part": exit_.name, "pid": exit_.pid, "code": exit_.code, "deaths": exit_.deaths}
        kind = DIED
        if exit_.hung:
            kind, evidence = HUNG, {**evidence, "missing": exit_.hung}
        report: dict[str, Any] = {
            "event": "hung" if exit_.hung else "died",
            **evidence,
            "wait_seconds": exit_.wait_seconds,
            "text": reason,
        }
        try:
            ledger.append(
                Event(kind, self._project.model_name, datetime.now(UTC), wiring.current_actor(), reason, evidence)
            )
        except UnavailableError as error:
            report["ledger"] = error.message
        self._print(report)

    def end(self) -> None:
        self._print({"event": "ended", "text": "All processes have ended."})

    def _print(self, report: dict[str, Any]) -> None:
        with self._printing:
            if self._as_json:
                print_json(report)
                sys.stdout.flush()
            else:
                print_line(*_format_report(report))


def _format_report(report: dict[str, Any]) -> tuple[str, str, str]:
    name = f"{report.get('part', ''):<8}"
    if report.get("event") == "listening":
        return "[green]✓[/green] {} {}", name, report["url"]
    if report.get("event") == "pass":
        actions = [action["summary"] or f"{action['kind']} is under way" for action in report["response"]["actions"]]
        decision = report["response"]["decision"]
        what = (
            " ".join(actions)
            or f"{format_count(len(report['found']), 'finding')}. {decision['reason'] if decision else ''}"
        )
        return "  {} {}", name, what
    mark = "[yellow]![/yellow]" if report.get("event") in ("died", "hung", "problem") else " "
    return mark + " {} {}", name, str(report.get("text") or report.get("message") or report)


def _free_port(host: str, port: int, option: str) -> int:
    """The port, if it is free, or any free one for 0: a process that is started again keeps it.

    Raises:
        UnavailableError: another program listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UnavailableError(
                f"Port {port} of {host} cannot be used: {error.strerror or error}.",
                next_step=f"Stop what listens there, or choose another with {option}; 0 takes any free one.",
                code="port.taken",
            ) from None
        return int(probe.getsockname()[1])


def _reachable_host(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104


def _has_console(*, as_json: bool) -> bool:
    from tiltyard.console.run import require_console

    try:
        require_console()
    except MissingExtraError as error:
        if not as_json:
            terminal.print(f"Without the console: {error.message} {error.next_step}")
        return False
    return True
