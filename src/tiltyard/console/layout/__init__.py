"""What all pages are made of: their addresses, their frame, controls, components and plots."""
