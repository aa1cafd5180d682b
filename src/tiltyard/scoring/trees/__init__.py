"""Fitted forests and boosted trees as arrays."""
