"""Text recipes: scikit-learn pipelines over a column of strings."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline

from tiltyard.models.vectoriser import FastTfidfVectorizer

# 200,000 features keep a model of a large corpus small enough to travel, at no measurable loss of accuracy.
MAX_FEATURES = 200_000


def tfidf_logreg(random_state: int) -> Pipeline:
    """TF-IDF of words and word pairs (sublinear), then logistic regression."""
    return Pipeline(
        [
            ("tfidf", _tfidf()),
            ("classifier", LogisticRegression(C=10.0, max_iter=1000, random_state=random_state)),
        ]
    )


def tfidf_naive_bayes(_random_state: int) -> Pipeline:
    """TF-IDF of words and word pairs (sublinear), then multinomial naive Bayes."""
    return Pipeline([("tfidf", _tfidf()), ("classifier", MultinomialNB(alpha=0.3))])


def _tfidf() -> FastTfidfVectorizer:
    return FastTfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MAX_FEATURES)
