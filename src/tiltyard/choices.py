"""What options of commands offer, and what they default to, where a package below the command line decides by it.

It stands here so that the help of a command imports nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

PROJECT_FILE = "tiltyard.toml"

ApiScope = Literal["predict", "feedback", "batch", "read", "operate", "admin"]
SCOPES: tuple[ApiScope, ...] = get_args(ApiScope)

Role = Literal["viewer", "labeller", "operator", "admin"]
"""What a person may do in the console; each may all that those before it may."""
ROLES: tuple[Role, ...] = get_args(Role)
ROLE_SCOPES: Mapping[Role, tuple[ApiScope, ...]] = {
    "viewer": ("read",),
    "labeller": ("feedback", "read"),
    "operator": ("feedback", "read", "operate"),
    "admin": ("admin",),
}
"""The scopes that a role stands for."""

LABEL_FILE_COLUMNS = {"id": "prediction_id", "key": "key", "label": "label", "at": "labelled_at"}
"""The columns of a file of labels."""

UNCERTAIN_SHARE, DRIFTED_SHARE = 0.5, 0.25
"""What a queue of labels is made of; the rest is drawn at random."""

PREFECT_POOL = "tiltyard"

MOST_AT_ONCE = 500
"""Messages that a stream takes together."""
HOLD_SECONDS = 30.0
"""After so long without word, a broker gives messages to another consumer."""

UNPICKLE_SECONDS, UNPICKLE_GB = 120, 4.0
"""What opening a pickle may take."""
