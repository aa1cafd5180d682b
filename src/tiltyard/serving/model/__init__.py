"""The served version: loaded, verified, smoke-tested and swapped."""
