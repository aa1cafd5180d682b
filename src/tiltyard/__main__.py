"""``python -m tiltyard`` is the command ``tiltyard``."""

from tiltyard.cli.main import main

main()
