"""Protocols of other servers: how their requests are decoded and their responses written. No HTTP, no state."""
