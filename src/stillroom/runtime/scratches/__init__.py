"""Scratch databases: made or given, recognised after a crash, and removed."""
