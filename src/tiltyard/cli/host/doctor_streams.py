"""What ``tiltyard doctor`` says of the project's streams: whether their brokers admit the user and have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check
from tiltyard.errors import TiltyardError

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.streams.request import StreamRequest


def check_streams(project: Project) -> Iterator[Check]:
    """A check for each stream; nothing is taken and nothing is published."""
    import asyncio

    from tiltyard.streams.request import read_stream

    for name in project.stream:
        title = f"stream {name}"
        try:
            request = read_stream(project, name)
            asyncio.run(_reach_all(request))
        except TiltyardError as error:
            yield Check(title, "wrong", error.message, error.next_step)
            continue
        there = ", ".join(f"{key} {address.shown}" for key, address in request.addresses.items())
        yield Check(title, "ok", f"its brokers admit the user, and have its streams: {there}")


async def _reach_all(request: StreamRequest) -> None:
    """Connect to each stream as one that is written to: that joins no group, and takes nothing from a consumer."""
    from tiltyard.streams.brokers.open_broker import make_target

    for address in request.addresses.values():
        target = make_target(address)
        try:
            await target.open()
        finally:
            await target.close()
