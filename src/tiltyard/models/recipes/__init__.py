"""The built-in recipes: what builds a pipeline from a seed."""
