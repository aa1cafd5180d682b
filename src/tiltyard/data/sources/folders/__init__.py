"""Folders as sources: of texts by their labels, and of tables."""
