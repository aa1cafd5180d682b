"""Commands that train: train, retrain, evaluate, runs."""
