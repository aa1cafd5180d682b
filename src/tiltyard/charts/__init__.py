"""Drawing: SVG without scripts or outside hosts."""
