"""Scoring whole tables: in fragments, resumable, each row once, recorded and evaluated."""
