"""Check the health of this container's service by one HTTP request: exit code 0 or 1.

Run as ``python healthcheck.py [URL]``; without a URL it checks the server of ``tiltyard serve`` on its usual port. A
server without a champion is healthy: it responds to this request, and with 503 to requests for predictions.
"""

import json
import sys
import urllib.error
import urllib.request

SERVER = "http://127.0.0.1:8000/health"


def problem(url: str) -> str:
    """The problem in a line; empty without one."""
    # Without a proxy from the environment: the service runs in this container.
    open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    try:
        with open_url(url, timeout=4):
            return ""
    except urllib.error.HTTPError as error:
        return "" if waits_for_a_champion(error) else f"{url} responds with {error.code}"
    except OSError as error:
        return f"{url} does not respond: {error}"


def waits_for_a_champion(error: urllib.error.HTTPError) -> bool:
    """Whether the response is from a Tiltyard server without a champion, and not a proxy's 503."""
    try:
        return error.code == 503 and json.load(error)["model_loaded"] is False
    except (ValueError, LookupError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1] if len(sys.argv) > 1 else SERVER) or 0)
