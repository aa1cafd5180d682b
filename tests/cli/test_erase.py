"""``tiltyard predictions erase --containing``: nothing of this host is missed in silence, and other hosts are named."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from tests.cli.test_current_ledger import fill_spool
from tests.cli.test_outbox import PROJECT
from tiltyard.cli.main import main
from tiltyard.settings import Settings

ERASE = ("predictions", "erase", "--containing", "not bad", "--reason", "asked", "--yes")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project whose server has recorded one prediction and shipped nothing."""
    (tmp_path / "tiltyard.toml").write_text(PROJECT.replace("[project]", '[project]\nmodel = "films"'))
    monkeypatch.chdir(tmp_path)
    found = Settings.load(tmp_path)
    fill_spool(found)
    return found


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as left:
        main([*words])
    return left.value.code


def test_what_another_process_ships_at_the_moment_is_waited_for(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prediction that a server has in its hands, between spool and ledger, is erased by its words too."""
    with (settings.spool / "shipping.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(1.0, fcntl.flock, (lock, fcntl.LOCK_UN))
        release.start()
        assert run(*ERASE, "--json") == 0
        release.join()
    assert json.loads(capsys.readouterr().out) == {"erased": 1, "named_by": "content", "set_aside": 0}


def test_spools_of_other_hosts_are_said_not_to_be_searched(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """An erasure by words says that it does not reach other hosts; one by key reaches them, and says that."""
    assert run(*ERASE) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 prediction erased." in said
    assert "What servers of other hosts have not shipped yet was not searched." in said
    assert run("predictions", "erase", "--key", "ada", "--reason", "asked", "--yes") == 0
    assert "still brings, made until now, are erased too" in " ".join(capsys.readouterr().out.split())


def test_a_spool_that_cannot_be_searched_is_an_error(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged spool of this host may hold the words: the command fails, names it, and erased the rest."""
    spool = settings.spool / "0.db"
    os.truncate(spool, 100)
    for leftover in settings.spool.glob("0.db-*"):
        leftover.unlink()
    assert run(*ERASE) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"not in the ledger yet: {spool}" in said
    assert "Run the command again" in said
    assert run(*ERASE, "--json") == 1
    assert json.loads(capsys.readouterr().out)["unsearched"] == str(spool)
