"""Revisions carried out by the service's own env.py: upgrade, downgrade, difference."""
