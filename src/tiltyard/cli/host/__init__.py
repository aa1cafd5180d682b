"""Commands on this host: keys, doctor."""
