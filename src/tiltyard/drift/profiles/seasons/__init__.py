"""The hours of the week at which rows come, and how the reference differs between them."""
