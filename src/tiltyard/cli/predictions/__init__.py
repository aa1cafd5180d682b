"""Commands on predictions: predict, serve, predictions."""
