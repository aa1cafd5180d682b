"""Colours of all charts: Okabe and Ito's, which colour-blind readers can tell apart, in shades for light and dark."""

BLUE = "#3f8fd2"
ORANGE = "#d9722e"
GREEN = "#1fa387"
PURPLE = "#b56ab0"
YELLOW = "#c9a227"
GREY = "#7d8896"
RED = "#d1495b"

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, GREY, RED)
"""In the order in which series take them."""
