"""The channel between operator side and runtime: requests, event stream, workers and the parent that forks them."""
