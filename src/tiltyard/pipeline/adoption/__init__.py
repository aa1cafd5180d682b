"""Adoption: from an estimator that was fitted elsewhere, and rows, to a registered version."""
