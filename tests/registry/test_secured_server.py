"""A tracking server that asks who calls: MLflow's own, with its users and permissions."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.films import Films, make_films
from tests.mlflow_server import serving
from tiltyard.cli.main import main
from tiltyard.errors import UnavailableError
from tiltyard.redact import without_password, without_passwords
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.registry.mlflow_backend.mlflow_auth import PASSWORD, TOKEN, URI, USERNAME

OWNER = "keeper"
# With signs that a URL has to write in another way.
SECRET = f"{secrets.token_hex(8)}@/:%"

CONFIGURATION = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{root}/users.db
admin_username = {keeper}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


@dataclass(frozen=True)
class Secured:
    """The server's address, and a project whose champion is registered there."""

    address: str
    films: Films

    def with_credentials(self, user: str = OWNER, password: str = SECRET) -> str:
        """Its URL with a user in it."""
        return self.address.replace("://", f"://{user}:{quote(password, safe='')}@")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Secured]:
    """One server for this module, and a champion that a command trained there with credentials from a file .env."""
    if importlib.util.find_spec("flask_wtf") is None:
        pytest.skip("MLflow's server asks for no credentials without Flask-WTF: pip install 'mlflow[auth]'")
    root = tmp_path_factory.mktemp("secured")
    (root / "users.ini").write_text(CONFIGURATION.format(root=root, keeper=OWNER))
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(root / "users.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": SECRET,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
    }
    store = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with serving(root, store, ["--app-name", "basic-auth"], environment) as address:
        films = make_films(root / "films", rows=300)
        (films.root / ".env").write_text(f'{URI}={address}\n{USERNAME}={OWNER}\n{PASSWORD}="{SECRET}"\n')
        films.call("train", "--champion")
        (films.root / ".env").unlink()
        yield Secured(address, films)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test shows what the environment of the developer, or another test, holds."""
    for name in (USERNAME, PASSWORD, TOKEN, URI):
        monkeypatch.setenv(name, "")


def command(capsys: pytest.CaptureFixture[str], secured: Secured, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        main([*words, "--project", str(secured.films.root)])
    printed = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, printed.out + printed.err


@pytest.mark.requirement("R-TRACK-17", "R-SEC-01")
def test_credentials_of_the_environment_open_it(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user from .env trained is there for the same user from the environment: version, run and files."""
    monkeypatch.setenv(USERNAME, OWNER)
    monkeypatch.setenv(PASSWORD, SECRET)
    registry = MlflowRegistry(tracking_uri=secured.address)
    assert registry.get_version("films-classifier", alias="champion").version == "1"
    assert list(registry.load_model("films-classifier", version="1").predict(["a warm and funny film"])) == ["positive"]
    assert len(ExperimentTracker("films", tracking_uri=secured.address).search_runs()) == 1


@pytest.mark.requirement("R-TRACK-19", "R-SEC-01")
def test_credentials_in_the_url_open_it_and_are_never_shown(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL with a user in it reaches version and files; what doctor prints of it has no password."""
    monkeypatch.setenv(URI, secured.with_credentials())
    code, printed = command(capsys, secured, "doctor")
    assert code == 0, printed
    assert f"{OWNER}:***@127.0.0.1" in printed
    assert "version 1 of films-classifier, verified" in printed
    for secret in (SECRET, quote(SECRET, safe="")):
        assert secret not in printed


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, f"Set {USERNAME} and {PASSWORD}, or {TOKEN}"),
        ({USERNAME: OWNER}, f"{PASSWORD} is not set"),
        ({USERNAME: OWNER, PASSWORD: "not-" + SECRET}, f"the user '{OWNER}' of {USERNAME}"),
    ],
    ids=["nothing", "half", "wrong password"],
)
def test_a_refused_login_names_the_variables_that_decide(
    secured: Secured,
    environment: dict[str, str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A 401 names the variables that are missing or wrong, and no secret."""
    monkeypatch.setenv(URI, secured.address)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, printed = command(capsys, secured, "list-versions", "--json")
    problem = json.loads(printed)["error"]
    assert code == 1
    assert problem["code"] == "registry.unauthenticated", problem
    assert named in f"{problem['message']} {problem['next_step']}"
    assert SECRET not in printed


def test_a_token_is_shown_and_named_when_it_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that asks for a token gets it; a 401 names its variable and not the token."""
    seen = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    monkeypatch.setenv(TOKEN, "not-the-token")
    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        try:
            with pytest.raises(UnavailableError, match=f"the token of {TOKEN}") as refused:
                MlflowRegistry(tracking_uri=f"http://127.0.0.1:{proxy.server_port}").get_version("films", version="1")
        finally:
            proxy.shutdown()
    assert set(seen) == {"Bearer not-the-token"}
    assert refused.value.code == "registry.unauthenticated"
    assert "not-the-token" not in json.dumps(refused.value.to_dict())


def test_a_wrong_password_in_the_url_is_not_repeated(secured: Secured) -> None:
    """Neither the refusal of a server nor the error of one that is away shows the password of its URL."""
    for url in (secured.with_credentials(password="not-right"), "http://keeper:not-right@127.0.0.1:9"):
        with pytest.raises(UnavailableError) as refused:
            MlflowRegistry(tracking_uri=url).list_models()
        assert "keeper:***@" in refused.value.message
        assert "not-right" not in json.dumps(refused.value.to_dict())


def test_a_missing_permission_names_the_user(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 403, of the registry and of the files, says whose permission is missing."""
    made = httpx.post(
        f"{secured.address}/api/2.0/mlflow/users/create",
        json={"username": "guest", "password": "a-guest-of-the-house"},
        auth=(OWNER, SECRET),
        timeout=30,
    )
    assert made.status_code == 200, made.text
    owner = MlflowRegistry(tracking_uri=secured.with_credentials())
    champion = owner.get_version("films-classifier", alias="champion")
    monkeypatch.setenv(USERNAME, "guest")
    monkeypatch.setenv(PASSWORD, "a-guest-of-the-house")
    guest = MlflowRegistry(tracking_uri=secured.address)
    with pytest.raises(UnavailableError, match="not for the user 'guest'") as refused:
        guest.get_version("films-classifier", version="1")
    assert refused.value.code == "registry.forbidden"
    assert USERNAME in refused.value.next_step
    with pytest.raises(UnavailableError, match="not for the user 'guest'"):
        guest.fetch(champion, secured.films.root / "another-cache")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("http://user:pass@host:5000/", "http://user:***@host:5000/"),
        ("https://user:p%40ss@host/a@b", "https://user:***@host/a@b"),
        ("https://token@host/", "https://***@host/"),
        ("postgresql://user:p@ss@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:p/w@host/db", "postgresql://user:***@host/db"),
        ("postgresql://host/db?user=me&password=pass", "postgresql://host/db?user=me&password=***"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
    ],
)
def test_a_url_without_its_password(url: str, shown: str) -> None:
    """Passwords and tokens go, the rest of a URL stays; within a text as well."""
    assert without_password(url) == shown
    if "p/w" not in url:
        assert without_passwords(f"GET {url} failed, see {url}") == f"GET {shown} failed, see {shown}"
