"""A version as files: written, signed, verified, and read without running anything of its own."""
