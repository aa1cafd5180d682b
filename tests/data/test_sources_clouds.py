"""Files in Azure Blob and Google Cloud Storage, by servers that speak as those do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.azurite import ACCOUNT, CONTAINER, KEY, Azurite, azurite, azurite_server
from tests.data.test_sources_remote import ROWS, load, write
from tests.google_storage import BUCKET, GoogleStorage, google_storage, google_storage_server
from tiltyard.errors import DataError, MissingExtraError

__all__ = ["azurite", "azurite_server", "google_storage", "google_storage_server"]

NAMES = ("rows.csv", "rows.jsonl", "rows.parquet", "rows.csv.gz")
WRITTEN = {
    "az": f"az://{CONTAINER}",
    "abfs": f"abfs://{CONTAINER}",
    "abfss": f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net",
    "wasbs": f"wasbs://{CONTAINER}@{ACCOUNT}.blob.core.windows.net",
}


@pytest.mark.requirement("R-DEPLOY-14")
@pytest.mark.parametrize("place", WRITTEN.values(), ids=WRITTEN)
def test_rows_are_read_from_azure_blob_however_it_is_written(azurite: Azurite, tmp_path: Path, place: str) -> None:
    """A file, a folder and a pattern are the same rows as on this machine, by each of its four schemes."""
    expected = write(tmp_path)
    for name in NAMES:
        azurite.put(f"all/{name}", (tmp_path / name).read_bytes())
        assert load(f"{place}/all/{name}").fingerprint == expected
    azurite.put("daily/1.parquet", (tmp_path / "rows.parquet").read_bytes())
    azurite.put("daily/2.parquet", (tmp_path / "rows.parquet").read_bytes())
    assert len(load(f"{place}/daily/*.parquet").inputs) == 2 * len(ROWS)
    assert len(load(f"{place}/daily/").inputs) == 2 * len(ROWS)


@pytest.mark.requirement("R-DEPLOY-14")
def test_rows_are_read_from_google_cloud_storage(google_storage: GoogleStorage, tmp_path: Path) -> None:
    """A file, a folder and a pattern are the same rows as on this machine."""
    expected = write(tmp_path)
    for name in NAMES:
        google_storage.put(f"all/{name}", (tmp_path / name).read_bytes())
        assert load(f"gs://{BUCKET}/all/{name}").fingerprint == expected
    google_storage.put("daily/1.parquet", (tmp_path / "rows.parquet").read_bytes())
    google_storage.put("daily/2.parquet", (tmp_path / "rows.parquet").read_bytes())
    assert len(load(f"gs://{BUCKET}/daily/*.parquet").inputs) == 2 * len(ROWS)
    assert len(load(f"gs://{BUCKET}/daily/").inputs) == 2 * len(ROWS)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("nowhere/rows.csv", "data.missing", "container"),
        ("nowhere/*.csv", "data.missing", "nowhere"),
        ("films/nothing.csv", "data.missing", "nothing.csv"),
        ("films/*.csv", "data.missing", "No file fits"),
        ("films/a//b.csv", "data.source-unknown", "empty part"),
    ],
)
def test_what_is_missing_is_named(
    azurite: Azurite, google_storage: GoogleStorage, name: str, code: str, words: str
) -> None:
    """A missing container and a missing object are different errors, in both stores."""
    for scheme in ("az", "gs"):
        with pytest.raises(DataError) as failed:
            load(f"{scheme}://{name}")
        assert failed.value.code == code, scheme
        assert words in f"{failed.value.message} {failed.value.next_step}"


def test_a_wrong_key_and_no_account_are_named(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step names the variables, and the message shows no key."""
    wrong = azurite.connection.replace("Eby8", "AAAA")
    for connection, words in ((wrong, "authenticate"), (None, "no account is named")):
        if connection is None:
            monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
        else:
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        with pytest.raises(DataError) as failed:
            load("az://films/rows.csv")
        assert failed.value.code == "data.forbidden"
        assert words in failed.value.message
        assert "AZURE_STORAGE_CONNECTION_STRING" in failed.value.next_step
        assert KEY[4:] not in failed.value.message


@pytest.mark.parametrize(
    ("source", "library", "extra"),
    [
        ("az://films/rows.csv", "adlfs", "azure"),
        ("wasbs://films@account.blob.core.windows.net/rows.csv", "adlfs", "azure"),
        ("gs://films/rows.csv", "gcsfs", "google"),
    ],
)
def test_without_its_library_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, source: str, library: str, extra: str
) -> None:
    """The error is the command that installs it."""
    pytest.importorskip("fsspec")
    for scheme in ("az", "abfs", "abfss", "gs", "gcs"):  # what it has imported already
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=f"'{extra}'") as missing:
        load(source)
    assert missing.value.next_step == f"Install them with: pip install 'tiltyard[{extra}]'"
