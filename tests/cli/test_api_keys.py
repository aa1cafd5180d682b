"""tiltyard keys api, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.films import Films, make_films
from tiltyard import wiring
from tiltyard.cli.host.api_keys import describe_api_keys
from tiltyard.cli.main import main
from tiltyard.errors import UsageError
from tiltyard.serving.auth import KeyFile
from tiltyard.serving.auth.keys import KeySet, NewKey
from tiltyard.settings import Settings

ENDS = ("--expires", "90d")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command in this process: its exit code, and what it printed."""
    with pytest.raises(SystemExit) as left:
        main(words)
    assert isinstance(left.value.code, int)
    return left.value.code, *capsys.readouterr()


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0, out
    return json.loads(out)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, which is the working folder."""
    films = make_films(tmp_path / "films", rows=20)
    monkeypatch.chdir(films.root)
    return films.root


@pytest.mark.requirement("R-SEC-02")
def test_a_key_is_listed_used_and_revoked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key is shown once, listed without its secret, revoked by its id, and both acts are events with who did them."""
    made = run_json(capsys, "keys", "api", "new", "--scope", "predict", "--scope", "read", "--name", "shop", *ENDS)
    file = KeyFile(root / ".tiltyard" / "api-keys.json")
    assert made["scopes"] == ["predict", "read"]
    assert KeySet(file.read()).find(made["key"])
    assert made["key"] not in file.path.read_text(encoding="utf-8")
    assert run_json(capsys, "keys", "api", "list") == [{name: value for name, value in made.items() if name != "key"}]
    assert run(capsys, "keys", "api", "revoke", "nobody")[0] == 1
    assert run_json(capsys, "keys", "api", "revoke", made["id"])["state"] == "revoked"
    assert describe_api_keys(Settings.load(root)).startswith("1 revoked: servers require a key")
    events = run_json(capsys, "history")
    assert [(event["kind"], event["evidence"]["api_key"]) for event in events] == [
        ("api-key-made", made["id"]),
        ("api-key-revoked", made["id"]),
    ]
    assert all(event["actor"] for event in events)
    assert run(capsys, "keys", "api", "new", "--scope", "predict", "--expires", "soon")[0] == 2
    code, out, _ = run(capsys, "keys", "api", "list")
    assert code == 0
    assert "shop" in out
    code, out, said = run(capsys, "keys", "api", "new", "--scope", "admin")
    assert KeySet(file.read()).find(out.strip())
    assert "not shown again" in said


def test_a_server_without_keys_does_not_listen_beyond_loopback(root: Path) -> None:
    """`serve --host 0.0.0.0` without a key does not start, and says what to do."""
    done = Films(root).run("serve", "--host", "0.0.0.0", "--port", "0", check=False)
    assert done.returncode == 2
    assert "tiltyard keys api new" in done.stderr
    assert "--insecure-open" in done.stderr


def test_keys_are_imported_from_the_environment(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was made elsewhere opens what it may; taking it in again changes nothing; a revoked one stays so."""
    callers, loops = NewKey.generate(["admin"]).token, NewKey.generate(["read"]).token
    monkeypatch.setenv("CALLERS", callers)
    monkeypatch.setenv("LOOPS", loops)
    words = ("keys", "api", "add", "CALLERS=predict,feedback", "LOOPS=read")
    made = run_json(capsys, *words)
    assert [(key["name"], key["scopes"]) for key in made] == [("CALLERS", ["predict", "feedback"]), ("LOOPS", ["read"])]
    file = KeyFile(root / ".tiltyard" / "api-keys.json")
    before = file.read()
    assert [KeySet(before).find(token) for token in (callers, loops)] == list(before)
    assert run_json(capsys, *words)[0]["id"] == made[0]["id"]
    assert file.read() == before
    assert [event["kind"] for event in run_json(capsys, "history")] == ["api-key-made", "api-key-made"]
    run_json(capsys, "keys", "api", "revoke", made[1]["id"])
    assert "it was revoked" in run(capsys, *words)[2]


@pytest.mark.parametrize("token", ["", "secret", "ty_0123456789ab_short", f"ty_0123456789AB_{'x' * 43}"])
def test_a_weak_key_is_not_imported(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """Whatever is not written as keys are is refused, and nothing is kept."""
    monkeypatch.setenv("CALLERS", token)
    code, _, said = run(capsys, "keys", "api", "add", "CALLERS=admin")
    assert code == 2
    assert "CALLERS" in said
    assert token == "" or token not in said
    assert not (root / ".tiltyard" / "api-keys.json").exists()
    for wrong in ("CALLERS", "CALLERS=", "CALLERS=all", "=read", "CALLERS=read,"):
        assert run(capsys, "keys", "api", "add", wrong)[0] == 2


def test_lost_keys_are_reported_and_only_a_command_opens_the_server_again(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """doctor and the list report lost keys; disabling needs that no key is valid, and is an event."""
    made = run_json(capsys, "keys", "api", "new", "--scope", "predict")
    settings = Settings.load(root)
    assert settings.api_keys_mark.is_file()
    code, out, _ = run(capsys, "keys", "api", "disable", "--yes", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "api-key.valid")
    assert settings.api_keys_mark.is_file()

    settings.api_key_file.unlink()
    code, out, err = run(capsys, "keys", "api", "list", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "servers refuse requests" in err
    assert "tiltyard keys api new" in err
    with pytest.raises(UsageError, match="servers refuse requests"):
        describe_api_keys(settings)

    assert run_json(capsys, "keys", "api", "disable", "--yes")["api_keys"] == "disabled"
    assert not settings.api_keys_mark.exists()
    assert "loopback only" in describe_api_keys(settings)
    again = run_json(capsys, "keys", "api", "new", "--scope", "predict")
    assert again["id"] != made["id"]
    run_json(capsys, "keys", "api", "revoke", again["id"])
    run_json(capsys, "keys", "api", "disable", "--yes")
    assert not KeyFile(settings.api_key_file).read()
    with wiring.open_ledger(settings) as ledger:
        assert len(list(ledger.events(kind="api-keys-disabled"))) == 2
