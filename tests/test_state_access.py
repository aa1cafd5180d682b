"""Who may read what is recorded on this host: its owner alone, or its group where a setting says so."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.films import Films, make_films
from tiltyard import wiring
from tiltyard.cli.host.doctor_state import check_state_access
from tiltyard.files import make_private_folder
from tiltyard.settings import Settings


@pytest.fixture
def films(tmp_path: Path) -> Films:
    return make_films(tmp_path / "films", rows=40)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_state_folder_is_made_for_its_owner_alone(films: Films) -> None:
    """After a training no other user may look into the state folder, and no warning was needed."""
    done = films.call("train")
    assert "other users" not in done.stderr
    assert mode(films.root / ".tiltyard") == 0o700
    (ledger,) = (films.root / ".tiltyard").glob("ledger.db")
    assert not mode(ledger) & stat.S_IRWXO


def test_a_wider_state_folder_is_closed_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A state folder that was open to others is closed at its next use, with one line that says so."""
    state = tmp_path / ".tiltyard"
    state.mkdir()
    state.chmod(0o755)
    settings = Settings(root=tmp_path)
    for _ in range(2):
        wiring.open_ledger(settings).close()
    assert mode(state) == 0o700
    (line,) = [text for text in caplog.messages if "open to other users" in text]
    assert "0755" in line
    assert "TILTYARD_STATE_ACCESS=group" in line


def test_a_setting_opens_the_state_folder_to_its_group(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With TILTYARD_STATE_ACCESS=group the group may write, what is made there is of the group, and others may not."""
    settings = Settings(root=tmp_path, state_access="group")
    settings.make_state()
    assert mode(settings.state) == 0o2770
    settings.state.chmod(0o2777)
    settings.make_state()
    assert mode(settings.state) == 0o2770
    assert len(caplog.messages) == 1
    Settings(root=tmp_path).make_state()
    assert mode(settings.state) == 0o2700


def test_a_ledger_elsewhere_is_closed_to_others(tmp_path: Path) -> None:
    """A ledger that is made outside of the state folder, and its log, are not for everybody, whatever the umask."""
    file = tmp_path / "elsewhere" / "ledger.db"
    before = os.umask(0)
    try:
        with wiring.open_ledger(Settings(root=tmp_path, ledger=f"sqlite:///{file}")):
            assert not mode(file) & stat.S_IRWXO
            for more in file.parent.glob("ledger.db-*"):
                assert not mode(more) & stat.S_IRWXO
    finally:
        os.umask(before)


def test_doctor_tells_who_else_can_read(tmp_path: Path) -> None:
    """An open state folder or ledger is a finding with the command that closes it; a closed one is well."""
    tmp_path.chmod(0o755)
    ledger = tmp_path / "ledger.db"
    settings = Settings(root=tmp_path, ledger=f"sqlite:///{ledger}")
    assert list(check_state_access(settings)) == []
    settings.make_state()
    ledger.touch()
    ledger.chmod(0o600)
    assert [found.state for found in check_state_access(settings)] == ["ok", "ok"]
    settings.state.chmod(0o750)
    ledger.chmod(0o644)
    state, file = check_state_access(settings)
    assert (state.state, file.state) == ("note", "wrong")
    assert f"chmod 0700 {settings.state}" in state.next_step
    assert f"chmod 0640 {ledger}" in file.next_step


def test_a_folder_of_another_user_stays_as_it_is(tmp_path: Path) -> None:
    """What belongs to another user, as volumes of containers do, is not changed."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o755)
    os.chown(folder, 12345, 12345)
    assert make_private_folder(folder) is None
    assert mode(folder) == 0o755
