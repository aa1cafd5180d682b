"""Choosing among candidates on the training rows alone: cross-validation, ranking, search."""
