"""What past hours hold, in SQL: profiles of predictions, and counts of them."""
