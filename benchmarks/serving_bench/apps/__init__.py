"""The peers' servers; each file runs in its own environment, and imports nothing of ours."""
