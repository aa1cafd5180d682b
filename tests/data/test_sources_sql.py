"""Rows from databases: SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url
from sqlalchemy import text as sql

from tests.postgres import PostgresServer
from tiltyard.data import Dataset, load_dataset
from tiltyard.data.sources.location import resolve_location
from tiltyard.errors import DataError
from tiltyard.project import Project

ROWS = pd.DataFrame(
    {"text": ["A fine film.", "NA", "100% dull", "at 12:30 :bad"], "label": ["p", "n", "n", "n"], "stars": [5, 1, 2, 1]}
)


def load(root: Path, source: str, **data: Any) -> Dataset:
    project = Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification"},
            "data": {"source": source, "text": "text", **data},
            "root": root,
        }
    )
    return load_dataset(project)


@pytest.fixture
def film_file(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "films.db")) as connection:
        ROWS.to_sql("reviews", connection, index=False)
        connection.execute('CREATE VIEW "good ones" AS SELECT * FROM reviews WHERE stars > 1')
        connection.commit()
    return tmp_path


def test_a_table_a_view_and_a_query_give_the_rows_of_a_file(film_file: Path) -> None:
    """Rows from a database are the same dataset as the same rows from a file."""
    ROWS.to_csv(film_file / "films.csv", index=False)
    expected = load(film_file, "films.csv")
    for question in ({"table": "reviews"}, {"query": "SELECT * FROM reviews"}):
        assert load(film_file, "sqlite:///films.db", **question).fingerprint == expected.fingerprint
    assert len(load(film_file, "sqlite:///films.db", table="good ones")) == 2


def test_a_query_is_taken_as_it_stands(film_file: Path) -> None:
    """Per cent signs and colons in a query mean what they mean in SQL, never a parameter."""
    query = "SELECT * FROM reviews WHERE text LIKE '100%' OR text LIKE '%12:30 :bad' OR label = 'p'"
    assert len(load(film_file, "sqlite:///films.db", query=query)) == 3


def test_a_table_with_gaps_and_decimals_is_typed_like_a_file(tmp_path: Path) -> None:
    """NULL is a gap, and a table's numbers are numbers."""
    table = pd.DataFrame({"age": [30, None, 50], "city": ["Oslo", None, "Rome"], "label": ["y", "n", "y"]})
    table.to_csv(tmp_path / "rows.csv", index=False)
    with closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        table.to_sql("rows", connection, index=False)
    base = {"project": {"name": "t", "task": "tabular-classification"}, "root": tmp_path}
    file = load_dataset(Project.model_validate({**base, "data": {"source": "rows.csv"}}))
    database = load_dataset(Project.model_validate({**base, "data": {"source": "sqlite:///rows.db", "table": "rows"}}))
    assert database.fingerprint == file.fingerprint


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({}, "data.query-missing", "neither"),
        ({"table": "reviews", "query": "SELECT 1"}, "data.query-missing", "both"),
        ({"table": "reviws"}, "data.query-failed", "Did you mean 'reviews'"),
        ({"query": "SELECT nothing FROM reviews"}, "data.query-failed", "nothing"),
        ({"query": "SELEC"}, "data.query-failed", "SELEC"),
        ({"query": "DELETE FROM reviews"}, "data.query-failed", "no rows back"),
        ({"query": "SELECT text, text FROM reviews"}, "data.column-twice", "'text'"),
        ({"query": "SELECT * FROM reviews WHERE 1 = 0"}, "data.empty", "no rows"),
    ],
)
def test_a_question_that_gives_no_rows_is_named(film_file: Path, data: dict[str, str], code: str, words: str) -> None:
    """Each way to ask wrongly has its own error with a next step; the database is never changed by it."""
    with pytest.raises(DataError) as caught:
        load(film_file, "sqlite:///films.db", **data)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.next_step
    assert len(load(film_file, "sqlite:///films.db", table="reviews")) == len(ROWS)


def test_a_missing_database_file_is_not_made(tmp_path: Path) -> None:
    """A mistyped SQLite file is an error, not a new empty database."""
    with pytest.raises(DataError, match=r"nowhere\.db does not exist"):
        load(tmp_path, "sqlite:///nowhere.db", table="reviews")
    assert not (tmp_path / "nowhere.db").exists()


def test_more_rows_than_memory_holds_are_given_up_while_reading(film_file: Path) -> None:
    """A query of a thousand million rows ends early with what to do, not with the machine out of memory."""
    endless = (
        "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many LIMIT 1000000000) "
        "SELECT 'text ' || n AS text, n % 2 AS label FROM many"
    )
    with pytest.raises(DataError, match="more to come") as caught:
        load(film_file, "sqlite:///films.db", query=endless, max_memory_share=1e-4)
    assert caught.value.code == "data.too-large"


def test_postgresql_gives_the_rows_of_a_file(postgres: PostgresServer, tmp_path: Path) -> None:
    """A server's table and query are the same dataset as the file, numeric columns included."""
    url = postgres.database()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        ROWS.to_sql("reviews", connection, index=False)
        connection.execute(sql("ALTER TABLE reviews ALTER COLUMN stars TYPE numeric(4, 2)"))
    engine.dispose()
    ROWS.to_csv(tmp_path / "films.csv", index=False)
    expected = load(tmp_path, "films.csv").fingerprint
    assert load(tmp_path, url, table="reviews").fingerprint == expected
    dataset = load(tmp_path, url, query="SELECT *, '12:30'::text AS at FROM reviews WHERE text NOT LIKE '%x%'")
    assert dataset.fingerprint == expected
    assert dataset.frame["stars"].tolist() == [5.0, 1.0, 2.0, 1.0]
    with pytest.raises(DataError, match="Did you mean 'reviews'"):
        load(tmp_path, url, table="review")


def test_a_secret_comes_from_the_environment_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """${NAME} is replaced when the database is reached; no message, field or repr holds its value."""
    secret = "s3cr3t/p@ss word"
    monkeypatch.setenv("FILMS_PASSWORD", secret)
    source = "postgresql://reader:${FILMS_PASSWORD}@127.0.0.1:1/films"
    pytest.importorskip("psycopg")
    with pytest.raises(DataError) as caught:
        load(tmp_path, source, table="reviews")
    assert caught.value.code == "data.unreachable"
    assert "${FILMS_PASSWORD}" in caught.value.message
    assert caught.value.__cause__ is None
    assert "s3cr3t" not in repr(caught.value.to_dict())


@given(ending=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_secret_may_hold_any_character(ending: str) -> None:
    """What stands in the environment is the password, whatever it means in an address, and repr does not show it."""
    secret = f"k9Q{ending}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILMS_PASSWORD", secret)
        location = resolve_location("postgresql://reader:${FILMS_PASSWORD}@host:5432/films?application_name=x", Path())
    url = make_url(location.meant)
    assert (url.username, url.password, url.host, url.database) == ("reader", secret, "host", "films")
    assert location.hide(f"refused: {location.meant}") == f"refused: {location.written}"
    assert "meant" not in repr(location)


def test_a_whole_address_may_come_from_the_environment(film_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DATABASE_URL as hosts give it is taken as it is, and its password is hidden all the same."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{film_file}/films.db")
    dataset = load(film_file, "${DATABASE_URL}", table="reviews")
    assert (len(dataset), dataset.source) == (4, "${DATABASE_URL}")
    pytest.importorskip("psycopg")
    monkeypatch.setenv("DATABASE_URL", "postgresql://reader:hunter2@127.0.0.1:1/films")
    with pytest.raises(DataError) as caught:
        load(film_file, "${DATABASE_URL}", table="reviews")
    assert "hunter2" not in repr(caught.value.to_dict())


def test_a_secret_may_stand_in_dotenv(film_file: Path) -> None:
    """A file .env next to the project file does as well as the environment."""
    (film_file / ".env").write_text("FILMS_NAME=films\n", encoding="utf-8")
    assert len(load(film_file, "sqlite:///${FILMS_NAME}.db", table="reviews")) == 4


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    """The error says which variable, and where it may be set."""
    with pytest.raises(DataError, match=r"\$\{NO_SUCH_VARIABLE\}") as caught:
        load(tmp_path, "postgresql://reader:${NO_SUCH_VARIABLE}@host/films", table="reviews")
    assert caught.value.code == "data.variable-missing"


@pytest.mark.parametrize(
    "source",
    [
        "postgresql://reader:hunter2@host/films",
        "mysql+pymysql://host/films?password=hunter2",
        "https://u:hunter2@h/a.csv",
    ],
)
def test_a_password_in_the_project_file_is_refused(tmp_path: Path, source: str) -> None:
    """Secrets do not belong into a file that is kept with the code; the message does not repeat them."""
    with pytest.raises(DataError) as caught:
        load(tmp_path, source, table="reviews")
    assert caught.value.code == "data.secret-in-project"
    assert "hunter2" not in repr(caught.value.to_dict())


def test_an_unknown_kind_of_source_is_named(tmp_path: Path) -> None:
    """A scheme that is neither a file system nor a database says so; so does a driver that is not installed."""
    with pytest.raises(DataError, match="klingon") as caught:
        load(tmp_path, "klingon://host/films", table="reviews")
    assert caught.value.code == "data.source-unknown"
    with pytest.raises(DataError, match="oracle") as caught:
        load(tmp_path, "oracle://host/films", table="reviews")
    assert caught.value.code == "data.driver-missing"
    (tmp_path / "rows.csv").write_text("text,label\na,p\nb,n\n")
    with pytest.raises(DataError, match="for databases") as caught:
        load(tmp_path, "rows.csv", query="SELECT 1")
    assert caught.value.code == "data.query-missing"
