"""Tags of registered versions that several parts read."""

VERDICT_TAG = "tiltyard.verdict"
FINDINGS_TAG = "tiltyard.data_findings"
ARCHIVED_TAG = "tiltyard.archived"
