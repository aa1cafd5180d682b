"""Training: from a project file or data frames to a registered version."""
