"""Keeping processes alive: a supervisor, health checks and heartbeats. Knows nothing of models."""
