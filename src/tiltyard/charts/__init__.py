"""Charts: colours, axes, legends and marks for every report, as SVG without scripts.

What a chart shows belongs to its subject; how it is drawn belongs here.
"""
