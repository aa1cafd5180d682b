"""tiltyard outbox, as a person types it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.notifications.receivers import receiver
from tiltyard.cli.loop.outbox import outbox_group
from tiltyard.errors import NotFoundError
from tiltyard.ledger import SqlLedger
from tiltyard.notifications import verify_signature
from tiltyard.testing.outbox_contract import make_notice

PROJECT = """
[project]
name = "films"
task = "text-classification"
[data]
source = "films.csv"
text = "text"
label = "label"
[alerts]
to = ["on-call"]
[alerts.destinations.on-call]
kind = "webhook"
"""


def test_a_notification_is_listed_sent_and_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notification without an address waits and names the variable to set; then it is sent, signed."""
    (tmp_path / "tiltyard.toml").write_text(PROJECT)
    with SqlLedger.open(f"sqlite:///{tmp_path}/.tiltyard/ledger.db") as ledger:
        ledger.outbox.enqueue([make_notice(destination="on-call", at=datetime.now(UTC))])
    failed = _run(tmp_path, "send")
    assert (failed.exit_code or failed.return_value) == 1
    assert "TILTYARD_DESTINATIONS__ON_CALL__URL is not set" in _run(tmp_path, "list", "--json").output
    assert "on-call" in _run(tmp_path, "list").output
    with receiver() as receiving:
        monkeypatch.setenv("TILTYARD_DESTINATIONS__ON_CALL__URL", receiving.url)
        monkeypatch.setenv("TILTYARD_DESTINATIONS__ON_CALL__SECRET", "s3cret")
        assert '"sent": 0' in _run(tmp_path, "send", "--json").output, "it is not due yet"
        assert _run(tmp_path, "retry", "--json").output == '{"due": 1}\n'
        assert '"sent": 1' in _run(tmp_path, "send", "--json").output
    headers, body = receiving.requests[0]
    assert verify_signature("s3cret", body, headers["tiltyard-signature"], now=datetime.now(UTC).timestamp())
    assert '"state": "sent"' in _run(tmp_path, "list", "--json").output
    assert isinstance(_run(tmp_path, "retry", "nothing").exception, NotFoundError)


def _run(folder: Path, *words: str) -> Any:
    result: Result = CliRunner(env={"COLUMNS": "250"}).invoke(
        outbox_group, [*words, "--project", str(folder)], standalone_mode=False
    )
    return result
