"""A version as files: written, signed, verified, and read without running any code in it."""
