"""Candidates: the built-in text recipes, and the project's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import scipy.sparse as sp
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline

from tests.models.corpus import reviews, texts
from tiltyard.errors import MissingExtraError, UsageError
from tiltyard.models import (
    CANDIDATES,
    DEFAULTS,
    Candidate,
    Choice,
    FloatRange,
    IntegerRange,
    find_default,
    get_candidate,
    select_candidates,
)
from tiltyard.models.nb_svm import log_count_ratios
from tiltyard.models.recipes.text import TEXT
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.tasks import Task

EVERY = pytest.mark.parametrize("name", TEXT)
OURS = {"tiltyard.models.linear.CalibratedLinearSVM", "tiltyard.models.nb_svm.NaiveBayesLogistic"}
OURS |= {"tiltyard.models.nb_svm.NaiveBayesSVM"}


@EVERY
@pytest.mark.parametrize("labels", [2, 3])
def test_a_text_recipe_tells_topics_apart(name: str, labels: int) -> None:
    """Held-out texts get their topic nearly always, with probabilities that sum to one and belong to the label."""
    taught, test = texts(200, labels), texts(100, labels, seed=1)
    pipeline = get_candidate(name, "text-classification").build(0).fit(*taught)
    probabilities = pipeline.predict_proba(test[0])
    assert probabilities.shape == (100, labels)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()
    np.testing.assert_array_equal(pipeline.classes_[probabilities.argmax(axis=1)], pipeline.predict(test[0]))
    assert pipeline.score(*test) > 0.9


@EVERY
def test_probabilities_of_reviews_are_worth_their_name(name: str) -> None:
    """On held-out reviews the log loss is far below that of a constant prediction, and no probability is 0 or 1."""
    inputs, labels = reviews()
    pipeline = get_candidate(name, "text-classification").build(0).fit(inputs[:1200], labels[:1200])
    probabilities = pipeline.predict_proba(inputs[1200:])
    truth = (labels[1200:].to_numpy()[:, None] == pipeline.classes_).argmax(axis=1)
    loss = -np.log(probabilities[np.arange(len(truth)), truth]).mean()
    assert loss < 0.55
    assert probabilities.max() < 1


@pytest.mark.requirement("R-TRAIN-03")
def test_naive_bayes_is_scikit_learns_over_tfidf() -> None:
    """``tfidf-naive-bayes`` predicts as scikit-learn's TfidfVectorizer and MultinomialNB do."""
    inputs, labels = texts(120)
    plain = Pipeline(
        [
            ("tfidf", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
            ("classifier", MultinomialNB(alpha=0.3)),
        ]
    ).fit(inputs, labels)
    ours = get_candidate("tfidf-naive-bayes", "text-classification").build(0).fit(inputs, labels)
    np.testing.assert_allclose(ours.predict_proba(inputs), plain.predict_proba(inputs), atol=1e-9)


@pytest.mark.requirement("R-TRAIN-04")
def test_logistic_regression_is_scikit_learns_over_weighted_tfidf() -> None:
    """``tfidf-logreg`` is scikit-learn's LogisticRegression over TF-IDF columns times their naive Bayes ratio."""
    inputs, labels = texts(120, 2)
    ours = get_candidate("tfidf-logreg", "text-classification").build(0).fit(inputs, labels)
    columns = sp.csr_matrix(ours["tfidf"].transform(inputs))
    positive = np.asarray(labels == ours.classes_[1])
    presence = sp.csr_matrix((np.ones_like(columns.data), columns.indices, columns.indptr), columns.shape)
    weighted = sp.csr_matrix(columns.multiply(log_count_ratios(presence, positive, 1.0)))
    plain = LogisticRegression(C=20.0, solver="liblinear", max_iter=1000, tol=1e-6).fit(weighted, positive)
    np.testing.assert_allclose(ours.predict_proba(inputs)[:, 1], plain.predict_proba(weighted)[:, 1], atol=2e-3)


@pytest.mark.requirement("R-TRAIN-05", "R-TRAIN-08")
def test_the_forest_is_scikit_learns() -> None:
    """``random-forest`` ends in scikit-learn's RandomForestClassifier, with the seed of the training."""
    forest = get_candidate("random-forest", "tabular-classification").build(7)[-1]
    assert isinstance(forest, RandomForestClassifier)
    assert forest.random_state == 7


@EVERY
def test_the_same_seed_gives_the_same_text_model(name: str) -> None:
    """Two fits of clones by one seed predict the same, to the last bit."""
    taught = texts(90)
    pipeline = get_candidate(name, "text-classification").build(3)
    first, second = (clone(pipeline).fit(*taught).predict_proba(taught[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@EVERY
def test_a_stored_text_model_needs_known_types_and_predicts_as_before(name: str) -> None:
    """skops stores a fitted recipe with types of the trusted list alone, and the loaded model predicts alike."""
    taught = texts(90)
    pipeline = get_candidate(name, "text-classification").build(0).fit(*taught)
    stored = skops.io.dumps(pipeline)
    needed = set(skops.io.get_untrusted_types(data=stored))
    assert needed <= trusted_type_names() | OURS
    loaded = skops.io.loads(stored, trusted=sorted(needed))
    np.testing.assert_array_equal(loaded.predict_proba(taught[0]), pipeline.predict_proba(taught[0]))


@EVERY
def test_labels_with_a_single_row_can_be_learned(name: str) -> None:
    """A label of one row stands in the way of no recipe's fit."""
    inputs, labels = texts(60)
    labels[0] = "alone"
    pipeline = get_candidate(name, "text-classification").build(0).fit(inputs, labels)
    assert "alone" in pipeline.classes_
    assert np.isfinite(pipeline.predict_proba(inputs)).all()


@pytest.mark.parametrize("name", [name for name in CANDIDATES if name not in ("mean", "text-mean")])
def test_a_declared_space_names_parameters_of_the_pipeline(name: str) -> None:
    """Each parameter that a search may vary exists, and the recipe's own value can be set back."""
    candidate = CANDIDATES[name]
    pipeline = candidate.build(0)
    assert candidate.space
    assert set(candidate.space) <= set(pipeline.get_params())
    for parameter, allowed in candidate.space.items():
        value = allowed.values[0] if isinstance(allowed, Choice) else allowed.low
        built = candidate.with_params({parameter: value}).build(0)
        assert built.get_params()[parameter] == value


def test_no_candidates_means_the_default_of_the_task_and_repeats_count_once() -> None:
    """A project without candidates gets one; a name given twice is tried once."""
    assert [candidate.name for candidate in select_candidates((), "text-classification")] == ["tfidf-logreg"]
    assert [candidate.name for candidate in select_candidates((), "tabular-classification")] == ["gradient-boosting"]
    names = ("nbsvm", "tfidf-logreg", "nbsvm")
    assert [candidate.name for candidate in select_candidates(names, "text-classification")] == [
        "nbsvm",
        "tfidf-logreg",
    ]


def test_an_unknown_or_unfitting_candidate_is_refused_with_the_fitting_ones() -> None:
    """What cannot be used is refused with the nearest name and the list."""
    with pytest.raises(UsageError, match="Did you mean 'nbsvm'") as unknown:
        get_candidate("nbsmv", "text-classification")
    assert "nb-logreg" in unknown.value.next_step
    with pytest.raises(UsageError, match="for tabular-classification") as other:
        get_candidate("gradient-boosting", "text-classification")
    assert other.value.code == "candidate.other-task"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project's folder; the modules that it brings are forgotten afterwards."""
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(root: Path, code: str, name: str = "tiltyard_test_recipes") -> None:
    """A module of the project."""
    (root / f"{name}.py").write_text(dedent(code), encoding="utf-8")


def own(root: Path, maker: str = "make", module: str = "tiltyard_test_recipes") -> Candidate:
    """The project's own candidate."""
    return get_candidate(f"{module}:{maker}", "text-classification", root)


def test_a_maker_of_the_project_is_built_with_the_seed(project: Path) -> None:
    """A pipeline from the project's folder is used as it is, and random_state reaches a maker that takes it."""
    write(
        project,
        """
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline
        def make(random_state):
            from tiltyard_test_beside import LOSS
            return make_pipeline(CountVectorizer(), SGDClassifier(loss=LOSS, random_state=random_state))
        """,
    )
    write(project, "LOSS = 'log_loss'", "tiltyard_test_beside")
    before = list(sys.path)
    pipeline = own(project).build(17)
    assert pipeline[-1].random_state == 17
    assert pipeline.fit(*texts()).score(*texts(seed=1)) > 0.9
    assert sys.path == before


def test_scores_without_probabilities_are_calibrated(project: Path) -> None:
    """An estimator that only has a decision function becomes one with probabilities, its vectoriser outside of that."""
    write(
        project,
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC
        def make():
            return make_pipeline(TfidfVectorizer(), LinearSVC())
        make_part = LinearSVC
        """,
    )
    pipeline = own(project).build(0)
    assert isinstance(pipeline[-1], CalibratedClassifierCV)
    probabilities = pipeline.fit(*texts()).predict_proba(texts(seed=1)[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert pipeline.score(*texts(seed=1)) > 0.9
    alone = own(project, "make_part").build(0)
    assert isinstance(alone, Pipeline)
    assert isinstance(alone[-1], CalibratedClassifierCV)


def test_two_projects_may_have_modules_of_one_name(project: Path) -> None:
    """The maker comes from the project that asks, whatever another project's module of that name holds."""
    code = "from sklearn.naive_bayes import MultinomialNB\ndef make():\n    return MultinomialNB(alpha={})\n"
    for folder, alpha in (("one", 1.0), ("two", 2.0), ("one", 1.0)):
        (project / folder).mkdir(exist_ok=True)
        write(project / folder, code.format(alpha))
        assert own(project / folder).build(0)[-1].alpha == alpha


@pytest.mark.parametrize(
    ("code", "maker", "error", "says"),
    [
        ("", "make", "candidate.maker-missing", "There is no 'make'"),
        ("def make_it():\n    pass", "make_lt", "candidate.maker-missing", "Did you mean 'make_it'"),
        ("make = 3", "make", "candidate.maker-not-callable", "is a int, not a function"),
        ("def make(:", "make", "candidate.module-broken", "SyntaxError"),
        ("import tiltyard_no_such_thing", "make", "candidate.module-broken", "tiltyard_no_such_thing"),
        ("def make(depth):\n    pass", "make", "candidate.maker-failed", "TypeError"),
        ("def make():\n    return None", "make", "candidate.not-an-estimator", "a NoneType"),
        (
            "from sklearn.svm import LinearSVC\ndef make():\n    return LinearSVC",
            "make",
            "candidate.not-an-estimator",
            "the class LinearSVC",
        ),
        (
            "from sklearn.linear_model import LinearRegression as make",
            "make",
            "candidate.other-target",
            "does not predict classes, as the project.s task does",
        ),
    ],
)
def test_what_is_wrong_with_an_own_candidate_is_said_at_once(
    project: Path, code: str, maker: str, error: str, says: str
) -> None:
    """A maker that is missing, fails or makes no classifier is a usage error that names it, before any work."""
    write(project, code)
    with pytest.raises(UsageError, match=says) as caught:
        own(project, maker)
    assert caught.value.code == error
    assert "tiltyard_test_recipes" in caught.value.message
    assert caught.value.next_step


def test_a_missing_or_misnamed_module_is_said_with_its_folder(project: Path) -> None:
    """A module that is nowhere is named with the folder it was looked for in; a name that cannot be one is refused."""
    with pytest.raises(UsageError, match="There is no module 'tiltyard_test_none'") as missing:
        own(project, module="tiltyard_test_none")
    assert str(project) in missing.value.message
    for name in ("my module:make", "module:", ":make", "module:make()"):
        with pytest.raises(UsageError, match="module:maker"):
            get_candidate(name, "text-classification", project)


def test_a_module_that_another_one_hides_is_refused(project: Path) -> None:
    """The project's file is never silently passed over for an imported module of the same name."""
    write(project, "def make():\n    pass", "json")
    with pytest.raises(UsageError, match="has the name of another one") as clash:
        own(project, module="json", maker="loads")
    assert clash.value.code == "candidate.module-clash"


def test_an_own_candidate_may_declare_what_a_search_varies(project: Path) -> None:
    """MAKER_space names parameters as the maker's estimator or its pipeline has them, calibrated or not."""
    write(
        project,
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.naive_bayes import MultinomialNB
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC
        from tiltyard.models import Choice, FloatRange, IntegerRange
        def make():
            return make_pipeline(TfidfVectorizer(), LinearSVC())
        make_space = {
            "linearsvc__C": FloatRange(0.01, 10, log=True),
            "tfidfvectorizer__min_df": IntegerRange(1, 3),
            "tfidfvectorizer__norm": ["l1", "l2"],
        }
        def alone():
            return MultinomialNB()
        def alone_space():
            return {"alpha": FloatRange(0.1, 1)}
        svm = LinearSVC
        svm_space = {"C": FloatRange(0.1, 1)}
        plain = MultinomialNB
        """,
    )
    assert own(project).space == {
        "linearsvc__estimator__C": FloatRange(0.01, 10, log=True),
        "tfidfvectorizer__min_df": IntegerRange(1, 3),
        "tfidfvectorizer__norm": Choice(("l1", "l2")),
    }
    assert own(project).with_params({"linearsvc__estimator__C": 3.0}).build(0)[-1].estimator.C == 3.0
    assert list(own(project, "alone").space) == ["classifier__alpha"]
    assert list(own(project, "svm").space) == ["classifier__estimator__C"]
    assert own(project, "plain").space == {}


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("7", "make_space is a int"),
        ("{'alfa': FloatRange(0, 1)}", "'alfa', which the recipe has no parameter of"),
        ("{'alpha': 3}", "declares 3 for 'alpha'"),
        ("{'alpha': []}", "nothing to choose from"),
        ("{'alpha': FloatRange(1, 0)}", "in order"),
        ("{'alpha': FloatRange(0, 1, log=True)}", "above 0"),
        ("{'alpha': IntegerRange(1, 2.5)}", "whole"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_any_work(project: Path, space: str, says: str) -> None:
    """An unknown parameter, an empty choice and a range that holds nothing are named."""
    write(
        project,
        f"""
        from sklearn.naive_bayes import MultinomialNB as make
        from tiltyard.models import FloatRange, IntegerRange
        make_space = {space}
        """,
    )
    with pytest.raises(UsageError, match=says) as caught:
        own(project)
    assert caught.value.code == "candidate.space"
    assert "tiltyard.models.search_space" in caught.value.next_step


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_a_booster_whose_library_is_missing_names_the_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library is optional on its own: what is missing is named with what to install, before any row is read."""
    monkeypatch.setitem(sys.modules, library, None)  # as Python notes a module that cannot be imported
    for task in ("tabular-classification", "tabular-regression"):
        with pytest.raises(MissingExtraError) as error:
            select_candidates((library,), task)
        assert error.value.next_step == "Install them with: pip install 'tiltyard[boosting]'"
    others = {"lightgbm", "xgboost", "catboost"} - {library}
    assert [get_candidate(name, "tabular-classification").name for name in sorted(others)] == sorted(others)


@pytest.mark.parametrize("task", list(DEFAULTS))
def test_the_default_is_the_best_that_can_be_fitted_here(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the candidates that did best on public tables the first whose library is there is taken, and it says why."""
    names = DEFAULTS[task]
    for place, name in enumerate(names):
        found = find_default(task)
        assert (found.candidate.name, [one.name for one in found.missing]) == (name, list(names[:place]))
        assert [one.name for one in select_candidates((), task)] == [name]
        said = found.explain(names[0])
        assert bool(said) is (len(names) > 1)
        if said:
            assert f"No candidate is named: {name} " in said
        assert ("pip install 'tiltyard[boosting]'" in said) is (place > 0)
        assert ("The champion was trained as " in said) is (place > 0)
        assert "The champion" not in found.explain("another")
        if library := found.candidate.library:
            monkeypatch.setitem(sys.modules, library, None)
    assert not CANDIDATES[names[-1]].library, "a default is there in every installation"


def test_a_recipe_of_labels_has_its_recipe_of_numbers() -> None:
    """A name of labels means, in a project of numbers, the same recipe of numbers, where there is one."""
    assert get_candidate("lightgbm", "tabular-regression").name == "lightgbm-regressor"
    assert get_candidate("gradient-boosting", "tabular-regression").name == "gradient-boosting-regressor"
    with pytest.raises(UsageError, match="is for tabular-classification"):
        get_candidate("logreg", "tabular-regression")
