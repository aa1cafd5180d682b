"""Tiltyard closes the MLOps loop for scikit-learn-class models."""

__version__ = "0.1.0"
