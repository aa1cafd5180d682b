"""From what a caller writes to the target of a run."""

from __future__ import annotations

from pathlib import Path

from tiltyard.batch.targets.local_targets import Target, find_file_target
from tiltyard.data.sources.location import EXPOSED, SCHEMES, resolve_location
from tiltyard.errors import UsageError
from tiltyard.settings import Settings


def choose_target(written: str, table: str | None, root: Path, settings: Settings) -> Target:
    """The target that is meant.

    Args:
        written: a path, or the URL of a database; ``${NAME}`` in it is taken from the environment or ``.env``.
        table: of a database, the table of the results.
        root: folder that a relative path starts from.
        settings: of this host.

    Raises:
        UsageError: it cannot be written to.
        DataError: it holds a password, or names a variable that is not set.
    """
    location = resolve_location(written, root, "The target", EXPOSED)
    scheme = location.scheme
    if scheme in ("", "file"):
        if table is not None:
            raise UsageError(f"--to-table is for databases, and {written} is none.", next_step="Leave it out.")
        path = location.meant.removeprefix("file://")
        return find_file_target(root / path, path)
    if scheme in SCHEMES:
        raise UsageError(
            f"Results cannot be written to {scheme}:// yet.",
            next_step="Write them to a file or a folder, and copy that.",
        )
    if table is None:
        raise UsageError("The target is a database, and no table is named.", next_step="Name it: --to-table scores")
    from tiltyard.batch.targets.database_target import DatabaseTarget  # noqa: PLC0415 - SQLAlchemy takes a second

    return DatabaseTarget(written, table, root, settings.state)
