"""The Python of each page: the names that it leaves to its reader, and what has to hold after it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from prometheus_client import CollectorRegistry
from sklearn.naive_bayes import ComplementNB

from tests.pages.conftest import Stand
from tiltyard.models.recipes import text
from tiltyard.registry import MlflowRegistry

Names = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """How the Python of a page is run, all of its blocks in order.

    Attributes:
        give: the names that the page leaves to the reader.
        check: what has to hold afterwards.
        rewrite: texts of the page for which others stand, such as the address of the server.
        inside: whether the page shows the inside of a function.
        fresh: whether the page starts in an empty folder, not in the project with a champion.
    """

    give: Callable[[Stand], Names] = field(default=lambda _: {})
    check: Callable[[Names], None] = field(default=lambda _: None)
    rewrite: Callable[[Stand], dict[str, str]] = field(default=lambda _: {})
    inside: bool = False
    fresh: bool = False

    def prepare(self, code: str, stand: Stand) -> str:
        """The code as it is run."""
        for old, new in self.rewrite(stand).items():
            assert old in code
            code = code.replace(old, new)
        return f"def run():\n{textwrap.indent(code, '    ')}\nresult = run()\n" if self.inside else code


def _fetch_champion(stand: Stand) -> Names:
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{stand.films.root / '.tiltyard' / 'mlflow.db'}")
    champion = registry.champion("films-classifier")
    assert champion is not None
    return {"folder": registry.fetch(champion, stand.films.root / "fetched")}


def _export(stand: Stand) -> Names:
    stand.films.call("export", "1", "--to", "models/")
    for name in ("model", "model_vectorizer"):
        file = stand.films.root / "models" / f"films_{name}.pkl"
        file.rename(file.with_name(f"sentiment_{name}.pkl"))
    return {}


def _check_candidate(names: Names) -> None:
    estimator = names["make_estimator"](0)
    assert set(names["make_estimator_space"]) <= set(estimator.get_params())
    estimator.fit(["warm", "dull"] * 5, [1, 0] * 5)


def _inside_text(_: Stand) -> Names:
    """The step's blocks stand in ``models/recipes/text.py``."""
    return {**vars(text), "ComplementNB": ComplementNB}


def _check_recipe(names: Names) -> None:
    model = names["tfidf_complement"](0).fit(["warm film", "dull film"] * 5, ["good", "bad"] * 5)
    assert model.predict(["warm film"]).tolist() == ["good"]


def _check_metrics(names: Names) -> None:
    registry = CollectorRegistry()
    count = names["register"](registry)
    count([SimpleNamespace(confidence=0.5), SimpleNamespace(confidence=0.9)])
    assert registry.get_sample_value("films_unsure_total") == 1


def _check_monitoring(names: Names) -> None:
    assert names["id_"]
    assert Path("report.html").stat().st_size > 1000
    names["monitor"].close()


def _refused_request(_: Stand) -> Names:
    request = SimpleNamespace(headers={"Tiltyard-Signature": "t=1,v1=00"})
    return {"secret": "s" * 32, "body": b"{}", "request": request}


def _check_refused(names: Names) -> None:
    assert names["result"] == 401


def _check_experiments(names: Names) -> None:
    assert sorted(names["runs"]["params.C"]) == ["0.1", "10.0"]


def _check_pipeline(names: Names) -> None:
    assert names["decision"]["promoted"]
    assert names["report"]["performance"]["accuracy"] > 0.9


def _check_registry(names: Names) -> None:
    assert [model.name for model in names["models"]] == ["tumours"]


def _check_validation(names: Names) -> None:
    assert 0 < names["validator"].get_data_quality_score("people") < 100
    assert "split.duplicates" in {finding.code for finding in names["split"].findings}
    assert names["drift"].findings


def _check_adopting(names: Names) -> None:
    assert names["version"].metrics["accuracy"] > 0.9
    assert Path("tumours.skops").is_file()


def _make_orders(stand: Stand) -> Names:
    """Two tables to score: in memory, and as a folder of files."""
    frame = pd.DataFrame({"customer": ["a", "b"], "text": ["A warm film.", "Dull and slow."]})
    folder = stand.films.root / "orders"
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / "monday.parquet", index=False)
    return {"frame": frame}


def _check_scored(names: Names) -> None:
    assert names["scored"]["customer"].tolist() == ["a", "b"]
    assert (names["result"].scored, names["result"].recorded) == (2, 2)


PYTHON = {
    "CONTRIBUTING.md": Page(_inside_text, _check_recipe),
    "docs/adopting.md": Page(check=_check_adopting, fresh=True),
    "docs/alerts.md": Page(_refused_request, _check_refused, inside=True),
    "docs/batch.md": Page(_make_orders, _check_scored),
    "docs/candidates.md": Page(check=_check_candidate),
    "docs/drift.md": Page(lambda _: {"reference_data": ["a warm film", "dull and slow"] * 60}),
    "docs/experiments.md": Page(check=_check_experiments, fresh=True),
    "docs/monitoring.md": Page(check=_check_monitoring),
    "docs/pipeline.md": Page(check=_check_pipeline, fresh=True),
    "docs/registry.md": Page(check=_check_registry, fresh=True),
    "docs/safe-artifacts.md": Page(_export),
    "docs/scoring.md": Page(_fetch_champion),
    "docs/serving.md": Page(
        check=_check_metrics,
        rewrite=lambda stand: {"localhost:8000": stand.url.removeprefix("http://")},
    ),
    "docs/validation.md": Page(check=_check_validation, fresh=True),
}
