"""One module for each kind of broker: how its messages are taken, confirmed, counted and published."""
