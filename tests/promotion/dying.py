"""A program whose processes move aliases and die at a chosen moment: real ones, by SIGKILL.

    python -m tests.promotion.dying FOLDER...

A folder names the moment at which its process dies, and before an @ what it does (promote, where there is none); in one
called race-N two processes promote at once, N times.

It imports what takes long once, and forks before it opens anything.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.ledger import Event, SqlLedger
from tiltyard.pipeline import Workspace, approve_version, roll_back
from tiltyard.project import Project
from tiltyard.promotion.alias_change import AliasChange, ChampionChangedError, move_alias
from tiltyard.promotion.manual_change import point_alias
from tiltyard.registry import MlflowRegistry

NAME = "films"
MOMENTS = ("before-aliases", "between-aliases", "after-aliases", "after-decision", "after-end")
DIES_AFTER = {
    "approved": "after-approved",
    "promoted": "after-decision",
    "rolled-back": "after-decision",
    "alias-set": "after-decision",
    "succession-ended": "after-end",
}


class DyingRegistry:
    """A registry that kills its process at a moment; all else it hands on."""

    def __init__(self, registry: MlflowRegistry, moment: str) -> None:
        self._registry = registry
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        if self._moment == "before-aliases":
            die()
        self._registry.set_alias(name, alias, version)
        if self._moment == {"previous": "between-aliases", "champion": "after-aliases"}[alias]:
            die()


class DyingLedger:
    """A ledger that kills its process once a decision was appended."""

    def __init__(self, ledger: SqlLedger, moment: str) -> None:
        self._ledger = ledger
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def append(self, event: Event, *more: Any, **options: Any) -> Event:
        made = self._ledger.append(event, *more, **options)
        if self._moment == DIES_AFTER.get(event.kind):
            die()
        return made


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def promotion(version: str, before: str | None) -> AliasChange:
    return AliasChange(
        NAME, "champion", version, before, "promoted", "it won", {"champion": before, "verdict": {"gates": []}}
    )


def workspace_in(folder: Path, moment: str = "", actor: str = "tester") -> Workspace:
    """A workspace on the stores of a folder, that kills its process at a moment."""
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    ledger = SqlLedger.open(f"sqlite:///{folder / 'ledger.db'}")
    if not moment:
        return Workspace(registry, ledger, folder / "cache", (), actor)
    killing: Any = DyingRegistry(registry, moment)
    killing_too: Any = DyingLedger(ledger, moment)
    return Workspace(killing, killing_too, folder / "cache", (), actor)


def in_a_process(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    except ChampionChangedError:
        os._exit(3)
    except TiltyardError as error:
        os.write(2, f"{error.message}\n".encode())
        os._exit(1)
    os._exit(0)


def promoting(folder: Path, version: int, before: int) -> Callable[[], object]:
    return lambda: move_alias(workspace_in(folder, actor=f"process {version}"), promotion(str(version), str(before)))


def dying_in(folder: Path) -> Callable[[], object]:
    act, _, moment = folder.name.rpartition("@")
    acts: dict[str, Callable[[Workspace], object]] = {
        "": lambda workspace: move_alias(workspace, promotion("2", "1")),
        "approve": lambda workspace: approve_version(workspace, approving(), "2", reason="seen it"),
        "rollback": lambda workspace: roll_back(workspace, NAME, to="2", reason="complaints"),
        "set-alias": lambda workspace: point_alias(
            workspace, NAME, version="2", alias="champion", reason="it is urgent"
        ),
    }
    return lambda: acts[act](workspace_in(folder, moment))


def approving() -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": NAME},
            "data": {"source": "x.csv", "text": "text", "label": "label"},
            "promotion": {"approval": "required"},
        }
    )


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def race(folder: Path, times: int) -> Iterator[int]:
    """Two processes promote at once, again and again: their exit codes."""
    champion = 1
    for _ in range(times):
        rivals = [version for version in (1, 2, 3) if version != champion]
        children = [in_a_process(promoting(folder, version, champion)) for version in rivals]
        found = dict(zip(rivals, map(ended, children), strict=True))
        yield from found.values()
        champion = next((version for version, code in found.items() if code == 0), champion)


def main() -> None:
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - it takes seconds, and once is enough

    for folder in map(Path, sys.argv[1:]):
        times = folder.name.removeprefix("race-")
        codes = race(folder, int(times)) if times.isdecimal() else [ended(in_a_process(dying_in(folder)))]
        sys.stdout.write(" ".join(map(str, codes)) + "\n")


if __name__ == "__main__":
    main()
