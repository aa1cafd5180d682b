"""Snapshots: the rows of a training, kept under their fingerprint."""
