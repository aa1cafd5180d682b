"""Drift detectors: one small class for each statistical test of a window against the reference."""
