"""Chance: what rows, or groups of rows that belong together, would give if they were drawn or exchanged anew."""
