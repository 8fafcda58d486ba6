"""What was sold, hour by hour, and what it was sold under."""
