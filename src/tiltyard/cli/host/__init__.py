"""Commands about this host: keys, doctor."""
