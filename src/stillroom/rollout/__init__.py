"""Migrations as Jobs on a cluster: what to apply, how it goes, what came of it, and the way back."""
