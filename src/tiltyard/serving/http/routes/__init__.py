"""The HTTP routes, a module for each kind: they read the request, call one thing, and write the response."""
