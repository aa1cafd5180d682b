"""Commands on labels: feedback, label."""
