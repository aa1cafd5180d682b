"""Commands about data: init, data, validate."""
