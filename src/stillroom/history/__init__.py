"""The migrations folder on this machine: verified copy-back, journaled replacement, backups."""
