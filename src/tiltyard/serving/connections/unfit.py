"""The error where the installed uvicorn does not fit the bounded connections, which use names that it keeps private."""

from __future__ import annotations

import uvicorn

from tiltyard.errors import UsageError


def unfit_error(host: str, error: Exception) -> UsageError:
    """The error of what would listen on an address without bounds.

    Args:
        host: the address.
        error: what does not fit.
    """
    return UsageError(
        f"uvicorn {uvicorn.__version__} does not fit ({type(error).__name__}: {error}), so that nothing bounds what "
        f"strangers who reach {host} may send.",
        next_step="Install the version that tiltyard requires (pip install --upgrade tiltyard). The server, not the "
        "console, works without it on 127.0.0.1.",
        code="server.uvicorn",
    )
