"""Checks of the two sides of a split."""
