"""Predicting: one data plane under every protocol."""
