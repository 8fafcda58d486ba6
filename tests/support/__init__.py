"""What several test modules need: real servers, and what goes with them."""
