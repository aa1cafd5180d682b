"""uvicorn with a guard that checks its keys while no request comes."""

from __future__ import annotations

import uvicorn

from tiltyard.serving.auth import Guard

# uvicorn ticks ten times a second.
TICKS_BETWEEN_CHECKS = 5


class GuardedServer(uvicorn.Server):
    """uvicorn that lets a guard check the files of the keys twice a second.

    A guard does so at each request by itself. Where the state folder is cleared and no request comes, it would not see
    that, and what starts next would find a host that never had keys.

    Args:
        config: uvicorn's.
        guard: decides which requests are let through.
    """

    def __init__(self, config: uvicorn.Config, guard: Guard) -> None:
        super().__init__(config)
        self._guard = guard

    async def on_tick(self, counter: int) -> bool:
        """Do what is due, ten times a second."""
        if counter % TICKS_BETWEEN_CHECKS == 0:
            self._guard.check_keys()
        return await super().on_tick(counter)
