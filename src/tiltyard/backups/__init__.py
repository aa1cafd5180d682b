"""Backups of what a project keeps on this host and in its ledger, made while it serves, and their restoring."""
