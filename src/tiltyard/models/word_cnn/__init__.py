"""Convolutions over words with one pooling for a text."""
