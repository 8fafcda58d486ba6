"""Emptying what a service owns in place, with a dump before."""
