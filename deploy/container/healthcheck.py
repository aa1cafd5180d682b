"""Whether what runs in this container is well: exit code 0 or 1, by one question over HTTP.

Run as ``python healthcheck.py [URL]``; without a URL, the server of ``tiltyard serve`` on its usual port is asked. A
server without a champion is well: it answers this question, and 503 to those who ask it for predictions.
"""

import json
import sys
import urllib.error
import urllib.request

SERVER = "http://127.0.0.1:8000/health"


def problem(url: str) -> str:
    """What is wrong there, in a line; empty for nothing."""
    # Past any proxy of the environment: what is asked runs in this container.
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    try:
        with ask(url, timeout=4):
            return ""
    except urllib.error.HTTPError as error:
        return "" if waits_for_a_champion(error) else f"{url} answers {error.code}"
    except OSError as error:
        return f"{url} does not answer: {error}"


def waits_for_a_champion(error: urllib.error.HTTPError) -> bool:
    """Whether a Tiltyard server says itself how it is, which is more than a proxy's 503."""
    try:
        return error.code == 503 and json.load(error)["model_loaded"] is False
    except (ValueError, LookupError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1] if len(sys.argv) > 1 else SERVER) or 0)
