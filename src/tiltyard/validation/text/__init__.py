"""Checks of texts: what is measured, and what it means."""
