"""Predictions that Python callers log."""
