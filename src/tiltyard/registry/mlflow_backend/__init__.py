"""The registry and the experiment tracker over MLflow."""
