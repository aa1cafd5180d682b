"""Predictions over HTTP, each of them recorded before it is sent."""
