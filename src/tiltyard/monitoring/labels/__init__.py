"""Labels: imported from files, and the queue of predictions most worth labelling."""
