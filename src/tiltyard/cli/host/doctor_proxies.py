"""``tiltyard doctor``: whether the server's requests come through a proxy that it does not trust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.settings import Settings


def check_proxies(project: Project, settings: Settings) -> Iterator[Check]:
    """A check where a server of this host saw requests that a proxy forwarded and that it does not trust."""
    from tiltyard.serving.auth.forwarded import NOTE, TrustedProxies

    file = settings.state / NOTE
    try:
        address = file.read_text(encoding="utf-8").strip()
    except OSError:
        return
    if not address or TrustedProxies(project.serving.trusted_proxies).trusts(address):
        return
    limited = project.serving.rate_limit is not None
    shared = "all of its callers share one rate limit" if limited else "all of its callers have its address"
    yield Check(
        "proxy",
        "wrong" if limited else "note",
        f"requests came through a proxy at {address} that is not trusted: {shared}",
        f'Name it in [serving]: trusted_proxies = ["{address}"]; if it is none of yours, remove {file}',
    )
