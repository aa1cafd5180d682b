"""The console: versions, predictions and decisions as pages in a browser.

``data`` collects what the pages show, as plain values; ``figures`` draws; ``pages`` lays out; ``app`` puts them behind
addresses; ``run`` listens. Only ``figures``, ``pages`` and ``app`` need Dash, and nothing imports them but ``run``.
"""
