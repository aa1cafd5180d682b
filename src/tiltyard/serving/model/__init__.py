"""The served version: loaded, verified, tried, swapped."""
