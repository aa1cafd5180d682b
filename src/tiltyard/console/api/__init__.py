"""``/api/v1``: what the console shows and does, for programs; the same data and the same actions as its pages."""

from tiltyard.console.api.app import API_PATH, create_api
from tiltyard.console.api.data import ApiData

__all__ = ["API_PATH", "ApiData", "create_api"]
