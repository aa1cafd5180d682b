"""Commands about labels: feedback, label."""
