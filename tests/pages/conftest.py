"""One project with a champion, and its server, for all pages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.films import PROJECT, REVIEWS, Films, make_films, serving

TEXTS = PROJECT.replace('answer = "sentiment"\n', "")  # responses have the field prediction, as the pages show it


@dataclass(frozen=True)
class Stand:
    """A project as a reader has it who followed the pages, and the address of its server."""

    films: Films
    url: str


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Stand]:
    """Reviews with a served champion, four predictions, and the files that the pages name."""
    films = make_films(tmp_path_factory.mktemp("pages") / "films", rows=300, project=TEXTS, store=fresh_store)
    films.call("train", "--champion")
    write_files(films.root)
    with serving(films) as (url, _):
        made = httpx.post(f"{url}/predict/batch", json={"texts": ["A warm film.", "Dull and slow."]}).json()
        rows = [(sent["prediction_id"], "positive") for sent in made["predictions"]]
        for name in ("labels.csv", "FILE"):
            with (films.root / name).open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("prediction_id", "label"), *rows])
        yield Stand(films, url)


def write_files(folder: Path) -> None:
    """The files that the pages name, as a reader would have them: reviews, and a table with the label churn."""
    if not (folder / "reviews.csv").exists():
        (folder / "reviews.csv").write_text("\n".join(REVIEWS.read_text("utf-8").splitlines()[:101]), encoding="utf-8")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(f"c{n}", n * 7 % 60, ("basic", "pro")[n % 2], ("no", "yes")[n % 3 == 0]) for n in range(120)]
        csv.writer(file).writerows([("customer_id", "months", "plan", "churn"), *rows])
    (folder / "people.csv").write_text("text\na warm film\n", encoding="utf-8")
