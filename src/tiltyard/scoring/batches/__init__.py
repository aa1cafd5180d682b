"""Scoring many inputs at once: groups apart from each other, under a policy, and whole frames."""
