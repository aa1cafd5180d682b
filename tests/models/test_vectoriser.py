from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tiltyard.errors import DataError, InputError, UsageError
from tiltyard.models.tfidf import alphabet, compiled_vocabulary, hash_tables, row_kernels, scan_kernels
from tiltyard.models.tfidf.terms import Terms
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer, UnsupportedSettingError, UnusableTextError, warm_up

PATTERNS = (alphabet.WORDS_OF_TWO, alphabet.WORDS, alphabet.WORDS_AND_MARKS)
CORPUS = ["The cat sat on the mat.", "A cat, a CAT!", "Dogs & cats: the end", "naïve café - the mat", ""]

_PIECES = (
    "the The THE a b ab foo foo_bar _ abcdefg abcdefgh extraordinary extraordinarily café naïve ΟΔΟΣ Σ ς İ İstanbul "
    "ß ſ K ǅabc x1 ² ٣ ⅷ 日本 क्ष 𝒜𝒜 𐐀 😀 e\u0301 \u0301 \u200d \0 \0a \x1c \x85 \xa0 , . - — ' \ud800 \udfff"
)
_pieces = st.sampled_from(_PIECES.split(" "))
_joints = st.sampled_from(["", " ", " ", " ", "\n", "-", ", "])
_phrases = st.lists(st.tuples(_pieces, _joints), max_size=15).map(lambda pairs: "".join(map("".join, pairs)))
_texts = st.lists(_phrases | st.text(st.characters(exclude_categories=()), max_size=30), min_size=1, max_size=8)


@st.composite
def _settings(draw: st.DrawFn) -> dict[str, Any]:
    least = draw(st.integers(1, 3))
    return {
        "ngram_range": (least, least + draw(st.integers(0, 2))),
        "lowercase": draw(st.booleans()),
        "token_pattern": draw(st.sampled_from(PATTERNS)),
        "min_df": draw(st.sampled_from([1, 2, 0.0, 0.3])),
        "max_df": draw(st.sampled_from([1.0, 0.7, 3])),
        "max_features": draw(st.sampled_from([None, None, 1, 4, 20])),
        "binary": draw(st.booleans()),
        "norm": draw(st.sampled_from(["l1", "l2", None])),
        "use_idf": draw(st.booleans()),
        "smooth_idf": draw(st.booleans()),
        "sublinear_tf": draw(st.booleans()),
        "dtype": draw(st.sampled_from([np.float64, np.float32])),
    }


def _fitted(texts: list[str], parameters: dict[str, Any]) -> tuple[TfidfVectorizer, Any] | None:
    plain = TfidfVectorizer(**parameters)
    try:
        return plain, plain.fit_transform(texts)
    except ValueError:
        return None


def _ascending(matrix: Any) -> Any:
    matrix = matrix.copy()
    matrix.sort_indices()
    return matrix


def _assert_identical(expected: Any, got: Any) -> None:
    expected = _ascending(expected)
    assert type(got) is type(expected)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    assert got.indices.dtype == expected.indices.dtype
    np.testing.assert_array_equal(got.indptr, expected.indptr)
    np.testing.assert_array_equal(got.indices, expected.indices)
    np.testing.assert_array_equal(got.data, expected.data)


def _assert_close(expected: Any, got: Any) -> None:
    expected = _ascending(expected)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.indptr, expected.indptr)
    np.testing.assert_array_equal(got.indices, expected.indices)
    np.testing.assert_allclose(got.data, expected.data, rtol=1e-12 if got.dtype == np.float64 else 1e-6)


@settings(deadline=None, max_examples=150)
@given(_texts, _texts, _settings())
def test_vocabulary_and_matrices_equal_scikit_learn(
    texts: list[str], others: list[str], parameters: dict[str, Any]
) -> None:
    """On any texts and settings, vocabulary, idf and matrices are scikit-learn's, and what it refuses is refused."""
    ours = FastTfidfVectorizer(**parameters)
    fitted = _fitted(texts, parameters)
    if fitted is None:
        with pytest.raises((UnusableTextError, UnsupportedSettingError)):
            ours.fit(texts)
        return
    plain, expected = fitted
    got = ours.fit_transform(texts)
    assert ours.vocabulary_ == plain.vocabulary_
    assert ours.get_feature_names_out().tolist() == plain.get_feature_names_out().tolist()
    if parameters["use_idf"]:
        np.testing.assert_array_equal(ours.idf_, plain.idf_)
    _assert_close(expected, got)
    _assert_identical(plain.transform(texts), ours.transform(texts))
    _assert_identical(plain.transform(others), ours.transform(others))


@settings(deadline=None, max_examples=60)
@given(_texts, _texts, _settings())
def test_a_converted_vectoriser_gives_the_same_rows(
    texts: list[str], others: list[str], parameters: dict[str, Any]
) -> None:
    """A vectoriser turned into scikit-learn's, or made from it, transforms like the one it was made from."""
    fitted = _fitted(texts, parameters)
    if fitted is None:
        return
    plain, _ = fitted
    ours = FastTfidfVectorizer.from_sklearn(plain)
    assert ours.vocabulary_ == plain.vocabulary_
    _assert_identical(plain.transform(others), ours.transform(others))
    back = ours.to_sklearn()
    assert type(back) is TfidfVectorizer
    _assert_identical(plain.transform(others), back.transform(others))


@settings(deadline=None, max_examples=60)
@given(_texts, _texts, _settings(), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_decision_equals_the_product(
    texts: list[str], others: list[str], parameters: dict[str, Any], classes: int, seed: int
) -> None:
    """The scoring kernel gives what scikit-learn's matrix times the weights gives."""
    fitted = _fitted(texts, {**parameters, "dtype": np.float64})
    if fitted is None:
        return
    plain, _ = fitted
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(len(plain.vocabulary_), classes))
    intercept = generator.normal(size=classes)
    compiled = FastTfidfVectorizer.from_sklearn(plain).compile()
    got = compiled_vocabulary.decision(others, compiled, weights, intercept)
    np.testing.assert_allclose(got, plain.transform(others) @ weights + intercept, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_decision_equals_a_fitted_pipeline(classes: int) -> None:
    """The scoring kernel equals decision_function of the fitted pipeline, each row whatever its neighbours are."""
    texts = [f"{first} {second} tail" for first in ("red", "green", "blue") for second in ("sky", "sea", "sun")]
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression())
    pipeline.fit(texts, [row % classes for row in range(len(texts))])
    vectoriser, model = pipeline[0], pipeline[1]
    compiled = FastTfidfVectorizer.from_sklearn(vectoriser).compile()
    requested = [*texts, "", "nothing known", "red " * 50, "RED sky, red SKY"]
    got = compiled_vocabulary.decision(requested, compiled, model.coef_.T, model.intercept_)
    expected = pipeline.decision_function(requested).reshape(len(requested), -1)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    alone = [compiled_vocabulary.decision([text], compiled, model.coef_.T, model.intercept_)[0] for text in requested]
    np.testing.assert_array_equal(got, alone)


@pytest.mark.parametrize("sublinear", [False, True])
@pytest.mark.parametrize("norm", ["l1", "l2", None])
def test_decision_with_many_occurrences(sublinear: bool, norm: Any) -> None:
    """A term that a text holds thousands of times is weighed as in scikit-learn."""
    texts = ["one two", "two three"]
    plain = TfidfVectorizer(sublinear_tf=sublinear, norm=norm).fit(texts)
    long = ["one " * 5000 + "two " * 257 + "three " * 256]
    weights = np.array([[1.0], [2.0], [-3.0]])
    compiled = FastTfidfVectorizer.from_sklearn(plain).compile()
    got = compiled_vocabulary.decision(long, compiled, weights, np.zeros(1))
    np.testing.assert_allclose(got, plain.transform(long) @ weights, rtol=1e-12)


def test_decision_refuses_weights_of_another_vocabulary() -> None:
    """Weights that do not fit the vocabulary are an error, not a read out of bounds."""
    compiled = FastTfidfVectorizer().fit(CORPUS).compile()
    with pytest.raises(InputError, match="do not fit a vocabulary of"):
        compiled_vocabulary.decision(CORPUS, compiled, np.zeros((3, 1)), np.zeros(1))


def test_character_classes_are_those_of_re() -> None:
    """Every code point is a word character, a space or neither, as Python's regular expressions say."""
    kinds = alphabet.alphabet(alphabet.WORDS, lowercase=True).kinds
    assert len(kinds) == sys.maxunicode + 1
    word, space = re.compile(r"\w"), re.compile(r"\s")
    for code, kind in enumerate(kinds.tolist()):
        character = chr(code)
        assert kind == (1 if word.match(character) else 2 if space.match(character) else 0), hex(code)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_code_point_is_read_as_scikit_learn_reads_it(pattern: str) -> None:
    """A corpus of all code points, singly and in runs, gives scikit-learn's vocabulary and rows."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if code < 0x3000 or code % 97 == 0]
    texts = [" ".join(characters[k : k + 500]) + " " + "".join(characters[k : k + 500]) for k in range(0, 13000, 500)]
    texts.append(" ".join(f"a{character}b" for character in characters))
    plain = TfidfVectorizer(token_pattern=pattern)
    ours = FastTfidfVectorizer(token_pattern=pattern)
    _assert_close(plain.fit_transform(texts), ours.fit_transform(texts))
    assert ours.vocabulary_ == plain.vocabulary_


def test_ties_of_max_features_fall_as_in_scikit_learn() -> None:
    """Where many terms are equally frequent, the same ones are kept."""
    generator = np.random.default_rng(3)
    texts = [" ".join(f"w{number}" for number in generator.zipf(1.3, 200) % 20000) for _ in range(60)]
    for limit in (10, 500, 1500):
        parameters: dict[str, Any] = {"max_features": limit, "ngram_range": (1, 2)}
        plain = TfidfVectorizer(**parameters).fit(texts)
        assert FastTfidfVectorizer(**parameters).fit(texts).vocabulary_ == plain.vocabulary_


def test_growing_tables_lose_no_term() -> None:
    """A corpus with more words, letters and pairs than the tables begin with loses none of them."""
    texts = [" ".join(f"word{row}x{k}" for k in range(300)) for row in range(60)]
    texts += ["y" * 300_000, "z" * 7 + " " + "z" * 8, "y" * 299_999 + " é" + "y" * 100_000]
    plain = TfidfVectorizer(ngram_range=(1, 3))
    ours = FastTfidfVectorizer(ngram_range=(1, 3))
    _assert_close(plain.fit_transform(texts), ours.fit_transform(texts))
    assert ours.vocabulary_ == plain.vocabulary_
    _assert_identical(plain.transform(texts[::7]), ours.transform(texts[::7]))


def test_terms_with_equal_hashes_are_distinguished() -> None:
    """A word whose hash is that of a known one, but whose letters differ, is not found."""
    terms = Terms.from_strings(["extraordinary"])
    assert _found(terms, "extraordinary") == [0]
    changed = Terms(terms.letters.copy(), terms.starts, terms.chains)
    table = _table(changed)
    changed.letters[3] = ord("x")
    assert _found(changed, "extraordinary", table) == [-1]


def test_nothing_is_read_after_the_end_of_a_text() -> None:
    """A text cut in the middle of a character reads the same whatever bytes follow, valid or not."""
    generator = np.random.default_rng(5)
    table = _table(Terms.from_strings(["ab", "café", "日本"]))
    for _ in range(300):
        body = generator.choice(np.frombuffer("ab café 日本 \udcff😀".encode("utf-8", "surrogatepass"), np.uint8), 12)
        results = []
        for tail in (b"", b"\x80\x80\x80", b"abc", b"\xff\xff\xff\xff"):
            data = np.concatenate([body, np.frombuffer(tail, np.uint8)])
            results.append(_scanned(data, len(body), table))
        assert results[0] == results[1] == results[2] == results[3]


def test_terms_that_no_text_yields_are_never_found() -> None:
    """A scikit-learn vocabulary may hold impossible terms: they keep their columns, and stay empty."""
    vocabulary = ["ab", "a", "ab cd", "Ab", "a-b", "ab  cd", "", "\0", "\0ab", "cd ab ab", "cd"]
    texts = ["ab cd a-b Ab ab  cd \0 \0ab cd ab ab a", "cd"]
    for pattern in PATTERNS:
        parameters: dict[str, Any] = {"token_pattern": pattern, "ngram_range": (1, 2), "lowercase": False}
        plain = TfidfVectorizer(vocabulary=vocabulary, **parameters).fit(texts)
        ours = FastTfidfVectorizer.from_sklearn(plain)
        assert ours.vocabulary_ == plain.vocabulary_
        _assert_identical(plain.transform(texts), ours.transform(texts))


def test_reads_generators_series_and_bytes() -> None:
    """Any iterable of strings or UTF-8 bytes is read, in order."""
    expected = TfidfVectorizer().fit(CORPUS).transform(CORPUS)
    for texts in (pd.Series(CORPUS), np.array(CORPUS), np.array(CORPUS, object), [text.encode() for text in CORPUS]):
        ours = FastTfidfVectorizer()
        ours.fit(texts)
        _assert_identical(expected, ours.transform(texts))
    _assert_identical(expected, FastTfidfVectorizer().fit(iter(CORPUS)).transform(iter(CORPUS)))


def test_no_texts_give_no_rows() -> None:
    """Transforming nothing gives a matrix of no rows, and scoring nothing gives no decisions."""
    ours = FastTfidfVectorizer().fit(CORPUS)
    width = len(ours.vocabulary_)
    assert ours.transform([]).shape == (0, width)
    assert compiled_vocabulary.decision([], ours.compile(), np.zeros((width, 2)), np.zeros(2)).shape == (0, 2)


@pytest.mark.parametrize("text", [None, float("nan"), 3, b"\xff\xfe", ["nested"], pd.NA])
def test_what_is_not_text_is_refused(text: object) -> None:
    """An item that is not a string is an error that names its row, when fitting, transforming and scoring."""
    ours = FastTfidfVectorizer().fit(CORPUS)
    weights, intercept = np.zeros((len(ours.vocabulary_), 1)), np.zeros(1)
    for read in (
        ours.transform,
        FastTfidfVectorizer().fit,
        lambda texts: compiled_vocabulary.decision(texts, ours.compile(), weights, intercept),
    ):
        with pytest.raises(UnusableTextError, match="Text 1 is") as caught:
            read(["fine", text])
        assert isinstance(caught.value, DataError)
        assert caught.value.next_step
        assert caught.value.fields["row"] == 1


def test_one_string_is_refused() -> None:
    """A string by itself is not a collection of texts."""
    with pytest.raises(UnusableTextError, match="A collection of texts was expected, not str"):
        FastTfidfVectorizer().fit("one text")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_pattern", r"[a-z]+"),
        ("ngram_range", (2, 1)),
        ("ngram_range", (0, 1)),
        ("ngram_range", [1, 2]),
        ("min_df", 0),
        ("min_df", 1.5),
        ("max_df", -0.1),
        ("max_df", "all"),
        ("max_features", 0),
        ("max_features", 2.0),
        ("norm", "max"),
        ("dtype", np.int64),
        ("dtype", "nonsense"),
        ("lowercase", "yes"),
        ("sublinear_tf", 1),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: object) -> None:
    """A setting that cannot be used is an error that names it and what to set."""
    with pytest.raises(UnsupportedSettingError, match=name) as caught:
        FastTfidfVectorizer(**{name: value}).fit(CORPUS)  # type: ignore[arg-type]
    assert isinstance(caught.value, UsageError)
    assert caught.value.next_step


def test_unsupported_pattern_names_the_supported_ones() -> None:
    """The error for a token pattern lists those that can be used."""
    with pytest.raises(UnsupportedSettingError) as caught:
        FastTfidfVectorizer(token_pattern=r"\S+").fit(CORPUS)
    assert all(repr(pattern) in caught.value.next_step for pattern in PATTERNS)


def test_max_df_below_min_df_is_refused() -> None:
    """Limits that leave no room are an error before anything is pruned."""
    with pytest.raises(UnsupportedSettingError, match="means fewer texts than min_df"):
        FastTfidfVectorizer(min_df=4, max_df=2).fit(CORPUS)


@pytest.mark.parametrize(
    "parameters",
    [
        {"stop_words": "english"},
        {"analyzer": "char"},
        {"preprocessor": str.upper},
        {"strip_accents": "ascii"},
        {"encoding": "latin-1"},
        {"tokenizer": str.split, "token_pattern": None},
        {"token_pattern": r"[a-z]+"},
    ],
)
def test_from_sklearn_refuses_what_it_cannot_equal(parameters: dict[str, Any]) -> None:
    """A scikit-learn vectoriser with a setting that is not supported is refused by name."""
    plain = TfidfVectorizer(**parameters).fit(CORPUS)
    with pytest.raises(UnsupportedSettingError, match=next(iter(parameters))):
        FastTfidfVectorizer.from_sklearn(plain)


def test_from_sklearn_refuses_a_subclass() -> None:
    """A subclass may override anything, so it is not treated as the plain class."""

    class Own(TfidfVectorizer):  # type: ignore[misc]
        pass

    with pytest.raises(UnsupportedSettingError, match="Own"):
        FastTfidfVectorizer.from_sklearn(Own().fit(CORPUS))


def test_nothing_is_transformed_before_fit() -> None:
    """Nothing is transformed before fit."""
    for ask in (
        lambda: FastTfidfVectorizer().transform(CORPUS),
        lambda: FastTfidfVectorizer().vocabulary_,
        lambda: FastTfidfVectorizer().idf_,
        lambda: FastTfidfVectorizer().get_feature_names_out(),
        lambda: FastTfidfVectorizer().to_sklearn(),
        lambda: FastTfidfVectorizer.from_sklearn(TfidfVectorizer()),
    ):
        with pytest.raises(NotFittedError):
            ask()


def test_no_idf_without_use_idf() -> None:
    """Without use_idf there is no idf_, as in scikit-learn."""
    ours = FastTfidfVectorizer(use_idf=False).fit(CORPUS)
    assert not hasattr(ours, "idf_")
    assert not hasattr(ours.to_sklearn()._tfidf, "idf_")


def test_a_clone_has_no_vocabulary_and_a_pickle_has() -> None:
    """A clone has the parameters and no vocabulary; a pickle has both, and transforms alike."""
    ours = FastTfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit(CORPUS)
    expected = ours.transform(CORPUS)
    copy = clone(ours)
    assert copy.get_params() == ours.get_params()
    assert not hasattr(copy, "vocabulary_")
    assert len(ours.vocabulary_) > 0  # builds what is lazy, which must not hinder pickling
    loaded = pickle.loads(pickle.dumps(ours))
    assert loaded.vocabulary_ == ours.vocabulary_
    _assert_identical(expected, loaded.transform(CORPUS))


def test_a_second_fit_replaces_the_vocabulary() -> None:
    """A second fit replaces vocabulary, idf and tables."""
    ours = FastTfidfVectorizer().fit(["one two"])
    ours.transform(["one"])
    ours.fit(["three four five"])
    assert set(ours.vocabulary_) == {"three", "four", "five"}
    assert ours.transform(["one five"]).nnz == 1


def test_is_a_step_of_a_pipeline() -> None:
    """In a pipeline it is a step like any other: parameters by name, feature names out."""
    pipeline = make_pipeline(FastTfidfVectorizer(), LogisticRegression())
    pipeline.set_params(fasttfidfvectorizer__ngram_range=(1, 2))
    pipeline.fit(CORPUS, [0, 1, 0, 1, 0])
    plain = TfidfVectorizer(ngram_range=(1, 2)).fit(CORPUS)
    assert pipeline[:-1].get_feature_names_out().tolist() == plain.get_feature_names_out().tolist()


@pytest.mark.skipif("sparse_interface" not in sklearn.get_config(), reason="this scikit-learn has only sparse matrices")
def test_follows_the_configured_sparse_container() -> None:
    """The result is a sparse array where scikit-learn is configured to give one."""
    with sklearn.config_context(sparse_interface="sparray"):
        ours = FastTfidfVectorizer()
        assert isinstance(ours.fit_transform(CORPUS), sp.csr_array)
        _assert_identical(TfidfVectorizer().fit(CORPUS).transform(CORPUS), ours.transform(CORPUS))


def test_warming_up_compiles_everything() -> None:
    """Warming up compiles everything, so that nothing is left to compile when a text comes."""
    assert warm_up() > 0
    assert compiled_vocabulary.warm_up_vocabulary() > 0
    loops: list[Any] = [
        scan_kernels.scan,
        scan_kernels.extend,
        scan_kernels.score,
        row_kernels.gather,
        row_kernels.weigh_row,
    ]
    before = [len(loop.signatures) for loop in loops]
    ours = FastTfidfVectorizer(ngram_range=(1, 2), binary=True, norm=None).fit(CORPUS)
    width = len(ours.vocabulary_)
    compiled_vocabulary.decision(CORPUS, ours.compile(), np.zeros((width, 2)), np.zeros(2))
    ours.transform(CORPUS)
    assert [len(loop.signatures) for loop in loops] == before


@pytest.mark.parametrize("home", ["writable", "unwritable"])
def test_compiles_where_the_package_cannot_be_written(tmp_path: Path, home: str) -> None:
    """With no room for a cache next to the package, or anywhere, the loops still compile and no warning is raised."""
    package = Path(scan_kernels.__file__).parents[2]
    copy = tmp_path / "site" / "tiltyard"
    (copy / "models" / "tfidf").mkdir(parents=True)
    (copy / "kernels").mkdir()
    for name in (
        "errors.py",
        "files.py",
        "redact.py",
        *(f"kernels/{file.name}" for file in (package / "kernels").glob("*.py")),
        "models/tfidf/alphabet.py",
        "models/tfidf/scan_kernels.py",
    ):
        shutil.copy(package / name, copy / name)
    for folder in (copy, copy / "kernels", copy / "models", copy / "models" / "tfidf"):
        (folder / "__init__.py").touch()
    (copy / "models" / "tfidf" / "__pycache__").write_text("a file, so that no cache can be written here")
    place = tmp_path / "home"
    if home == "writable":
        place.mkdir()
    else:
        place.write_text("a file, so that no cache can be written here either")
    code = (
        "import numpy as np; from tiltyard.models.tfidf import scan_kernels; key = np.zeros(1, np.uint64); "
        "scan_kernels.name(np.array([97, 98], np.uint8), np.array([0, 2]), key); print(key[0], scan_kernels.__file__)"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))},
        "HOME": str(place),
        "PYTHONPATH": str(copy.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.split()[0] == str(97 * 256 + 98)
    assert str(copy) in done.stdout
    assert home == "unwritable" or any(place.rglob("*.nbi"))


@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.proof)])
def test_equals_scikit_learn_on_reviews(every: int) -> None:
    """On every k-th review of the IMDB training half, vocabulary, idf and weights are scikit-learn's."""
    texts = _reviews()[::every]
    parameters: dict[str, Any] = {
        "ngram_range": (1, 2),
        "min_df": 2,
        "max_features": 200_000 // every,  # fewer than there are
        "sublinear_tf": True,
    }
    plain, ours = TfidfVectorizer(**parameters), FastTfidfVectorizer(**parameters)
    expected = plain.fit_transform(texts)
    got = ours.fit_transform(texts)
    assert len(ours.vocabulary_) == parameters["max_features"]
    assert ours.vocabulary_ == plain.vocabulary_
    np.testing.assert_array_equal(ours.idf_, plain.idf_)
    _assert_close(expected, got)
    _assert_identical(plain.transform(texts[:3000]), ours.transform(texts[:3000]))


def _reviews() -> list[str]:
    root = Path(os.environ.get("TILTYARD_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
    file = root / "imdb" / "train.parquet"
    if not file.exists():
        pytest.skip(f"the IMDB reviews are not at {file}; set TILTYARD_TEST_DATA to the folder that holds imdb/")
    texts: list[str] = pd.read_parquet(file, columns=["text"])["text"].tolist()
    return texts


def test_terms_of_some_columns_are_those_of_all() -> None:
    """Terms by column are the feature names of these columns, in the given order and as often."""
    texts = ["a warm and fünny film", "dull \u4e2d\u6587 and \U0001d4b3y slow", "and"]
    vectoriser = FastTfidfVectorizer(ngram_range=(1, 3), token_pattern=alphabet.WORDS).fit(texts)
    names = vectoriser.get_feature_names_out()
    columns = np.random.default_rng(0).integers(0, len(names), 50)
    assert vectoriser.terms_of(columns) == names[columns].tolist()
    assert vectoriser.terms_of(columns[:0]) == []


def _table(terms: Terms) -> hash_tables.WordTable:
    plain = TfidfVectorizer(vocabulary=terms.strings(), token_pattern=alphabet.WORDS).fit(["ab"])
    words = FastTfidfVectorizer.from_sklearn(plain).compile().words
    return hash_tables.WordTable(words.slots, words.keys, words.starts, terms.letters)


def _found(terms: Terms, text: str, table: hash_tables.WordTable | None = None) -> list[int]:
    data = np.frombuffer(text.encode(), np.uint8)
    return _scanned(data, len(data), table or _table(terms))


def _scanned(data: Any, length: int, table: hash_tables.WordTable) -> list[int]:
    letters = alphabet.alphabet(alphabet.WORDS, lowercase=True)
    ids, tokens = np.empty(len(data) + 1, np.int32), np.zeros(2, np.int64)
    data.flags.writeable = False
    texts = (data, np.array([0, length]), np.array([False]))
    scan_kernels.scan(texts, letters.arrays, table.arrays, ids, tokens, np.array([0, -1, 0]))
    found: list[int] = ids[: tokens[1]].tolist()
    return found


@given(st.lists(st.text(st.characters(), max_size=12), min_size=16, max_size=40), st.booleans())
def test_many_texts_are_encoded_as_each_of_them(texts: list[str], lowercase: bool) -> None:
    """Strings that are encoded all at once give the bytes that each gives alone, lone surrogates included."""
    texts = [*texts, "plain", "\ud83d", "\ude00", "İ", ""]
    found = alphabet.encode(texts, lowercase)
    singly = [alphabet.encode([text], lowercase) for text in texts]
    assert found.plain.tolist() == [one.plain[0] for one in singly]
    cut = [found.data[start:end].tobytes() for start, end in zip(found.bounds, found.bounds[1:], strict=False)]
    assert cut == [one.data[: one.bounds[1]].tobytes() for one in singly]
