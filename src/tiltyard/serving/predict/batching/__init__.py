"""Batches: gather inputs, score them in one model call, record the predictions, and only then return them."""
