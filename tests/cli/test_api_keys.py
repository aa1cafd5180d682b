"""tiltyard keys api, as a person types it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.films import make_films
from tiltyard.serving.security import KeyFile
from tiltyard.serving.security.keys import KeySet

ENDS = ("--expires", "90d")


def test_a_key_from_making_to_revoking(tmp_path: Path) -> None:
    """A key is shown once, listed without its secret, revoked by its id, and both acts are events with who did them."""
    films = make_films(tmp_path / "films", rows=20)
    made: Any = films.json(
        "keys", "api", "new", "--scope", "predict", "--scope", "read", "--name", "shop", "--expires", "90d"
    )
    file = KeyFile(films.root / ".tiltyard" / "api-keys.json")
    assert made["scopes"] == ["predict", "read"]
    assert KeySet(file.read()).find(made["key"])
    assert made["key"] not in file.path.read_text(encoding="utf-8")
    listed: Any = films.json("keys", "api", "list")
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert films.run("keys", "api", "revoke", "nobody", check=False).returncode == 1
    revoked: Any = films.json("keys", "api", "revoke", made["id"])
    assert revoked["state"] == "revoked"
    told: Any = films.json("history")
    assert [(event["kind"], event["evidence"]["api_key"]) for event in told] == [
        ("api-key-made", made["id"]),
        ("api-key-revoked", made["id"]),
    ]
    assert all(event["actor"] for event in told)
    assert films.run("keys", "api", "new", "--scope", "predict", "--expires", "soon", check=False).returncode == 2


def test_an_open_server_is_not_put_on_the_network(tmp_path: Path) -> None:
    """`serve --host 0.0.0.0` without a key does not start, and says what to do."""
    films = make_films(tmp_path / "films", rows=20)
    done = films.run("serve", "--host", "0.0.0.0", "--port", "0", check=False)
    assert done.returncode == 2
    assert "tiltyard keys api new" in done.stderr
    assert "--insecure-open" in done.stderr
