"""Classes: one of several labels, binary or multiclass."""
