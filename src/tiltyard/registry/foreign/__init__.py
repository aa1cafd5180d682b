"""Models that were fitted elsewhere: checked, opened from their files, and described for a version."""
