"""Values and comments as TOML has them (https://toml.io/en/v1.0.0)."""

from __future__ import annotations

import json

_LONGEST_COMMENT = 160


def write_toml_value(value: object) -> str:
    """A text, number, boolean or list as a TOML value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(write_toml_value(item) for item in value)}]"
    return quote_toml(value) if isinstance(value, str) else repr(value)


def quote_toml(text: str) -> str:
    """A TOML basic string, also for a key: JSON's escapes are TOML's, but for DEL and half surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007F")


def write_toml_comment(text: str) -> str:
    """A comment at the end of a line: on one line, without control characters, cut where it is long."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    short = plain if len(plain) <= _LONGEST_COMMENT else plain[: _LONGEST_COMMENT - 1] + "…"
    return f"      # {short}"
