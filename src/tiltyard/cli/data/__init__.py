"""Commands on data: data, init, validate."""
