"""Conversion of our fitted text models to scikit-learn alone, with equal predictions: for files without our code."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer

from tiltyard.models.linear import LinearOneVsRest
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer


def to_sklearn_step(step: Any) -> Any:
    """The same fitted step in scikit-learn's own classes, where it is one of ours; any other as it is."""
    if isinstance(step, FastTfidfVectorizer):
        return step.to_sklearn()
    if isinstance(step, LinearOneVsRest):
        return _to_sklearn_linear(step)
    if isinstance(step, Pipeline):
        return to_sklearn_pipeline(step)
    return step


def to_sklearn_pipeline(pipeline: Pipeline) -> Pipeline:
    """The same fitted pipeline with each step of ours replaced."""
    return Pipeline([(name, to_sklearn_step(step)) for name, step in pipeline.steps])


def _to_sklearn_linear(ours: LinearOneVsRest) -> Any:
    """Naive Bayes weights and calibration are in the coefficients, so a sigmoid of a product is all there is to it."""
    if len(ours.classes_) == 2:
        return _logistic(ours.coef_, ours.intercept_, ours.classes_)
    several = OneVsRestClassifier(LogisticRegression())
    several.estimators_ = [
        _logistic(weights[None, :], np.array([intercept]), np.array([0, 1]))
        for weights, intercept in zip(ours.coef_, ours.intercept_, strict=True)
    ]
    several.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(ours.classes_)
    several.classes_ = ours.classes_
    several.n_features_in_ = ours.n_features_in_
    return several


def _logistic(weights: Any, intercept: Any, classes: Any) -> LogisticRegression:
    made = LogisticRegression()
    made.coef_, made.intercept_, made.classes_ = np.array(weights), np.array(intercept), np.array(classes)
    made.n_features_in_ = made.coef_.shape[1]
    made.n_iter_ = np.array([0])
    return made
