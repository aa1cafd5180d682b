"""What the page of the server is made of: features with known values, files that are scored, the searched history."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.data.workbooks import make_workbook
from tests.serving.conftest import Start
from tests.serving.fake_registry import FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.serving.auth import KeyFile, NewKey

ROWS: list[dict[str, Any]] = [
    {"age": 31, "income": 40.5, "town": "York", "member": True},
    {"age": 62, "income": None, "town": "Hull", "member": False},
    {"age": 44, "income": 28.0, "town": None, "member": True},
]


@pytest.fixture
def client(start: Start, registry: FakeRegistry, table_package: Path) -> Iterator[httpx.Client]:
    """A client of a server of a table model, which takes two inputs of a request."""
    registry.point_alias("champion", registry.add(table_package))
    with httpx.Client(base_url=start(max_request=2).url, timeout=30) as found:
        yield found


def encode(ending: str) -> bytes:
    """The rows as a file."""
    frame = pd.DataFrame(ROWS)
    if ending == "csv":
        return frame.to_csv(index=False).encode()
    if ending == "tsv":
        return frame.to_csv(index=False, sep="\t").encode()
    if ending == "parquet":
        return frame.to_parquet(index=False)
    if ending == "json":
        return json.dumps(ROWS).encode()
    if ending == "xlsx":
        table: list[list[object]] = [[*frame.columns], *(list(row.values()) for row in ROWS)]
        return make_workbook(people=table)
    if ending == "csv.gz":
        return gzip.compress(encode("csv"))
    if ending.endswith("zip"):
        return write_zip({"people.csv": encode("csv")})
    return "\n".join(map(json.dumps, ROWS)).encode()


def write_zip(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def lock_zip(content: bytes) -> bytes:
    """The archive with the mark of a password on its member."""
    locked = bytearray(content)
    locked[6] |= 1
    locked[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(locked)


def send(client: httpx.Client, content: bytes, name: str, **query: str) -> httpx.Response:
    return client.post("/predict/file", params={"name": name, **query}, content=content)


@pytest.mark.requirement("R-DASH-13")
def test_a_file_of_any_format_comes_back_with_the_predictions_of_its_rows(
    client: httpx.Client, ledger: TestLedger
) -> None:
    """Every format, compressed or not, gets the predictions of /predict/batch, all of them recorded."""
    expected = [client.post("/predict", json={"features": row}).json()["confidence"] for row in ROWS]
    for ending in ("csv", "tsv", "json", "jsonl", "parquet", "xlsx", "csv.gz", "zip", "csv.zip"):
        response = send(client, encode(ending), f"people.{ending}")
        assert response.status_code == 200, response.text
        assert f"people{'.csv' * ending.startswith('csv.')}-predictions.csv" in response.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(response.text)))
        assert [row["town"] for row in rows] == ["York", "Hull", ""]
        assert [float(row["confidence"]) for row in rows] == pytest.approx(expected)
        for row in rows:
            recorded = ledger.prediction(row["prediction_id"])
            assert recorded is not None
            assert recorded.label == row["prediction"]


def test_typed_cells_of_a_parquet_file_are_predicted_and_recorded(client: httpx.Client, ledger: TestLedger) -> None:
    """Dates, decimals and other values that JSON has no word for are taken from Parquet, and recorded as text."""
    cells: dict[str, Any] = {
        "since": pd.Timestamp("2026-01-31 10:30"),
        "zoned": pd.Timestamp("2026-01-31", tz="UTC"),
        "day": date(2026, 1, 31),
        "price": Decimal("12.50"),
        "waited": pd.Timedelta(hours=2),
        "photo": b"\x00\xff",
        "tags": ["a", "b"],
        "gone": pd.NaT,
    }
    frame = (
        pd.DataFrame(ROWS[:1])
        .assign(**{name: [cell] for name, cell in cells.items()})
        .astype({"town": "category", "gone": "datetime64[us]"})
    )
    body = frame.to_parquet(index=False)
    response = client.post("/predict/file", params={"name": "a.parquet"}, content=body)
    assert response.status_code == 200, response.text
    [recorded] = [row.input for row in ledger.predictions()][-1:]
    kept = {name: recorded[name] for name in ("since", "day", "price", "photo", "gone")}
    assert kept == {
        "since": "2026-01-31T10:30:00",
        "day": "2026-01-31",
        "price": "12.50",
        "photo": "00ff",
        "gone": None,
    }
    frame = frame.assign(town=[b"York"])
    refused = client.post("/predict/file", params={"name": "a.parquet"}, content=frame.to_parquet(index=False)).json()
    assert refused["errors"][0]["field"] == "row 1.town"


@pytest.mark.requirement("R-DASH-14")
def test_the_summary_of_a_file_counts_its_rows(client: httpx.Client) -> None:
    """With `output=json` labels and bins of confidence add up to the rows, and the scored file is in it."""
    summary = send(client, encode("csv"), "people.csv", output="json").json()
    assert summary["rows"] == sum(summary["by_label"].values()) == sum(summary["confidence_counts"]) == 3
    assert sum(summary["mean_probabilities"].values()) == pytest.approx(1)
    assert summary["content"].startswith("age,income,town,member,prediction,confidence,probability_")


def test_a_file_with_a_wrong_row_is_refused_whole(client: httpx.Client, ledger: TestLedger) -> None:
    """One wrong cell, also behind the first chunk, refuses the file by row and column, and nothing is recorded."""
    response = send(client, encode("csv").replace(b"44,", b"old,"), "people.csv")
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["errors"]] == ["row 3.age"]
    assert list(ledger.predictions()) == []


@pytest.mark.parametrize(
    ("content", "name", "status", "words"),
    [
        (b"", "a.csv", 422, "empty"),
        (b"age,income\n", "a.csv", 422, "no rows"),
        (b"not parquet", "a.parquet", 422, "not a Parquet file"),
        (b"[1, 2]", "a.json", 422, "cannot be read"),
        (b"PK\x03\x04", "a.xlsx", 422, "cannot be unpacked"),
        (b"PK\x03\x04", "a.csv.zip", 422, "cannot be unpacked"),
        (b"no gzip", "a.csv.gz", 422, "cannot be unpacked"),
        (gzip.compress(b"age\n1\n")[:-9], "a.csv.gz", 422, "cannot be unpacked"),
        (gzip.compress(b""), "a.csv.gz", 422, "empty"),
        (write_zip({"a.csv": b"age\n", "b.csv": b"age\n"}), "a.zip", 422, "2 files"),
        (write_zip({"a.exe": b"age\n"}), "a.zip", 415, ".exe"),
        (b"MZ", "a.exe", 415, ".exe"),
        (lambda: gzip.compress(b"1\n" * 40_000_000), "a.csv.gz", 413, "64 MiB"),
        (lambda: write_zip({"a.csv": b"1\n" * 40_000_000}), "a.zip", 413, "64 MiB"),
        (lambda: write_zip({"xl/workbook.xml": b"1\n" * 40_000_000}), "a.xlsx", 413, "64 MiB"),
        (b"age\n" + b"1\n" * 10_001, "a.csv", 413, "10,001 rows"),
        (b"age\n" + b"1\n" * 200_000, "a.csv", 413, "200,000 lines"),
        (lambda: gzip.compress(b"[" + b'{"age":1},' * 200_001 + b"{}]"), "a.json.gz", 413, "200,000 lines"),
        (lock_zip(write_zip({"a.csv": b"age\n"})), "a.zip", 422, "cannot be unpacked"),
        (lock_zip(write_zip({"xl/workbook.xml": b"age\n"})), "a.xlsx", 422, "cannot be unpacked"),
        (lambda: b"x" * (8 * 1024 * 1024 + 1), "a.csv", 413, "8388608"),
    ],
    # An archive holds the time at which it was made: its bytes would give each worker of the tests another name.
    ids=lambda value: str(value) if isinstance(value, (str, int)) else "content",
)
def test_a_file_that_cannot_be_scored_is_named(
    client: httpx.Client, content: bytes | Callable[[], bytes], name: str, status: int, words: str
) -> None:
    """An empty, damaged, foreign or too large file is a problem document that says so, without paths of the host."""
    response = send(client, content() if callable(content) else content, name)
    problem = response.json()
    assert (response.status_code, words in problem["detail"]) == (status, True), problem
    assert "tiltyard-" not in response.text
    assert problem["next_step"]


def test_a_file_within_a_form_is_refused(client: httpx.Client, ledger: TestLedger) -> None:
    """A form of several parts is not a file: it is refused by its media type, with how to send the file itself."""
    refused = client.post("/predict/file", files={"file": ("people.csv", encode("csv"), "text/csv")})
    assert (refused.status_code, refused.json()["code"]) == (415, "request.media-type")
    assert "--data-binary" in refused.json()["next_step"]
    assert list(ledger.predictions()) == []


def test_a_cell_of_a_scored_file_is_no_formula(client: httpx.Client) -> None:
    """A cell that a spreadsheet would compute comes back as text; a negative number stays a number."""
    frame = pd.DataFrame(ROWS[:2]).assign(note=["=1+1", "-5.5"])
    rows = list(csv.DictReader(io.StringIO(send(client, frame.to_csv(index=False).encode(), "a.csv").text)))
    assert [row["note"] for row in rows] == ["'=1+1", "-5.5"]


def test_texts_of_a_file_are_predicted_line_by_line(start: Start, registry: FakeRegistry, text_package: Path) -> None:
    """A text model takes a text file, a text a line, and a table with its text column."""
    registry.point_alias("champion", registry.add(text_package))
    url = start().url
    for name, content in (("a.txt", "a warm film\n\na waste of time\n"), ("a.csv", "text\na warm film\na waste\n")):
        response = httpx.post(f"{url}/predict/file", params={"name": name}, content=content.encode(), timeout=30)
        assert [row["prediction"] for row in csv.DictReader(io.StringIO(response.text))] == ["good", "bad"], (
            response.text
        )


@pytest.mark.requirement("R-DASH-15")
def test_the_history_is_searched_by_words_and_label(client: httpx.Client) -> None:
    """`GET /predictions` lists the newest first; every word of the search and the label have to match."""
    for row in ROWS:
        client.post("/predict", json={"features": row})

    def find(**query: Any) -> list[str]:
        return [item["input"] for item in client.get("/predictions", params=query).json()["predictions"]]

    assert [line.split(",")[0] for line in find()] == ["age 44", "age 62", "age 31"]
    assert find(limit=1) == find()[:1]
    assert find(search="TOWN york") == find()[2:]
    assert find(search="york hull") == []
    label = client.get("/predictions").json()["predictions"][0]["label"]
    assert find()[0] in find(label=label)
    assert find(label="nothing") == []


def test_the_features_come_with_usual_values_that_can_be_predicted(client: httpx.Client) -> None:
    """The examples of `/model-info` together are an input that the version predicts."""
    features = client.get("/model-info").json()["features"]
    assert [feature["name"] for feature in features] == ["age", "income", "town", "member"]
    example = {feature["name"]: feature["example"] for feature in features}
    assert client.post("/predict", json={"features": example}).status_code == 200


def test_history_and_files_need_the_scope_of_their_kind(
    start: Start, registry: FakeRegistry, text_package: Path, tmp_path: Path
) -> None:
    """With API keys in use the history needs `read` and a file `predict`; without a key neither is shown."""
    file = KeyFile(tmp_path / "keys.json")
    made = {scope: NewKey.generate([scope], name=scope) for scope in ("predict", "read")}
    for key in made.values():
        file.add(key.key)
    registry.point_alias("champion", registry.add(text_package))
    with httpx.Client(base_url=start(api_keys=file.path).url, timeout=30) as client:
        seen = {}
        for scope in ("none", "predict", "read"):
            headers = {"X-API-Key": made[scope].token} if scope in made else {}
            history = client.get("/predictions", headers=headers).status_code
            upload = client.post("/predict/file?name=a.txt", content=b"a film", headers=headers).status_code
            seen[scope] = (history, upload)
    assert seen == {"none": (401, 401), "predict": (403, 200), "read": (200, 403)}
