"""Vocabularies are written small, and are read by every skops as they were."""

from __future__ import annotations

import copy
import zipfile
from pathlib import Path

import numpy as np
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from tests.registry.fitted import TEXTS, fitted
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names

any_text = st.text(st.characters(), max_size=20)


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(terms=st.sets(any_text, max_size=30))
def test_any_vocabulary_is_read_as_it_was(terms: set[str], tmp_path: Path) -> None:
    """A vocabulary of any texts, lone surrogates and control characters included, is read as it was."""
    vocabulary = {term: column for column, term in enumerate([*terms, *(f"plain{i}" for i in range(120))])}
    model = TfidfVectorizer()
    model.vocabulary_ = vocabulary
    write_model(model, tmp_path / "m.skops")
    ours = read_model(tmp_path / "m.skops", trusted_type_names()).vocabulary_
    assert ours == vocabulary
    assert list(ours) == list(vocabulary)
    assert {type(column) for column in ours.values()} == {int}
    assert skops.io.load(tmp_path / "m.skops").vocabulary_ == vocabulary


def test_numbers_of_numpy(tmp_path: Path) -> None:
    """A vocabulary of numpy's numbers, as max_features leaves it, takes no file of the archive for each of them."""
    model = fitted("logistic regression").model
    assert isinstance(next(iter(model[0].vocabulary_.values())), np.integer)
    write_model(model, tmp_path / "m.skops")
    with zipfile.ZipFile(tmp_path / "m.skops") as archive:
        assert len(archive.namelist()) < 30


def test_the_model_stays(tmp_path: Path) -> None:
    """Writing a model leaves it as it was."""
    model = copy.deepcopy(fitted("voting").model)
    before = model.predict_proba(TEXTS)
    kept = [dict(part.vocabulary_) for _, part in model[0].transformer_list]
    write_model(model, tmp_path / "m.skops")
    assert [dict(part.vocabulary_) for _, part in model[0].transformer_list] == kept
    assert np.array_equal(model.predict_proba(TEXTS), before)


def test_two_vectorisers_share_their_vocabulary_again(tmp_path: Path) -> None:
    """Two vectorisers that share a vocabulary each have it again."""
    one, other = TfidfVectorizer().fit(TEXTS), TfidfVectorizer(binary=True).fit(TEXTS)
    other.vocabulary_ = one.vocabulary_
    write_model([one, other], tmp_path / "m.skops")
    read = read_model(tmp_path / "m.skops", trusted_type_names())
    assert [part.vocabulary_ for part in read] == [one.vocabulary_] * 2
