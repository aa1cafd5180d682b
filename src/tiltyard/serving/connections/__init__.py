"""Connections of clients: HTTP/1.1 from strangers, within bounds of memory, time and number."""
