"""Secrets removed from what people read."""

from __future__ import annotations

import re

# Up to the last @ before the path: what stands before it is a user, and perhaps a password.
_URL_WITH_USER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]*@")
_AUTHORITY = re.compile(r"[^/?#]*")
# Any parameter whose name says that its value is secret: password, sslpassword, api_key, X-Amz-Signature, AccessKeyId …
_PASSWORD_IN_QUERY = re.compile(
    r"([?&;][\w.%-]*?(?:pass|pwd|secret|token|sig|key|auth|cred)[\w.%-]*=)(?!\$\{\w+\}(?:[&;\s'\"<>]|$))[^&;\s'\"<>]*",
    re.IGNORECASE,
)
# The name of an environment variable in place of what it holds says nothing secret.
_VARIABLE = re.compile(r"\$\{\w+\}")


def without_password(url: str) -> str:
    """A URL without its password; user information without a password is a token, and goes as well."""
    url = _PASSWORD_IN_QUERY.sub(r"\1***", url)
    scheme, separator, rest = url.partition("://")
    authority = _AUTHORITY.match(rest)
    end = authority.end() if authority else 0
    # SQLAlchemy takes a slash in a password as it is; an @ in the path of a web page is none of a user.
    if "@" not in rest[:end] and end and not scheme.startswith("http"):
        end = len(rest)
    credentials, at, tail = rest[:end].rpartition("@")
    if not separator or not at:
        return url
    user, colon, password = credentials.partition(":")
    if _VARIABLE.fullmatch(password):
        return url
    redacted_user = f"{user}:***" if colon else "***"
    return f"{scheme}://{redacted_user}@{tail}{rest[end:]}"


def without_passwords(text: str) -> str:
    """A text without the passwords of the URLs in it."""
    text = _PASSWORD_IN_QUERY.sub(r"\1***", text)
    return _URL_WITH_USER.sub(lambda found: without_password(found[0]), text)
