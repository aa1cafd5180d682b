"""Start processes and keep them running: supervisor, health checks, heartbeats, and calls from one to another."""
