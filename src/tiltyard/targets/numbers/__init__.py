"""Numbers: regression."""
