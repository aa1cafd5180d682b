"""Metrics that know their direction: of predicted labels, and of probabilities."""
