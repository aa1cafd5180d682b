"""Writes ``.env`` for ``compose.yaml``: ``.env.example`` with fresh secrets. One that is there stays as it is."""

import os
import re
import secrets
import sys
from pathlib import Path


def fresh(name: str) -> str:
    """A secret of 192 bits or more, in the form that its reader wants."""
    if name.endswith("_ACCESS_KEY"):
        return secrets.token_hex(10)
    if name in ("CALLER_KEY", "TILTYARD_SERVER_KEY"):
        return f"ty_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
    return secrets.token_hex(24)


def main(root: Path) -> str:
    """Write the file; what to say about it when it could not be."""
    text = (root / ".env.example").read_text(encoding="utf-8")
    text = re.sub(r"^([A-Z][A-Z0-9_]*)=$", lambda line: f"{line[1]}={fresh(line[1])}", text, flags=re.MULTILINE)
    try:
        number = os.open(root / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return (
            "There is a .env already; it stays as it is. Its secrets are in the volumes too: to begin anew, run\n"
            "`docker compose down -v`, remove .env, and run `make env` again."
        )
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    return ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")) or 0)
