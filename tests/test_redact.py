"""No URL that people read holds a password, in user info or in a query."""

from __future__ import annotations

import json

import pytest

from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline.orchestration.prefect_flows import check_prefect
from tiltyard.redact import without_password, without_passwords

URLS = [
    "postgresql://me:hunter2@db/ledger",
    "postgresql://me@db/ledger?password=hunter2&sslmode=require",
    "postgresql://me@db/ledger?sslmode=require&sslpassword=hunter2",
    "https://hunter2@mlflow.example/",
    "https://mlflow.example/api?api_key=hunter2",
    "https://mlflow.example/api?access-token=hunter2#top",
    "https://bucket.example/x?X-Amz-Credential=hunter2&X-Amz-Signature=hunter2",
    "https://account.blob.example/x?sv=2024&sig=hunter2",
    "https://host.example/x?client_secret=hunter2",
    "https://host.example/x?PWD=hunter2;y=1",
]


@pytest.mark.parametrize("url", URLS)
def test_secrets_go_and_the_rest_stays(url: str) -> None:
    """The host is still named, alone and within a sentence, and the secret is not."""
    for text in (without_password(url), without_passwords(f"Nothing at '{url}' responds.")):
        assert "hunter2" not in text
        assert "***" in text
        assert url.partition("://")[2].partition("/")[0].rpartition("@")[2] in text
    assert without_password("https://host.example/x?page=2&sort=name") == "https://host.example/x?page=2&sort=name"


def test_errors_of_stores_name_no_secret() -> None:
    """A ledger and a Prefect server that cannot be reached are named without what is secret in their URLs."""
    with pytest.raises(UnavailableError) as ledger:
        SqlLedger.open("postgresql://me@127.0.0.1:1/ledger?password=hunter2&connect_timeout=1")
    with pytest.raises(UnavailableError) as prefect:
        check_prefect("http://me:hunter2@127.0.0.1:9/api?token=hunter2")
    for refused in (ledger, prefect):
        assert "127.0.0.1" in refused.value.message
        assert "hunter2" not in refused.value.message + refused.value.next_step


@pytest.mark.parametrize("url", URLS)
def test_no_error_holds_the_secret_of_a_url(url: str) -> None:
    """Whatever a message or a field was made of, no error holds the secret of a URL."""
    error = TiltyardError(f"A library says: no host at {url}.", next_step="Check the address.", url=url, found=1)
    assert "hunter2" not in str(error)
    assert "hunter2" not in json.dumps(error.to_dict())
    assert error.to_dict()["found"] == 1


def test_the_name_of_a_variable_is_no_secret() -> None:
    """Where a variable stands in place of a password its name stays, so that people see which one it is."""
    for url in (
        "postgresql://me:${DB_PASSWORD}@db/x",
        "postgresql://me@db/x?password=${DB_PASSWORD}&connect_timeout=1",
    ):
        text = f"Nothing at {url} responds."
        assert "${DB_PASSWORD}" in without_passwords(text)
    assert "hunter2" not in without_passwords("postgresql://me:${A}hunter2@db/x")
    assert "hunter2" not in without_passwords("postgresql://me@db/x?password=hunter2${A}")
    assert "hunter2" not in without_passwords("postgresql://me@db/x?password=${A}hunter2")
