"""Spools: what servers record locally first, and shipping it to the central ledger."""
