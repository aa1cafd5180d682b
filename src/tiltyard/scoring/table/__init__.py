"""How table models predict a batch."""
