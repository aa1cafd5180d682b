"""Steps 3 to 10 of the document Sentiment MLOps, and the API reference, on the demo: their blocks as they stand."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.documents.blocks import BLOCKS, read_commands, read_expected, read_words, run_curls
from tests.films import Films, environment

pytestmark = pytest.mark.journey

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Demo:
    """The project of ``make demo``, what its first training and the demo printed, and the address of its server."""

    films: Films
    first: str
    printed: str
    address: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Demo]:
    """A training, then the demo, which trains again, promotes, serves and predicts, in a copy of the examples."""
    examples = tmp_path_factory.mktemp("demo") / "examples"  # by this name what the demo starts is forked
    examples.mkdir()
    shutil.copy(EXAMPLES / "demo.py", examples)
    shutil.copytree(EXAMPLES / "sentiment", examples / "sentiment", ignore=shutil.ignore_patterns(".tiltyard"))
    films = Films(examples / "sentiment")
    (films.root / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, films.root / ".tiltyard" / "mlflow.db")
    [command], [again] = read_commands("sentiment-2"), read_commands("sentiment-4")
    first = films.call(*read_words(command)).stdout
    assert read_words(again) == ["train", "--champion"]  # what the demo runs first
    demos = ExitStack()  # one after the other, for the workers of pytest: two at once may both find port 8000 free
    fcntl.flock(demos.enter_context(fresh_store.with_name("demo.lock").open("w")), fcntl.LOCK_EX)
    process = fork_server.popen(
        [sys.executable, str(examples / "demo.py")], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        printed = ""
        with demos:
            for line in process.stdout:
                printed += line
                if line.startswith("Press Ctrl-C"):
                    break
        address = re.search(r"Health: +(\S+)/health", printed)
        assert address is not None, printed
        yield Demo(films, first, printed, address[1])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.requirement("R-TRAIN-11", "R-ORCH-04")
def test_a_training_prints_what_the_document_shows(demo: Demo) -> None:
    """Run id, metrics and version are printed under the document's words, and each step as it ends."""
    for line in BLOCKS["sentiment-3"]["text"].splitlines():
        known = re.split(r"<run_id>|data/imdb|: \{|\d\.\d{4}", line)[0]
        assert known in demo.first, line
    steps = ("load-data", "split-data", "train-model", "evaluate-model", "log-mlflow", "register-model")
    places = [demo.first.index(f"✓ {step}") for step in steps]
    assert places == sorted(places)
    assert demo.first.count("Model version: 1\n") == 1
    for line in BLOCKS["sentiment-5"]["text"].splitlines()[1:]:
        assert f"\n{line}\n" in demo.printed


@pytest.mark.requirement("R-TRAIN-14", "R-ORCH-03", "R-DEPLOY-11", "R-DOC-03", "R-SERVE-01")
def test_the_demo_trains_promotes_serves_and_predicts(demo: Demo) -> None:
    """What ``make demo`` runs ends with a served champion that tells a good review from a bad one."""
    assert "Status: Set as champion" in demo.printed
    responses = [json.loads(text) for text in re.findall(r"^  (\{.*\})$", demo.printed, re.MULTILINE)]
    assert [response["sentiment"] for response in responses] == ["positive", "negative"]


@pytest.mark.requirement("R-SERVE-02", "R-SERVE-06", "R-SERVE-07", "R-SERVE-11")
@pytest.mark.parametrize("block", ["sentiment-6", "sentiment-10"])
def test_the_curls_respond_as_the_document_expects(demo: Demo, block: str) -> None:
    """Every curl has the fields and words of its expected response; a confidence is a share, not that very number."""
    responses = run_curls(block, demo.address)
    expected = read_expected(block)
    assert len(responses) == len(expected) > 0
    for response, wanted in zip(responses, expected, strict=True):
        confidence = wanted.pop("confidence", None)
        assert {name: response[name] for name in wanted} == wanted
        assert confidence is None or 0.5 < response["confidence"] <= 1


@pytest.mark.requirement("R-MON-05", "R-PRED-01", "R-PRED-03", "R-PRED-04")
def test_the_lines_about_recorded_predictions_run(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python lines of Stage 7 count what the server recorded, and evaluate drift without a reference."""
    (text,) = [BLOCKS["stages-full-5"]["text"].replace("src.monitoring.collector", "tiltyard")]
    before = run_curls("sentiment-10", demo.address)
    monkeypatch.chdir(demo.films.root)
    names: dict[str, Any] = {}
    exec(compile(text, "stages-full-5", "exec"), names)
    assert names["stats"]["total_predictions"] >= len(before) > 0
    assert names["recent"][0]["prediction_id"] == before[-1]["prediction_id"]
    assert names["drift_result"]["drift_detected"] in (True, False)
    names["collector"].close()


@pytest.mark.requirement("R-REG-10", "R-REG-13", "R-REG-14", "R-REG-15")
def test_the_commands_about_versions_run(demo: Demo) -> None:
    """Step 9 as it stands: the champion's details, all versions with aliases, an alias set by hand."""
    info, versions, aliased = (demo.films.call(*read_words(line)).stdout for line in read_commands("sentiment-7"))
    assert re.search(r"^Version +2$", info, re.MULTILINE)
    assert re.search(r"^Aliases +champion$", info, re.MULTILINE)
    assert re.search(r"^ +2 .*champion", versions, re.MULTILINE)
    assert aliased == "sentiment-classifier: challenger is now version 1.\n"


@pytest.mark.requirement("R-REG-12", "R-SERVE-12", "R-DEPLOY-11")
def test_an_equal_version_is_not_promoted_and_a_reload_is_forced(demo: Demo) -> None:
    """Step 10 as it stands: the same data do not make a better version, which is said with a next step; then reload."""
    [command] = read_commands("sentiment-8")
    done = demo.films.call(*read_words(command), check=False)
    assert done.returncode == 3
    assert "Status: Not promoted (current champion is better" in done.stdout
    (step,) = re.findall(r"^Next: (.*)$", done.stdout, re.MULTILINE)
    assert "tiltyard promote 3 --force --reason" in step
    [reloaded] = run_curls("sentiment-9", demo.address)
    assert (reloaded["changed"], reloaded["model_version"]) == (False, "2")
