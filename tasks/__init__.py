"""The commands people type: parse, ask, call, print. No logic."""
