"""Settings of this host, from the environment and from .env."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from tiltyard.errors import UsageError
from tiltyard.settings import DestinationSecrets, Settings


@pytest.mark.parametrize("name", ["TILTYARD_TRUSTED_KEYS", "TILTYARD_TRUSTED_TYPES"])
@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_list_that_is_not_json_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    """A list in a variable that is not JSON is an error that names the variable, wherever it was set."""

    def give(value: str) -> None:
        if place == "environment":
            monkeypatch.setenv(name, value)
        else:
            (tmp_path / ".env").write_text(f"{name}={value}\n")

    give('["a","b"]')
    assert getattr(Settings.load(tmp_path), name.removeprefix("TILTYARD_").lower()) == ("a", "b")
    for bad in ("a.b", '["a"'):
        give(bad)
        with pytest.raises(UsageError, match=f"{name} cannot be used: it is not a JSON list") as caught:
            Settings.load(tmp_path)
        assert caught.value.next_step.startswith(f"""Write it as {name}='["…"]'""")
    give('{"a": 1}')
    with pytest.raises(UsageError, match=f"{name} cannot be used"):
        Settings.load(tmp_path)


def test_destinations_come_as_one_object_or_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Destinations may be one JSON object or a variable each; what is not JSON names its variable."""
    monkeypatch.setenv("TILTYARD_DESTINATIONS__TEAM__SECRET", "s")
    found = Settings.load(tmp_path).destination("team")
    assert found is not None
    assert found.secret is not None
    monkeypatch.delenv("TILTYARD_DESTINATIONS__TEAM__SECRET")
    monkeypatch.setenv("TILTYARD_DESTINATIONS", '{"team": {"secret": "s"}}')
    assert Settings.load(tmp_path).destination("team") == found
    monkeypatch.setenv("TILTYARD_DESTINATIONS", "team")
    with pytest.raises(UsageError, match="TILTYARD_DESTINATIONS cannot be used: it is not a JSON object"):
        Settings.load(tmp_path)


def test_settings_are_the_same_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``to_values`` says is JSON, and makes equal settings, secrets and destinations included."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TILTYARD_LEDGER=sqlite:///elsewhere.db\n", encoding="utf-8")
    secrets = {"ops": {"url": "https://example.org", "secret": "s3"}}
    given = Settings(
        _env_file=None,
        root=tmp_path,
        home=tmp_path / "state",
        signing_key=SecretStr("key"),
        trusted_types=("a.B", "c.D"),
        destinations={name: DestinationSecrets.model_validate(one) for name, one in secrets.items()},
        mlflow_tracking_uri="sqlite:///mlflow.db",
    )
    values = json.loads(json.dumps(given.to_values()))
    assert Settings.from_values(values) == given
    assert values["signing_key"] == "key"
