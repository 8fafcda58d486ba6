"""What is in store, where, since when, and what to buy."""
