"""A world in which processes die, pause and disagree about the time, run one step at a time from a seed."""
