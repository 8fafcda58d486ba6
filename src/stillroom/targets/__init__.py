"""Where the Python of a service runs, and the channel that leads there."""
