"""Commands ship the spools of this host before they show predictions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Ledger
from tiltyard.ledger.spools.spool import SpooledLedger
from tiltyard.settings import Settings
from tiltyard.testing import make_prediction


def fill_spool(settings: Settings) -> None:
    """Leave one prediction in a spool of this host."""

    def refuse() -> Ledger:
        raise UnavailableError("Nothing is central here.")

    with SpooledLedger.open(settings.spool, "0", refuse) as spool:
        spool.record([make_prediction()])


def test_a_command_sees_what_servers_of_this_host_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits in a spool is in the ledger that the command reads, and nothing is reported."""
    settings = Settings(root=tmp_path, ledger=f"sqlite:///{tmp_path}/ledger.db")
    fill_spool(settings)
    with open_current_ledger(settings) as ledger:
        assert ledger.prediction_stats().total == 1
    assert capsys.readouterr().err == ""


def test_what_cannot_be_shipped_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A spool that cannot be read is named on standard error, and the command continues with what the ledger has."""
    settings = Settings(root=tmp_path, ledger=f"sqlite:///{tmp_path}/ledger.db")
    fill_spool(settings)
    os.truncate(settings.spool / "0.db", 100)
    for leftover in settings.spool.glob("0.db-*"):
        leftover.unlink()
    with open_current_ledger(settings) as ledger:
        assert ledger.prediction_stats().total == 0
    assert f"The spool {settings.spool / '0.db'} cannot be read." in capsys.readouterr().err
