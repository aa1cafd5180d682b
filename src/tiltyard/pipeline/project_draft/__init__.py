"""A first project file for an unknown data file: what it says, and the check that training will take it."""
