"""One episode: a supervisor with two workers, a shipper, two loops and two deciders, and what must hold at its end."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from benchmarks.simulated.stores import Failing
from benchmarks.simulated.substitutes import WorldPopen, read_wall_clock, take_place
from benchmarks.simulated.world import Process, World

from tiltyard.errors import TiltyardError
from tiltyard.ledger import Event, SqlLedger, hold_lease
from tiltyard.ledger.codec import encode_predictions
from tiltyard.ledger.spools import spool_shipper
from tiltyard.ledger.spools.spool import SpooledLedger, list_spools, measure_lag
from tiltyard.processes.supervisor import ManagedProcess, Supervisor
from tiltyard.promotion.alias_change import AliasChange, move_alias, recover_alias_changes
from tiltyard.promotion.context import Workspace
from tiltyard.registry.alias_history import PROMOTED, read_alias_history
from tiltyard.registry.outside_changes import find_mismatches, record_outside_changes
from tiltyard.testing import MemoryLedger, make_prediction
from tiltyard.testing.registry import MemoryRegistry

MODEL = "films"
VERSIONS = 4
ACTED = "acted"
SETTLING_STEPS = 50_000
LOOP_HOLD = timedelta(seconds=120)


@dataclass
class Report:
    """What an episode did, and what did not hold.

    Attributes:
        seed: the episode's own.
        steps: how many steps it took.
        broken: a sentence for each invariant that did not hold.
        counts: what happened, by name.
    """

    seed: str
    steps: int = 0
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Episode:
    """The parts of one episode.

    Args:
        seed: decides everything.
        folder: for the spools, empty.
        template: an empty spool.
    """

    def __init__(self, seed: str, folder: Path, template: Path) -> None:
        self.world = World(seed)
        self.ledger, self.registry = MemoryLedger(), MemoryRegistry()
        self.ledger.leases.clock = lambda: datetime.fromtimestamp(self.world.now, UTC)
        self.folder = folder
        self.sent: list[str] = []
        self.decided: list[Event] = []
        self._row = encode_predictions([make_prediction()])[0]
        for number in range(2):
            shutil.copy(template, folder / f"worker-{number}.db")
        (folder / "model").mkdir()
        for _ in range(VERSIONS):
            self.registry.register_model(str(folder / "model"), MODEL)

    def run(self, steps: int) -> Report:
        """Run it, let it come to rest, and check the invariants."""
        world, report = self.world, Report("")
        with take_place(world):
            move_alias(self._workspace("founder"), self._promotion("1", None))
            world.start("supervisor", self._supervise, again=3.0)
            for name in ("decider-1", "decider-2"):
                world.start(name, self._decide, again=20.0)
            for name in ("loop-1", "loop-2"):
                world.start(name, self._loop, again=20.0)
            world.run(steps)
            if not world.settle(SETTLING_STEPS):
                report.broken.append("the processes do not come to rest")
            world.now += LOOP_HOLD.total_seconds() * 2
            recover_alias_changes(self._workspace("doctor"), MODEL)
            record_outside_changes(self.registry, self.ledger, MODEL, "doctor")
            spool_shipper.ship_folder(self.folder, self.ledger)
            report.broken += self._check_predictions() + self._check_decisions()
        report.steps = world.steps
        report.counts = world.happened + Counter(
            sent=len(self.sent),
            decided=len(self.decided),
            undone=sum(event.evidence.get("outcome") == "undone" for event in self.ledger.events()),
        )
        return report

    def _supervise(self, supervisor: Process) -> None:
        """The supervisor: it keeps the workers running, which end with it, and ships their spools."""
        world = self.world
        workers: list[Process] = []

        def launch(number: int) -> Any:
            worker = world.start(f"worker-{number}", lambda process: self._work(process, number))
            workers.append(worker)
            return WorldPopen(world, worker)

        managed = [ManagedProcess(f"worker {number}", lambda number=number: launch(number)) for number in range(2)]  # type: ignore[misc]
        stop = cast(Any, SimpleNamespace(is_set=lambda: world.closing, wait=lambda _seconds: world.sleep(1.0)))
        world.spawn(supervisor, self._ship)
        try:
            Supervisor(managed, lambda _exit: None).run(stop)
        finally:
            for worker in workers:  # they notice that it is gone
                if worker.alive:
                    world.bury(worker)

    def _work(self, _process: Process, number: int) -> None:
        world = self.world
        with SpooledLedger.open(self.folder, f"worker-{number}", lambda: self.ledger) as spool:
            while not world.closing:
                ids = [
                    str(UUID(int=world.random.getrandbits(128), version=4)) for _ in range(world.random.randint(1, 3))
                ]
                world.step()
                spool.record_rows([self._row._replace(id=id_) for id_ in ids])
                world.step()
                self.sent += ids  # the response leaves
                world.sleep(world.random.expovariate(0.2))

    def _ship(self) -> None:
        central = cast(Any, Failing(self.world, "database", self.ledger, parts=("arrivals",)))
        while not self.world.closing:
            with suppress(TiltyardError):
                spool_shipper.ship_folder(self.folder, central)
            self.world.sleep(2.0)

    def _decide(self, process: Process) -> None:
        world, workspace = self.world, self._workspace(process.name)
        while not world.closing:
            with suppress(TiltyardError):
                info = workspace.registry.champion(MODEL)
                champion = None if info is None else info.version
                others = [str(n) for n in range(1, VERSIONS + 1) if str(n) != champion]
                self.decided.append(move_alias(workspace, self._promotion(world.random.choice(others), champion)))
            world.sleep(world.random.uniform(0.1, 5))

    def _loop(self, process: Process) -> None:
        world, workspace = self.world, self._workspace(process.name)
        while not world.closing:
            with (
                suppress(TiltyardError),
                hold_lease(workspace.ledger.leases, f"response/{MODEL}", hold=LOOP_HOLD) as guard,
            ):
                if guard is not None:
                    record_outside_changes(workspace.registry, workspace.ledger, MODEL, "loop")
                    recover_alias_changes(workspace, MODEL)
                    guard.renew()
                    event = Event(ACTED, "loop", read_wall_clock(world), process.name, "", {"turn": guard.lease.turn})
                    workspace.ledger.append(event, lease=guard.lease)
            world.sleep(30.0)

    def _workspace(self, actor: str) -> Workspace:
        registry = cast(Any, Failing(self.world, "registry", self.registry))
        ledger = cast(Any, Failing(self.world, "database", self.ledger, ("leases",)))
        return Workspace(registry, ledger, self.folder, (), actor)

    @staticmethod
    def _promotion(version: str, before: str | None) -> AliasChange:
        evidence: dict[str, Any] = {"champion": before, "verdict": {"gates": []}}
        return AliasChange(MODEL, "champion", version, before, PROMOTED, "it won", evidence)

    def _check_predictions(self) -> list[str]:
        """A prediction that was sent is recorded once."""
        recorded = Counter(row.id for row in self.ledger.predictions())
        broken = [f"{id_} was sent and is recorded {recorded[id_]} times" for id_ in self.sent if recorded[id_] != 1]
        lag = measure_lag(self.folder)
        if lag.rows or lag.unreadable:
            broken.append(
                f"{lag.rows} rows wait in {len(list_spools(self.folder))} spools, {lag.unreadable} unreadable"
            )
        return broken

    def _check_decisions(self) -> list[str]:
        """A champion implies a decision, and there was one decision at a time."""
        events = list(self.ledger.events(subject=MODEL))
        aliases = {name: info.version for info in self.registry.list_versions(MODEL) for name in info.aliases}
        champion = read_alias_history(events, MODEL).aliases["champion"]
        broken = list(self.ledger.verify_events())
        if champion.outside or find_mismatches(events, MODEL, aliases):
            broken.append(f"the aliases are {aliases}, and the last decision made {champion.version} champion")
        promoted = [event for event in events if event.kind == PROMOTED]
        for earlier, later in zip([None, *promoted], promoted, strict=False):
            version = None if earlier is None else earlier.subject.rpartition("/")[2]
            if later.evidence["champion"] != version:
                broken.append(
                    f"decision {later.sequence} replaced {later.evidence['champion']}, and champion was {version}"
                )
        known = {event.sequence: event.digest for event in promoted}
        broken += [
            f"decision {event.sequence} is gone" for event in self.decided if known.get(event.sequence) != event.digest
        ]
        settled = [event.evidence["succession"] for event in promoted]
        broken += [f"the change {number} was decided twice" for number, times in Counter(settled).items() if times > 1]
        turns = [event.evidence["turn"] for event in self.ledger.events(kind=ACTED)]
        if turns != sorted(turns):
            broken.append("two loops acted at the same time")
        return broken


@contextmanager
def prepare_spool() -> Iterator[Path]:
    """A folder for spools, in memory where the host has such, with an empty one as ``template``."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tiltyard-simulation-", dir=memory if memory.is_dir() else None) as root:
        SqlLedger.open(f"sqlite:///{root}/template").close()
        yield Path(root)


def run_episode(seed: str, steps: int, root: Path) -> Report:
    """Run one episode; ``root`` is from ``prepare_spool``."""
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        return replace(Episode(seed, folder, root / "template").run(steps), seed=seed)
    finally:
        shutil.rmtree(folder)
