"""The ending of a batch run: it is evaluated as a whole, its results appear, and it is reported."""
