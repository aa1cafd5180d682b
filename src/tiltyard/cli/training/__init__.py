"""Commands on training: train, retrain, evaluate, runs."""
