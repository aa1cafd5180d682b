"""Compiles the loops of models of texts in a separate process: ``python -m tiltyard.serving.process.compile_ahead``.

A server that starts for the first time on a host, with a version that was trained elsewhere, has nothing compiled.
Numba takes seconds for that, and so do MLflow and scikit-learn, which have to be imported to load the version. With
this process both happen at the same time. It needs neither of the two: a vocabulary of two terms has loops of the same
types as any other.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tiltyard.kernels.kept_code import ENDING
from tiltyard.kernels.places import find_places


class CompilingAhead:
    """The process, where it has something to do."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if nothing is kept of these loops and what it compiles can be kept."""
        from tiltyard.models.tfidf.scan_kernels import score  # noqa: PLC0415 - who starts nothing reads no loops

        places = find_places(score.function)
        stem = f"{Path(score.function.__code__.co_filename).stem}.{score.function.__name__}"
        if not places.writes or any(any(place.glob(f"{stem}-*{ENDING}")) for place in places.read):
            return
        command = [sys.executable, "-P", "-m", "tiltyard.serving.process.compile_ahead"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command line

    def wait(self) -> None:
        """Wait until it has ended; what it could not compile is compiled where it is needed."""
        if self._process is not None:
            self._process.wait()

    def end(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def compile_text_loops() -> None:
    """Score and explain texts with a model of two terms, mapped from a file as in a worker."""
    from tiltyard.models.tfidf.compiled_vocabulary import ReadTexts, Weighting, compile_vocabulary  # noqa: PLC0415
    from tiltyard.models.tfidf.terms import Terms  # noqa: PLC0415 - numba, as above
    from tiltyard.scoring.explanations import explain  # noqa: PLC0415 - likewise
    from tiltyard.scoring.linear_head import LinearHead  # noqa: PLC0415 - likewise
    from tiltyard.scoring.stored_scorer import read_scorer, write_scorer  # noqa: PLC0415 - likewise
    from tiltyard.scoring.table.columns import InputColumns  # noqa: PLC0415 - likewise
    from tiltyard.scoring.text.text_scorer import TextScorer  # noqa: PLC0415 - likewise

    terms = Terms.from_strings(["warm", "warm up"])
    vocabulary = compile_vocabulary(terms, ReadTexts(ngram_range=(1, 2)), Weighting(np.ones(2)))
    head = LinearHead(np.ones((2, 1)), np.zeros(1), "sigmoid", 2)
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        file = Path(folder) / "scorer"
        write_scorer(file, TextScorer(vocabulary, terms, head, ["no", "yes"]))
        scorer = read_scorer(file, InputColumns({}))
        rows = [{"text": "Wärm up"}]
        scorer.score(rows)
        explain(scorer, rows)


if __name__ == "__main__":
    compile_text_loops()
