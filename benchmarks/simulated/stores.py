"""Registry and database of the simulated world: they fail before or after what was wanted was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

from benchmarks.simulated.world import World

from tiltyard.errors import UnavailableError

FAILS = 0.01
"""Share of the calls that fail, and as many that are carried out before they fail."""

WORST = ("set_alias", "append")
PAUSES = 0.05
"""Share of the calls that change something before which the process pauses: the worst moment."""


class Failing:
    """A store whose calls take steps, and fail now and then.

    Args:
        world: the world.
        store: which store it is, for outages.
        inner: the store itself.
        parts: attributes that are parts of it, and fail likewise.
    """

    def __init__(self, world: World, store: str, inner: Any, parts: tuple[str, ...] = ()) -> None:
        self._world, self._store, self._inner, self._parts = world, store, inner, parts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in self._parts:
            return Failing(self._world, self._store, found)
        if not callable(found) or name in ("close", "clock"):
            return found
        return lambda *arguments, **options: self._call(name, found, arguments, options)

    def _call(self, name: str, work: Callable[..., Any], arguments: Any, options: Any) -> Any:
        world = self._world
        if name in WORST and world.current is not None and not world.closing and world.random.random() < PAUSES:
            world.pause(world.current)
        world.step()
        if world.current is not None and (world.is_away(self._store) or self._fails()):
            world.happened["failed call"] += 1
            raise UnavailableError(f"The {self._store} is away.", next_step="Bring it back.", code="simulated.away")
        result = work(*arguments, **options)
        if isinstance(result, (map, filter, GeneratorType, Iterator)):
            result = list(result)
        world.step()
        if world.current is not None and self._fails():
            world.happened["call that failed after it was done"] += 1
            raise UnavailableError(f"The {self._store} was lost.", next_step="Try again.", code="simulated.lost")
        return iter(result) if name == "events" else result

    def _fails(self) -> bool:
        return not self._world.closing and self._world.random.random() < FAILS
