"""Jobs that the loop runs on a schedule: monitoring runs, reports, retention of snapshots and predictions."""
