"""Commands that predict: predict, serve, predictions."""
