"""How a raw cell becomes a value: one package decides it for files, requests, rows and labels."""
