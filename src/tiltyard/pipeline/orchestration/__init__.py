"""Who runs the steps: this process, or Prefect."""
