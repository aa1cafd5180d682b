"""What is compiled for models of texts while a server's registry process imports its libraries."""

from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tiltyard.kernels.argument_types import describe_key
from tiltyard.kernels.kernel import Kernel
from tiltyard.models.tfidf import row_kernels, scan_kernels
from tiltyard.scoring import compile_scorer, explain, link_kernels
from tiltyard.scoring.stored_scorer import read_scorer, write_scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.serving.process.compile_ahead import CompilingAhead, compile_text_loops

KERNELS = [
    one
    for module in (scan_kernels, row_kernels, link_kernels)
    for one in vars(module).values()
    if isinstance(one, Kernel)
]


def list_types() -> set[tuple[str, str]]:
    return {(kernel.function.__name__, describe_key(types)) for kernel in KERNELS for types in kernel.signatures}


def test_a_real_model_needs_nothing_more(tmp_path: Path) -> None:
    """A fitted model that is mapped from a file calls its loops with the types that were compiled ahead."""
    texts, labels = ["a warm and funny film", "dull, slow and far too long"], ["good", "bad"]
    fitted = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, labels)
    scorer = compile_scorer(fitted, "text-classification", InputColumns({}))
    write_scorer(tmp_path / "scorer", scorer)
    for kernel in KERNELS:
        kernel._keys.clear()
        kernel._calls.clear()
    compile_text_loops()
    ahead = list_types()
    assert len({name for name, _ in ahead}) >= 6
    mapped = read_scorer(tmp_path / "scorer", InputColumns({}))
    rows = [{"text": text} for text in ("a funny film", "Wärm", "", "nothing known here")]
    for some in (rows[:1], rows):
        mapped.score(some)
        explain(mapped, some)
    assert list_types() == ahead


def test_a_host_without_compiled_loops_starts_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started where nothing is kept, and not where these loops are."""
    compile_text_loops()
    kept = CompilingAhead()
    kept.start()
    assert kept._process is None
    kept.wait()
    tmp_path.chmod(0o700)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    missing = CompilingAhead()
    missing.start()
    assert missing._process is not None
    missing.end()
    assert missing._process.poll() is not None
