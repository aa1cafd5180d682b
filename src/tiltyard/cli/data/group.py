"""``tiltyard data``: the commands about snapshots and corpora."""

from __future__ import annotations

import click

from tiltyard.cli.data.fetch import fetch_command
from tiltyard.cli.data.snapshots import prune_snapshots_command, snapshot_command, snapshots_command


@click.group()
def data_group() -> None:
    """Take, list and prune snapshots of a project's rows, or fetch a public corpus."""


data_group.add_command(snapshot_command)
data_group.add_command(snapshots_command)
data_group.add_command(prune_snapshots_command)
data_group.add_command(fetch_command)
