"""The command line: each command parses its options, calls one use case, and prints the result."""
