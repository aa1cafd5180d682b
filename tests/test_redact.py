"""No URL that people read holds a password, in user info or in a query."""

from __future__ import annotations

import pytest

from tiltyard.errors import UnavailableError
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
