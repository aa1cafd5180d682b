"""``tiltyard up``: server, console and the loop, in one command."""

from __future__ import annotations

import json
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tiltyard import wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console as terminal
from tiltyard.cli.output import print_json, print_line
from tiltyard.console.run import require_console
from tiltyard.errors import MissingExtraError, UnavailableError
from tiltyard.ledger import Event, Ledger
from tiltyard.processes.health_checks import HealthCheck, heartbeat_check, http_check
from tiltyard.processes.heartbeat import HEARTBEAT
from tiltyard.processes.supervisor import ManagedProcess, ProcessExit, Supervisor
from tiltyard.project import Project, load_project
from tiltyard.serving.auth import NewKey

DIED, HUNG = "part-died", "part-hung"
# How long a program may take to its first sign of life: a server may fetch a large version before it listens.
START_SECONDS = 900.0
# So many looks in a row that see no sign, and a program hangs.
LOOKS = 6
# A heart beats once a second.
LEAST_PAUSE = 1.5
# Some of what trains lets no other thread run for a while, also not the one that touches the file.
LOOP_SECONDS = 300.0
ANSWER_SECONDS = 180.0


@click.command()
@project_option
@click.option("--host", default=None, help="Address of the server.  [default: the project's, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port of the server; 0 takes any free one.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes that answer.  [default: one]")
@click.option(
    "--console-port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="Port of the console."
)
@click.option("--no-console", is_flag=True, help="Without the console.")
@json_option
def up_command(
    project_path: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    console_port: int,
    no_console: bool,
    as_json: bool,
) -> None:
    """Run the server, the console and the control loop together.

    A program that dies or hangs is restarted, and the restart is recorded. Ctrl-C stops all three.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    host = host or project.serving.host
    port = _free_port(host, project.serving.port if port is None else port, "--port")
    with_console = not no_console and _has_console(as_json=as_json)
    console_port = _free_port("127.0.0.1", console_port, "--console-port") if with_console else 0
    ours = [] if project_path is None else ["--project", str(project_path)]
    several = [] if workers is None else ["--workers", str(workers)]
    tell = _Teller(project, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="tiltyard-up-") as folder, open_current_ledger(settings) as ledger:
        place = _Place(project, Path(folder), f"http://{_reachable(host)}:{port}", _own_key())
        parts = [place.server(*ours, "--host", host, "--port", str(port), *several)]
        if with_console:
            parts.append(place.console(console_port, *ours))
        parts.append(place.loop(*ours))
        supervisor = Supervisor(parts, tell.line, lambda death: tell.death(death, ledger))
        tell.begin(supervisor.pids)
        supervisor.run(_until_told())
    tell.end()


@dataclass(frozen=True)
class _Place:
    """What the programs have in common: the project, a folder for their signs of life, the server's address, a key."""

    project: Project
    folder: Path
    url: str
    key: NewKey = field(repr=False)

    def server(self, *words: str) -> ManagedProcess:
        # Whether a worker hangs, its keeper sees much sooner; asking at the door is for what it does not see.
        part = self._part("server", "serve", *words, beats_after=self._hang, url=f"{self.url}/health")
        return replace(part, environment={**part.environment, "TILTYARD_OWN_KEY": self.key.key.model_dump_json()})

    def console(self, port: int, *words: str) -> ManagedProcess:
        return self._part("console", "console", *words, "--port", str(port), url=f"http://127.0.0.1:{port}/")

    def loop(self, *words: str) -> ManagedProcess:
        part = self._part("loop", "loop", *words, "--server", self.url, beats_after=LOOP_SECONDS)
        return replace(part, environment={**part.environment, "TILTYARD_SERVER_KEY": self.key.token})

    @property
    def _hang(self) -> float:
        return self.project.serving.hang_seconds

    def _part(self, name: str, *words: str, beats_after: float | None = None, url: str | None = None) -> ManagedProcess:
        signs, environment = [], {}
        if beats_after is not None:
            file = self.folder / name
            environment[HEARTBEAT] = str(file)
            pause = max(LEAST_PAUSE, beats_after / LOOKS)
            signs.append(HealthCheck("it gave no sign of life", heartbeat_check(file), pause, LOOKS, START_SECONDS))
        if url is not None:
            wait = max(ANSWER_SECONDS, 2 * self._hang) / LOOKS
            signs.append(HealthCheck(f"{url} did not answer", http_check(url, wait), wait, LOOKS, START_SECONDS))
        return ManagedProcess(name, [sys.executable, "-m", "tiltyard", *words, "--json"], environment, signs)


def _own_key() -> NewKey:
    """A key by which the loop reads the server's metrics where callers need one.

    It lives as long as these programs, in the loop's memory and environment alone: the server is handed its digest.
    """
    return NewKey.make(["read"], name="the loop of tiltyard up", made_by=wiring.current_actor())


class _Teller:
    """What is printed while all of it runs: JSON lines for programs, plain lines for people."""

    def __init__(self, project: Project, *, as_json: bool) -> None:
        self._project, self._as_json = project, as_json
        self._turn = threading.Lock()
        self._pids: Callable[[], dict[str, int]] = dict

    def begin(self, pids: Callable[[], dict[str, int]]) -> None:
        self._pids = pids
        if not self._as_json:
            print_line("[bold]{}[/bold] is coming up. Press Ctrl-C to stop.", self._project.model_name)

    def line(self, part: str, line: str) -> None:
        try:
            told: Any = json.loads(line)
        except ValueError:
            told = {"text": line}
        if "url" in told:
            self._say({"event": "listening", "part": part, "pid": self._pids().get(part), **told})
        elif "error" in told:
            self._say({"event": "problem", "part": part, **told["error"]})
        else:
            self._say({"part": part, **told})

    def death(self, death: ProcessExit, ledger: Ledger) -> None:
        cause = f"signal {-death.code}" if death.code < 0 else f"exit code {death.code}"
        what = f"hung ({death.hung}) and was ended" if death.hung else f"died ({cause})"
        reason = f"The {death.part} {what}; it is started again after {death.wait_seconds:g} seconds."
        evidence = {"part": death.part, "pid": death.pid, "code": death.code, "deaths": death.deaths}
        kind = DIED
        if death.hung:
            kind, evidence = HUNG, {**evidence, "missing": death.hung}
        told: dict[str, Any] = {
            "event": "hung" if death.hung else "died",
            **evidence,
            "wait_seconds": death.wait_seconds,
            "text": reason,
        }
        try:
            ledger.append(
                Event(kind, self._project.model_name, datetime.now(UTC), wiring.current_actor(), reason, evidence)
            )
        except UnavailableError as error:
            told["ledger"] = error.message
        self._say(told)

    def end(self) -> None:
        self._say({"event": "ended", "text": "All have ended."})

    def _say(self, told: dict[str, Any]) -> None:
        with self._turn:
            if self._as_json:
                print_json(told)
                sys.stdout.flush()
            else:
                print_line(*_sentence(told))


def _sentence(told: dict[str, Any]) -> tuple[str, str, str]:
    part = f"{told.get('part', ''):<8}"
    if told.get("event") == "listening":
        return "[green]✓[/green] {} {}", part, told["url"]
    if told.get("event") == "pass":
        actions = [action["summary"] or f"{action['kind']} is under way" for action in told["response"]["actions"]]
        decision = told["response"]["decision"]
        what = " ".join(actions) or f"{len(told['found'])} found. {decision['reason'] if decision else ''}"
        return "  {} {}", f"{'look':<8}", what
    mark = "[yellow]![/yellow]" if told.get("event") in ("died", "hung", "problem") else " "
    return mark + " {} {}", part, str(told.get("text") or told.get("message") or told)


def _free_port(host: str, port: int, option: str) -> int:
    """The port, if it is free, or any that is for 0: a program that is started again keeps it.

    Raises:
        UnavailableError: somebody else listens there.
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


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104


def _has_console(*, as_json: bool) -> bool:
    try:
        require_console()
    except MissingExtraError as error:
        if not as_json:
            terminal.print(f"Without the console: {error.message} {error.next_step}")
        return False
    return True


def _until_told() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
