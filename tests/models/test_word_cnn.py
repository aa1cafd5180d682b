"""Convolutions over words, and their pool with a linear model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import clone

from tests.models.corpus import texts
from tiltyard.models.ensemble import NaiveBayesConvolution
from tiltyard.models.tfidf.token_ids import compile_words, learn_tokens, read_tokens
from tiltyard.models.word_cnn import convolution_kernels, word_convolution
from tiltyard.models.word_cnn.network import LANES
from tiltyard.models.word_cnn.word_convolution import WordConvolution
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names

EITHER = pytest.mark.parametrize("kind", [WordConvolution, NaiveBayesConvolution])
ODD = [
    "",
    "   ",
    "plot",
    "Plot",
    "…",
    "\u0000",
    "é è ü",
    "\ud800",
    "好 电影",
    "plot " * 5000,
    "a-b",
    "unheard of words",
]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is invented here is learned in fewer steps than reviews are."""
    monkeypatch.setattr(word_convolution, "_LEAST_ROWS", 8_000)


@pytest.fixture(scope="module")
def fitted() -> NaiveBayesConvolution:
    """A pool that separates three topics."""
    return NaiveBayesConvolution(neurons=64, random_state=0).fit(*texts(120))


def ordered(rows: int, seed: int) -> tuple[list[str], NDArray[Any]]:
    """Texts that all hold the same words once, and labels that follow from which of two words stands first."""
    random = np.random.default_rng(seed)
    filling = ["the", "a", "of", "and", "it", "that", "then", "there", "with", "again"]
    truth = random.integers(0, 2, rows)
    made = []
    for label in truth:
        words = random.permutation(filling).tolist()
        words.insert(random.integers(0, len(words) + 1), "not good" if label else "good not")
        made.append(" ".join(words))
    return made, truth


def test_a_convolution_learns_the_order_of_words() -> None:
    """Texts of the same words in another order are separated, which no bag of words can do."""
    model = WordConvolution(64, regions=(2,), random_state=0).fit(*ordered(300, 0))
    assert model.score(*ordered(200, 1)) > 0.98


@pytest.mark.parametrize("region", [2, 3, 4])
def test_the_loops_find_the_best_place_of_each_neuron(region: int) -> None:
    """What the neurons say, and where, is what numpy finds by trying all places."""
    random = np.random.default_rng(region)
    filters = random.standard_normal((2, 30, region, LANES), dtype=np.float32)
    biases = random.standard_normal((2, LANES), dtype=np.float32)
    words, starts = random.integers(0, 30, 200).astype(np.int32), np.array([0, 4, 60, 120, 200])
    rows = np.array([3, 0, 1])
    values, places = np.empty((3, 2 * LANES), np.float32), np.empty((3, 2 * LANES), np.int32)
    convolution_kernels.forward(filters, biases, (words, starts), rows, (values, places))
    for number, row in enumerate(rows):
        begins = np.arange(starts[row], starts[row + 1] - region + 1)
        looked_up = [filters[:, words[begins + offset], offset] for offset in range(region)]
        sums = np.sum(looked_up, axis=0).transpose(0, 2, 1).reshape(2 * LANES, -1)
        np.testing.assert_allclose(values[number], np.maximum(0, sums.max(axis=1) + biases.ravel()), rtol=1e-5)
        np.testing.assert_array_equal(places[number], begins[sums.argmax(axis=1)])
    top = random.standard_normal((2 * LANES, 3), dtype=np.float32)
    out = np.ones((4, 3))
    convolution_kernels.predict_token_rows(filters, biases, top, (words, starts), out)
    np.testing.assert_allclose(out[rows], 1 + values.astype(float) @ top, rtol=1e-5)


def test_a_step_moves_what_took_part_and_nothing_else() -> None:
    """Adagrad's first step is as long as the rate, against the gradient, for the words of the best place alone."""
    filters, squares = np.zeros((1, 5, 2, LANES), np.float32), np.full((1, 5, 2, LANES), 1e-10, np.float32)
    biases, bias_squares = np.zeros((1, LANES), np.float32), np.full((1, LANES), 1e-10, np.float32)
    words = np.array([4, 0, 1, 2, 4], np.int32)  # 4 is the unknown word
    places, slopes = np.full((1, LANES), 1, np.int32), np.zeros((1, LANES), np.float32)
    slopes[0, :2] = 2.0, -3.0
    slopes[0, 2], places[0, 2] = 1.0, 3
    state = (filters, squares, biases, bias_squares)
    convolution_kernels.backward(state, words, places, slopes, np.float32(0.1))
    expected = np.zeros_like(filters)
    expected[0, 0, 0, :2] = expected[0, 1, 1, :2] = -0.1, 0.1
    expected[0, 2, 0, 2] = -0.1
    np.testing.assert_allclose(filters, expected, atol=1e-6)
    np.testing.assert_allclose(biases[0, :4], [-0.1, 0.1, -0.1, 0], atol=1e-6)


def test_tokens_are_the_words_and_marks_in_their_order() -> None:
    """Each text is its words in numbers, between margins of the unknown one, as it was learned and as it is read."""
    corpus = ["Good, good plot!", "", "No plot! Dull"]
    terms, tokens = learn_tokens(corpus, min_df=2, max_words=10, margin=2)
    names = [*terms.strings(), "?"]
    said = [[names[word] for word in tokens.words[first:last]] for first, last in _spans(tokens.starts)]
    margin = ["?", "?"]
    assert said == [
        [*margin, "?", "?", "?", "plot", "!", *margin],
        [*margin, *margin],
        [*margin, "?", "plot", "!", "?", *margin],
    ]
    again = read_tokens(corpus, compile_words(terms), 2)
    np.testing.assert_array_equal(again.words, tokens.words)
    np.testing.assert_array_equal(again.starts, tokens.starts)


def _spans(starts: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))


@EITHER
def test_the_number_of_processors_changes_nothing(kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed gives one model to the bit, whatever runs at the same time; another seed gives another."""
    taught = texts(60)
    given = []
    for processors in (1, 2, 8):
        monkeypatch.setattr("joblib.cpu_count", lambda processors=processors: processors)
        given.append(kind(neurons=64, random_state=3).fit(*taught).predict_proba(taught[0]))
    np.testing.assert_array_equal(given[0], given[1])
    np.testing.assert_array_equal(given[0], given[2])
    assert not np.array_equal(given[0], kind(neurons=64, random_state=4).fit(*taught).predict_proba(taught[0]))


def test_a_text_is_predicted_alike_in_any_batch(fitted: NaiveBayesConvolution) -> None:
    """A batch gets the predictions of its texts one by one, to the bit, however odd they are."""
    together = fitted.predict_proba(ODD)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together.sum(axis=1), 1)
    np.testing.assert_array_equal(together, np.vstack([fitted.predict_proba([text]) for text in ODD]))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_text_has_probabilities(fitted: NaiveBayesConvolution, inputs: list[str]) -> None:
    """Whatever a text holds, its probabilities are finite and sum to one."""
    probabilities = fitted.predict_proba(inputs)
    assert probabilities.shape == (len(inputs), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_a_stored_ensemble_predicts_as_before(fitted: NaiveBayesConvolution, tmp_path: Path) -> None:
    """It is read back from the skops format with the host's own list of types, and from a pickle, to the same bits."""
    inputs = [*texts(20, seed=2)[0], *ODD]
    expected = fitted.predict_proba(inputs)
    write_model(fitted, tmp_path / "model.skops")
    stored = read_model(tmp_path / "model.skops", trusted_type_names())
    np.testing.assert_array_equal(stored.predict_proba(inputs), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(inputs), expected)


def test_the_pool_multiplies_what_its_two_models_say(fitted: NaiveBayesConvolution) -> None:
    """The odds of two labels are the product of both models' odds, to one power."""
    inputs = texts(30, seed=3)[0]
    logs = np.log(fitted.linear_.predict_proba(inputs)) + np.log(fitted.network_.predict_proba(inputs))
    np.testing.assert_allclose(fitted.predict_proba(inputs), softmax(0.7 * logs, axis=1), rtol=1e-9)
    assert fitted.score(*texts(100, seed=4)) > 0.95


@EITHER
def test_row_weights_count_rows(kind: type[Any]) -> None:
    """A row of weight 0 is not there, equal weights change nothing, and heavy rows win over light ones."""
    inputs, labels = texts(90)
    half = np.arange(90) % 2
    model = kind(neurons=64, random_state=0)
    some = clone(model).fit(inputs, labels, sample_weight=half).predict_proba(inputs)
    without = clone(model).fit(inputs[half == 1], labels[half == 1]).predict_proba(inputs)
    np.testing.assert_array_equal(some, without)
    even = WordConvolution(64, random_state=0).fit(inputs, labels, sample_weight=np.full(90, 3.0))
    plain = WordConvolution(64, random_state=0).fit(inputs, labels)
    np.testing.assert_array_equal(even.predict_proba(inputs), plain.predict_proba(inputs))
    twice, claims = [*inputs, *inputs], np.repeat(["a", "b"], 90)
    heavy = clone(model).fit(twice, claims, sample_weight=np.repeat([9.0, 1.0], 90))
    assert (heavy.predict(inputs) == "a").all()


@EITHER
def test_what_cannot_be_learned_from_is_refused(kind: type[Any]) -> None:
    """One label, no weight at all, a negative one, and texts without labels are errors."""
    model = kind(neurons=64)
    with pytest.raises(ValueError, match="there is one: 'only'"):
        model.fit(["a b"] * 4, ["only"] * 4)
    with pytest.raises(ValueError, match="non-zero"):
        model.fit(["a b"] * 2, ["x", "y"], sample_weight=[0, 0])
    with pytest.raises(ValueError, match="weight"):
        model.fit(["a b"] * 2, ["x", "y"], sample_weight=[-1, 1])
    with pytest.raises(ValueError, match="3 texts and 2 labels"):
        model.fit(["a b"] * 3, ["x", "y"])


@pytest.mark.parametrize(
    "setting",
    [{"neurons": 100}, {"regions": (5,)}, {"regions": ()}, {"passes": 0}, {"dropout": 1.0}, {"decay": -0.1}],
)
def test_settings_out_of_range_are_refused_by_name(setting: dict[str, Any]) -> None:
    """The message names the parameter and what it must be."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        WordConvolution(**setting).fit(*texts(30))
