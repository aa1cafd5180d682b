"""The loop closes: from findings to actions that survive whatever happens to the process."""
